/* test_cmd_image_base.c - `skerry image base`: the list, the layout, the file. */
#include "cli_test.h"

#include "base/file.h"
#include "harness/golden.h"
#include "json/json.h"

static char *dir;

static int make_dir(void **state)
{
    (void)state;
    dir = sk_test_dir();
    SK_OWN(free) char *cache = sk_path_join(dir, "cache");
    return setenv("SKERRY_CACHE_DIR", cache, 1) | setenv("TMPDIR", dir, 1);
}

static int drop_dir(void **state)
{
    (void)state;
    sk_test_dir_free(dir);
    return 0;
}

static void list(void **state)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;
    int64_t sum = 0;

    (void)state;
    SK_AUTO(ran_done) struct ran text = run_words("skerry image base --list", NULL, NULL);
    check_status("list", &text, 0);
    assert_non_null(strstr(text.out, "  /usr/bin/skerry\n"));
    assert_non_null(strstr(text.out, "  /usr/lib/libonnxruntime.so.1\n"));
    assert_non_null(strstr(text.out, " files\n"));
    SK_AUTO(ran_done) struct ran r = run_words("skerry image base --list --json", NULL, NULL);
    check_status("list --json", &r, 0);
    assert_int_equal(sk_json_parse(r.out, strlen(r.out), NULL, &doc, &err), 0);
    const struct sk_json *files = sk_json_get(doc, "files");
    for (size_t i = 0; i < sk_json_count(files); i++)
        sum += sk_json_int(sk_json_get(sk_json_at(files, i), "bytes"), 0);
    assert_int_equal(sum, sk_json_int(sk_json_get(doc, "bytes"), 0));
}

static void written(void **state)
{
    static const struct {
        const char *line, *file;
    } rows[] = {
        { "skerry image base -o %s/base.tar", "base.tar" },
        { "skerry image base -o %s/base", "base/index.json" },
        { "skerry image base -o %s/again.tar --json", "again.tar" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(free) char *path = sk_path_join(dir, rows[i].file);
        SK_AUTO(ran_done) struct ran r = run_words(rows[i].line, dir, NULL);
        check_status(rows[i].line, &r, 0);
        assert_non_null(strstr(r.out, "sha256:"));
        assert_true(sk_is_file(path));
    }
}

static void refused(void **state)
{
    static const struct {
        const char *line;
        int status;
        const char *text;
    } rows[] = {
        { "skerry image base", 2, "one of --list and --output" },
        { "skerry image base --list -o x", 2, "one of --list and --output" },
        { "skerry image base --list --onnxruntime /nonexistent", 1, "/nonexistent" },
        { "skerry image base -o /nonexistent/x.tar", 1, "/nonexistent/x.tar" },
        { "skerry image base x", 2, "unexpected 'x'" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(ran_done) struct ran r = run_words(rows[i].line, NULL, NULL);
        check_status(rows[i].line, &r, rows[i].status);
        if (!strstr(r.err, rows[i].text))
            fail_msg("%s: %s", rows[i].line, r.err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list),
        cmocka_unit_test(written),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests_name("cmd_image_base", tests, make_dir, drop_dir);
}
