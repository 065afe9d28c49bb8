/* test_bundle_record.c - when a record is made, what becomes of the other settings, and what is
 * said when it cannot be made. tests/it/test_package.py has the model run. [package-27] */
#include "cli_test.h"

#include "base/file.h"
#include "cli/bundle_record_priv.h"
#include "harness/golden.h"

#include <stdlib.h>

static char *dir;

static int start(void **state)
{
    (void)state;
    dir = sk_test_dir();
    return setenv("SKERRY_CACHE_DIR", dir, 1) | setenv("TMPDIR", dir, 1);
}

static int stop(void **state)
{
    (void)state;
    sk_test_dir_free(dir);
    return 0;
}

static void put_bundle(const char *settings)
{
    SK_OWN(free) char *folder = sk_path_join(dir, "m");
    SK_OWN(free) char *model = sk_path_join(folder, "model.onnx");
    SK_OWN(free) char *bytes = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;

    if (sk_mkdirs(folder, 0755, &err) < 0 ||
        sk_file_read(sk_source_path("tests/data/models/scores.onnx"), 1 << 20, &bytes, &len, &err) <
            0 ||
        sk_file_write(model, bytes, len, 0644, &err) < 0)
        fail_msg("%s", err.text);
    write_text(dir, "m/test.png", "no picture");
    write_text(dir, "m/skerry.json", settings);
}

static size_t folders_in(const char *path)
{
    SK_AUTO(sk_dir_done) struct sk_dir d = { 0 };
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_dir_read(path, &d, &err), 0);
    return d.count;
}

/* Nothing to record: not even a library is looked for. */
static void when_nothing_is_done(void **state)
{
    static const struct {
        const char *name, *path, *settings;
    } rows[] = {
        { "no picture", "m", "{}" },
        { "recorded", "m",
          "{\"test\":{\"image\":\"test.png\",\"label\":\"a\",\"probabilities\":[1,0]}}" },
        { "a lone file", "m/model.onnx", "{\"warmup_image\":\"test.png\"}" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_OWN(free) char *path = sk_path_join(dir, rows[i].path);
        SK_OWN(sk_bundle_free) struct sk_bundle *b = NULL;
        SK_AUTO(sk_cli_record_done) struct sk_cli_record r = { 0 };
        struct sk_err err = SK_ERR_INIT;
        put_bundle(rows[i].settings);
        if (sk_bundle_open(path, NULL, &b, &err) < 0 ||
            sk_cli_record(b, "/there/is/none.so", &r, &err) < 0)
            fail_msg("%s: %s", rows[i].name, err.text);
        if (r.settings || r.scratch)
            fail_msg("%s: recorded", rows[i].name);
    }
}

/* Without a library it goes on, and leaves nothing behind. */
static void what_cannot_run_is_said(void **state)
{
    SK_OWN(free) char *path = sk_path_join(dir, "m");
    SK_OWN(sk_bundle_free) struct sk_bundle *b = NULL;
    SK_AUTO(sk_cli_record_done) struct sk_cli_record r = { 0 };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    put_bundle("{\"test\":{\"image\":\"test.png\"}}");
    const size_t before = folders_in(dir);
    if (sk_bundle_open(path, NULL, &b, &err) < 0 ||
        sk_cli_record(b, "/there/is/none.so", &r, &err) < 0)
        fail_msg("%s", err.text);
    assert_null(r.settings);
    assert_null(r.scratch);
    assert_int_equal(folders_in(dir), before);
}

static void other_settings_stay(void **state)
{
    static const struct {
        const char *settings, *expected; /* settings NULL: none */
    } rows[] = {
        { NULL, "{\n  \"test\": {\"image\":1}\n}\n" },
        { "{}", "{\n  \"test\": {\"image\":1}\n}\n" },
        { "{\"name\": \"m\", \"test\": {\"image\": \"x\"}, \"grey16\": \"clip\", \"more\": [1, "
          "{\"a\": 2}]}",
          "{\n  \"name\": \"m\",\n  \"grey16\": \"clip\",\n  \"more\": [1,{\"a\":2}],\n  \"test\": "
          "{\"image\":1}\n}\n" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_OWN(sk_json_free) struct sk_json *doc = NULL;
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4096);
        struct sk_err err = SK_ERR_INIT;
        if (rows[i].settings &&
            sk_json_parse(rows[i].settings, strlen(rows[i].settings), NULL, &doc, &err) < 0)
            fail_msg("%s", err.text);
        sk_cli_record_compose(doc, "{\"image\":1}", &out);
        assert_true(sk_buf_ok(&out));
        assert_string_equal(out.data, rows[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(when_nothing_is_done),
        cmocka_unit_test(what_cannot_run_is_said),
        cmocka_unit_test(other_settings_stay),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
