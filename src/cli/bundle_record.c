/*
 * bundle_record.c - `package` and `model register` record what the model makes of its test picture,
 * so that a device can see whether it still does.
 *
 * The record goes into the copy of skerry.json that leaves; the folder is not touched. All other
 * keys keep their order, so the same bundle gives the same bytes.
 */
#include "cli/bundle_record_priv.h"

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "pipeline/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sk_cli_record_done(struct sk_cli_record *r)
{
    struct sk_err ignored = SK_ERR_INIT;

    if (r->scratch)
        (void)!sk_remove_tree(r->scratch, &ignored);
    free(r->scratch);
    free(r->settings);
    *r = (struct sk_cli_record){ 0 };
}

void sk_cli_record_compose(const struct sk_json *settings, const char *test, struct sk_buf *out)
{
    sk_buf_chr(out, '{');
    for (void *it = settings ? sk_json_first(settings) : NULL; it;
         it = sk_json_next(settings, it)) {
        if (strcmp(sk_json_key(it), "test") == 0)
            continue;
        sk_buf_str(out, "\n  ");
        sk_buf_json_str(out, sk_json_key(it));
        sk_buf_str(out, ": ");
        sk_json_dump(sk_json_value(it), out);
        sk_buf_chr(out, ',');
    }
    sk_buf_fmt(out, "\n  \"test\": %s\n}\n", test);
}

/* The picture whose result is not recorded yet; NULL: none. */
static const char *picture_of(const struct sk_bundle *b)
{
    if (!sk_is_dir(b->path) || (b->test && b->test->label))
        return NULL;
    return b->test ? b->test->image : b->warmup_image;
}

/* Runs the model; appends the value of "test". */
static int ask_model(const struct sk_bundle *b, const char *picture, const char *onnxruntime,
                     struct sk_buf *test, struct sk_err *err)
{
    const struct sk_engine_options o = { .library = onnxruntime, .device = SK_DEVICE_CPU };
    SK_OWN(sk_engine_close) struct sk_engine *engine = NULL;
    SK_OWN(sk_classifier_unref) struct sk_classifier *c = NULL;
    SK_OWN(sk_lane_free) struct sk_lane *lane = NULL;
    SK_OWN(free) char *bytes = NULL;
    struct sk_result r;
    size_t len;

    if (sk_file_read(picture, SK_LIMIT_BODY_BYTES, &bytes, &len, err) < 0 ||
        sk_engine_open(&o, &engine, err) < 0 ||
        sk_classifier_load(engine, b->path, NULL, &c, err) < 0)
        return -1;
    if (sk_classifier_refusal(c))
        return sk_fail(err, SK_NOT_SCORES, "%s", sk_classifier_refusal(c));
    if (sk_lane_new(c, &lane, err) < 0 || sk_lane_classify(lane, bytes, len, 0, false, &r, err) < 0)
        return -1;
    picture += strlen(b->folder);
    sk_record_json(c, &r, picture + (*picture == '/'), b->test ? b->test->tolerance : 0, test);
    return sk_buf_ok(test) ? 0 : sk_buf_fail(test, err);
}

static int write_settings(const struct sk_bundle *b, const char *test, struct sk_cli_record *out,
                          struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(2 * SK_LIMIT_CONFIG_BYTES);
    SK_OWN(free) char *from = sk_path_join(b->folder, "skerry.json");
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    if (!from)
        return sk_nomem(err);
    if (sk_is_file(from) && sk_json_file(from, &doc, err) < 0)
        return -1;
    sk_cli_record_compose(doc, test, &text);
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    if (text.len > SK_LIMIT_CONFIG_BYTES)
        return sk_fail(err, SK_LIMIT, "skerry.json would have %zu bytes", text.len);
    if (sk_temp_dir("/var/tmp", "skerry-record", &out->scratch, err) < 0)
        return -1;
    out->settings = sk_path_join(out->scratch, "skerry.json");
    if (!out->settings)
        return sk_nomem(err);
    return sk_file_write(out->settings, text.data, text.len, 0644, err);
}

int sk_cli_record(const struct sk_bundle *b, const char *onnxruntime, struct sk_cli_record *out,
                  struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf test = SK_BUF_INIT(SK_LIMIT_CONFIG_BYTES);
    SK_AUTO(sk_cli_record_done) struct sk_cli_record r = { 0 };
    const char *picture = picture_of(b);
    struct sk_err why = SK_ERR_INIT;

    if (!picture)
        return 0;
    sk_log_setup(SK_WARN, SK_LOG_TEXT, STDERR_FILENO);
    if (ask_model(b, picture, onnxruntime, &test, &why) < 0 ||
        write_settings(b, test.data, &r, &why) < 0) {
        if (why.code == SK_NOMEM) {
            *err = why;
            return -1;
        }
        (void)fprintf(stderr,
                      "skerry: warning: %s: what the model makes of its test picture was not "
                      "recorded: %s\n",
                      b->name, why.text);
        return 0;
    }
    *out = r;
    r = (struct sk_cli_record){ 0 };
    return 0;
}
