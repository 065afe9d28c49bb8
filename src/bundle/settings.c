/*
 * settings.c - skerry.json: what the files of the hub cannot say.
 *
 * One table of keys: each with the type that the reader checks and the place that it fills. A key
 * that is not in it is most likely a typing error and becomes a warning with the nearest known one;
 * files of later versions still load.
 */
#include "base/limits.h"
#include "base/str.h"
#include "bundle/bundle_priv.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char *const keys[] = { "name",   "description", "grey16",       "exif_orientation",
                                    "output", "activation",  "warmup_image", "test" };

enum {
    KEY_COUNT = sizeof(keys) / sizeof(keys[0]),
    NEAR = 3
};

void sk_bundle_warn(struct sk_buf *warnings, const char *fmt, ...)
{
    char line[300];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    sk_buf_fmt(warnings, "%s%s", warnings->len > 0 ? "\n" : "", line);
}

static void warn_unknown(const char *key, struct sk_buf *warnings)
{
    const char *nearest = NULL;
    int best = NEAR + 1;

    for (size_t i = 0; i < KEY_COUNT; i++) {
        int d = sk_edit_distance(key, keys[i]);

        if (strcmp(key, keys[i]) == 0)
            return;
        if (d >= 0 && d < best) {
            best = d;
            nearest = keys[i];
        }
    }
    if (nearest)
        sk_bundle_warn(warnings, "skerry.json: unknown key '%.64s' is ignored; did you mean '%s'?",
                       key, nearest);
    else
        sk_bundle_warn(warnings, "skerry.json: unknown key '%.64s' is ignored", key);
}

/* A text of at most max bytes, copied; *out stays NULL when the key is absent. */
static int copy_text(const struct sk_json *doc, const char *key, size_t max, char **out,
                     struct sk_err *err)
{
    const char *text = NULL;

    if (sk_json_want_text(doc, key, &text, err) < 0)
        return -1;
    if (!text)
        return 0;
    if (strlen(text) > max)
        return sk_fail(err, SK_LIMIT, "'%s' has more than %zu bytes", key, max);
    *out = strdup(text);
    return *out ? 0 : sk_nomem(err);
}

/* One of the choices, by its place in the list. */
static int read_choice(const struct sk_json *doc, const char *key, const char *const *choices,
                       int count, int *out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf list = SK_BUF_INIT(256);
    const char *text = NULL;

    if (sk_json_want_text(doc, key, &text, err) < 0)
        return -1;
    if (!text)
        return 0;
    for (int i = 0; i < count; i++) {
        if (strcmp(text, choices[i]) == 0) {
            *out = i;
            return 0;
        }
        sk_buf_fmt(&list, "%s%s", i > 0 ? ", " : "", choices[i]);
    }
    return sk_fail(err, SK_INVALID, "'%s': '%.64s' is none of %s", key, text,
                   sk_buf_ok(&list) ? list.data : "the choices");
}

bool sk_bundle_is_name_char(char c)
{
    return (unsigned char)c > ' ' && c != 0x7f && c != '/' && c != '"' && c != '\\';
}

static int check_name(const char *name, struct sk_err *err)
{
    if (name[0] == '\0')
        return sk_fail(err, SK_INVALID, "'name' is empty");
    for (const char *c = name; *c != '\0'; c++) {
        if (!sk_bundle_is_name_char(*c))
            return sk_fail(err, SK_INVALID,
                           "'name': no spaces, slashes, quotes or control characters are allowed");
    }
    return 0;
}

int sk_bundle_inside(const struct sk_bundle *b, const char *key, const char *text, char **out,
                     struct sk_err *err)
{
    SK_AUTO(free_cleanup) char *path = NULL;

    if (text[0] == '\0' || text[0] == '/' || strcmp(text, "..") == 0 ||
        sk_starts_with(text, "../") || strstr(text, "/../") || sk_ends_with(text, "/.."))
        return sk_fail(err, SK_INVALID, "'%s': expected a name inside the bundle, got '%.64s'", key,
                       text);
    path = sk_path_join(b->folder, text);
    if (!path)
        return sk_nomem(err);
    if (!sk_is_file(path))
        return sk_fail(err, SK_NOT_FOUND, "'%s': there is no file '%s'", key, path);
    *out = SK_TAKE(path);
    return 0;
}

static int read_warmup(const struct sk_json *doc, struct sk_bundle *b, struct sk_err *err)
{
    const char *text = NULL;

    if (sk_json_want_text(doc, "warmup_image", &text, err) < 0)
        return -1;
    return text ? sk_bundle_inside(b, "warmup_image", text, &b->warmup_image, err) : 0;
}

static int check_output(const struct sk_bundle *b, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf list = SK_BUF_INIT(300);

    if (!b->output)
        return 0;
    for (size_t i = 0; i < b->onnx->output_count; i++) {
        if (strcmp(b->output, b->onnx->outputs[i].name) == 0)
            return 0;
        sk_buf_fmt(&list, "%s%s", i > 0 ? ", " : "", b->onnx->outputs[i].name);
    }
    return sk_fail(err, SK_INVALID, "'output': the model has no output '%.64s'; it has %s",
                   b->output, sk_buf_ok(&list) && list.data ? list.data : "many");
}

int sk_bundle_settings(const struct sk_json *doc, struct sk_bundle *b, struct sk_buf *warnings,
                       struct sk_err *err)
{
    static const char *const grey16[] = { [SK_GREY16_CLIP] = "clip",
                                          [SK_GREY16_HIGH_BYTE] = "high_byte",
                                          [SK_GREY16_MIN_MAX] = "min_max" };
    static const char *const activations[] = { [SK_ACT_AUTO] = "auto",
                                               [SK_ACT_SOFTMAX] = "softmax",
                                               [SK_ACT_SIGMOID] = "sigmoid",
                                               [SK_ACT_NONE] = "none" };
    int grey = SK_GREY16_CLIP, activation = SK_ACT_AUTO;

    if (sk_json_type(doc) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "expected an object, got %s",
                       sk_json_type_name(sk_json_type(doc)));
    for (void *it = sk_json_first(doc); it; it = sk_json_next(doc, it))
        warn_unknown(sk_json_key(it), warnings);
    if (copy_text(doc, "name", SK_BUNDLE_NAME_BYTES, &b->name, err) < 0 ||
        (b->name && check_name(b->name, err) < 0) ||
        copy_text(doc, "description", SK_LIMIT_CONFIG_BYTES, &b->description, err) < 0 ||
        copy_text(doc, "output", SK_LIMIT_CONFIG_BYTES, &b->output, err) < 0 ||
        check_output(b, err) < 0 ||
        read_choice(doc, "grey16", grey16, SK_GREY16_COUNT, &grey, err) < 0 ||
        read_choice(doc, "activation", activations, sizeof(activations) / sizeof(activations[0]),
                    &activation, err) < 0 ||
        sk_json_want_bool(doc, "exif_orientation", &b->exif_orientation, err) < 0 ||
        read_warmup(doc, b, err) < 0 || sk_bundle_read_test(doc, b, err) < 0)
        return -1;
    b->grey16 = (enum sk_grey16)grey;
    b->activation = (enum sk_activation)activation;
    return 0;
}
