/* test_cmd_package.c - `skerry package`: where the image goes, what is printed, what is refused. */
#include "cli_test.h"

#include "base/file.h"
#include "harness/golden.h"
#include "json/json.h"

#include <unistd.h>

static char *dir;

static int make_dir(void **state)
{
    (void)state;
    dir = sk_test_dir();
    SK_OWN(free) char *cache = sk_path_join(dir, "cache");
    SK_OWN(free) char *config = sk_path_join(dir, "config");
    return setenv("SKERRY_CACHE_DIR", cache, 1) | setenv("SKERRY_CONFIG_DIR", config, 1) |
           setenv("TMPDIR", dir, 1);
}

static int drop_dir(void **state)
{
    (void)state;
    sk_test_dir_free(dir);
    return 0;
}

static bool is_there(const char *name)
{
    SK_OWN(free) char *path = sk_path_join(dir, name);
    return sk_is_file(path);
}

#define MODEL "skerry package tests/data/models/scores.onnx "

static void outputs(void **state)
{
    static const struct {
        const char *line, *file, *out;
    } rows[] = {
        { MODEL "-t cats:v1 -o %s/layout", "layout/index.json", "next: skerry push " },
        { MODEL "-t cats:v1 -o %s/a.tar", "a.tar", "next: docker load -i " },
        { MODEL "-t cats:v1 -o %s/b -f docker", "b", "next: docker load -i " },
        { MODEL "-t cats:v1 -o %s/c.tar -f oci-archive", "c.tar", "next: skerry push " },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(ran_done) struct ran r = run_words(rows[i].line, dir, NULL);
        check_status(rows[i].line, &r, 0);
        if (!strstr(r.out, rows[i].out) || !strstr(r.out, "cats:v1\n  digest    sha256:"))
            fail_msg("%s: %s", rows[i].line, r.out);
        if (i > 0)
            assert_non_null(strstr(r.out, "(cached)"));
        assert_true(is_there(rows[i].file));
    }
}

static void as_json(void **state)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    SK_AUTO(ran_done)
    struct ran r = run_words(MODEL "-t h:5/cats -o %s/d.tar --json --version 3", dir, NULL);
    check_status("json", &r, 0);
    assert_int_equal(sk_json_parse(r.out, strlen(r.out), NULL, &doc, &err), 0);
    assert_string_equal(sk_json_get_text(doc, "reference", ""), "h:5/cats");
    assert_int_equal(strlen(sk_json_get_text(doc, "digest", "")), 71);
    assert_string_equal(sk_json_get_text(sk_json_get(doc, "model"), "path", ""), "/models/scores");
    assert_true(sk_json_int(sk_json_get(sk_json_get(doc, "base"), "unpacked_bytes"), 0) > 1000000);
    assert_false(sk_json_bool(sk_json_get(doc, "pushed"), true));
}

static void refused(void **state)
{
    static const struct {
        const char *line;
        int status;
        const char *text;
    } rows[] = {
        { MODEL "-o %s/x.tar", 2, "--tag REPO:TAG is needed" },
        { MODEL "-t cats:v1", 2, "where to?" },
        { MODEL "-t Cats:v1 -o %s/x.tar", 1, "Cats" },
        { MODEL "-t cats:v1 -o %s -f docker", 2, "is a folder, and docker is one file" },
        { MODEL "-t cats:v1 -o %s -f oci-archive", 2, "oci-archive is one file" },
        { MODEL "-t cats:v1 -o %s/x.tar --format zip", 2, "zip" },
        { MODEL "-t cats:v1 -o %s/x.tar --label x", 1, "KEY=VALUE" },
        { MODEL "-t cats:v1 -o %s/x.tar --sign /nonexistent", 1, "/nonexistent" },
        { MODEL "-t cats:v1 -o %s/x.tar --key-password-file /nonexistent --sign x", 1,
          "--key-password-file" },
        { MODEL "-t cats:v1 -o %s/x.tar --base /nonexistent", 1, "base '/nonexistent'" },
        { MODEL "-t cats:v1 -o %s/x.tar --onnxruntime /nonexistent", 1, "/nonexistent" },
        { MODEL "-t cats:v1 -o %s/x.tar --push --username me", 2,
          "--username needs --password-file" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(ran_done) struct ran r = run_words(rows[i].line, dir, NULL);
        check_status(rows[i].line, &r, rows[i].status);
        if (!strstr(r.err, rows[i].text))
            fail_msg("%s: %s", rows[i].line, r.err);
        assert_false(is_there("x.tar"));
    }
}

static unsigned count_in(const char *name)
{
    SK_OWN(free) char *path = sk_path_join(dir, name);
    SK_AUTO(sk_dir_done) struct sk_dir names = { 0 };
    struct sk_err err = SK_ERR_INIT;

    return sk_dir_read(path, &names, &err) < 0 ? 0 : (unsigned)names.count;
}

/* A model as DIR/NAME/model.onnx. */
static void put_bundle(const char *name)
{
    SK_OWN(free) char *folder = sk_path_join(dir, name);
    SK_OWN(free) char *path = sk_path_join(folder, "model.onnx");
    SK_OWN(free) char *bytes = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;

    if (sk_mkdirs(folder, 0755, &err) < 0 ||
        sk_file_read(sk_source_path("tests/data/models/scores.onnx"), 1 << 20, &bytes, &len, &err) <
            0 ||
        sk_file_write(path, bytes, len, 0644, &err) < 0)
        fail_msg("%s", err.text);
}

/* [package-46] Nothing is mixed with what is not an image, and the bundle least of all. */
static void wrong_places(void **state)
{
    static const struct {
        const char *line;
        int status;
        const char *text;
    } rows[] = {
        { MODEL "-t cats:v1 -o %s/full", 1, "full' has something else in it" },
        { MODEL "-t cats:v1 -o %s/full/model.onnx -f oci", 1, "model.onnx' is a file" },
        { "skerry package %s/full -t cats:v1 -o %s/full", 1, "has something else in it" },
        { "skerry package %s/full -t cats:v1 -o %s/full/image", 1, "is in the bundle" },
        { "skerry package %s/full -t cats:v1 -o %s/full/a/b/../image", 1, "is in the bundle" },
        { "skerry package %s/full -t cats:v1 -o %s/full/x.tar", 1, "is in the bundle" },
        { "skerry package %s/full -t cats:v1 -o %s/link/x.tar", 1, "is in the bundle" },
        { "skerry image base -o %s/full", 1, "full' has something else in it" },
        { MODEL "-t cats:v1 --output=", 2, "--output is empty" },
        { "skerry image base --output=", 2, "--output is empty" },
    };

    SK_OWN(free) char *link = sk_path_join(dir, "link");

    (void)state;
    put_bundle("full");
    assert_int_equal(symlink("full", link), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(ran_done) struct ran r = run_words(rows[i].line, dir, NULL);
        check_status(rows[i].line, &r, rows[i].status);
        if (!strstr(r.err, rows[i].text))
            fail_msg("%s: %s", rows[i].line, r.err);
        assert_int_equal(count_in("full"), 1);
    }
    /* beside it, and into what is an image already */
    for (int i = 0; i < 2; i++) {
        SK_AUTO(ran_done)
        struct ran r = run_words("skerry package %s/full -t cats:v1 -o %s/full.oci", dir, NULL);
        check_status("full.oci", &r, 0);
    }
}

/* [package-46] */
static void nothing_is_left(void **state)
{
    (void)state;
    SK_AUTO(ran_done)
    struct ran r = run_words(MODEL "-t cats:v1 --platform linux/z80 -o %s/left", dir, NULL);
    check_status("z80", &r, 1);
    assert_non_null(strstr(r.err, "linux/z80"));
    SK_OWN(free) char *path = sk_path_join(dir, "left");
    assert_false(sk_is_dir(path));
}

static void times(void **state)
{
    static const struct {
        const char *epoch;
        int status;
        const char *text;
    } rows[] = { { "1700000000", 0, "" }, { "soon", 1, "SOURCE_DATE_EPOCH" }, { "", 0, "" } };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(setenv("SOURCE_DATE_EPOCH", rows[i].epoch, 1), 0);
        SK_AUTO(ran_done) struct ran r = run_words(MODEL "-t cats:v1 -o %s/t.tar", dir, NULL);
        check_status(rows[i].epoch, &r, rows[i].status);
        assert_non_null(strstr(r.err, rows[i].text));
    }
    assert_int_equal(unsetenv("SOURCE_DATE_EPOCH"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs),         cmocka_unit_test(as_json),
        cmocka_unit_test(refused),         cmocka_unit_test(wrong_places),
        cmocka_unit_test(nothing_is_left), cmocka_unit_test(times),
    };
    return cmocka_run_group_tests_name("cmd_package", tests, make_dir, drop_dir);
}
