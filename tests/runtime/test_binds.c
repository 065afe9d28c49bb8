/*
 * test_binds.c - folders of the host in a module's view: which are read, which are refused; and as
 * root what a module finds there.
 */
#include "runtime/module.h"
#include "runtime/runtime_util.h"

#include "base/str.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_one(const char *text, struct sk_rt_binds *out, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    char json[2048];

    (void)snprintf(json, sizeof json, "[\"%s\"]", text);
    return sk_json_parse(json, strlen(json), NULL, &doc, err) < 0 ? -1
                                                                  : sk_rt_binds_read(doc, out, err);
}

static void test_read(void **state)
{
    static const struct {
        const char *text;
        const char *source, *target; /* NULL: refused */
        bool is_read_only;
        enum sk_code code;
        const char *words;
    } rows[] = {
        { "/a:/b", "/a", "/b", false, SK_OK, NULL },
        { "/a/b.c:/d:ro", "/a/b.c", "/d", true, SK_OK, NULL },
        { "/a:/b:rw,z", "/a", "/b", false, SK_OK, NULL },
        { "/a:/b:Z,ro", "/a", "/b", true, SK_OK, NULL },
        { "/a", NULL, NULL, false, SK_INVALID, "SOURCE:TARGET" },
        { "", NULL, NULL, false, SK_INVALID, "SOURCE:TARGET" },
        { "volume:/b", NULL, NULL, false, SK_UNSUPPORTED, "named volume" },
        { "/a:b", NULL, NULL, false, SK_INVALID, "absolute" },
        { "/a:/", NULL, NULL, false, SK_INVALID, "absolute" },
        { "/:/b", NULL, NULL, false, SK_INVALID, "absolute" },
        { "/a/../b:/c", NULL, NULL, false, SK_INVALID, "absolute" },
        { "/a:/c/..", NULL, NULL, false, SK_INVALID, "absolute" },
        { "/a:/b:exec", NULL, NULL, false, SK_UNSUPPORTED, "'exec'" },
        { "/a:/b:ro,", NULL, NULL, false, SK_UNSUPPORTED, "''" },
        { "/a:/b:shared", NULL, NULL, false, SK_UNSUPPORTED, "SKERRY_RUNTIME=docker" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_rt_binds b;
        struct sk_err err = SK_ERR_INIT;
        int rc = read_one(rows[i].text, &b, &err);

        if (err.code != rows[i].code || (rc < 0 && !strstr(err.text, rows[i].words)))
            fail_msg("%s: %s: %s", rows[i].text, sk_code_name(err.code), err.text);
        if (rc == 0 && (strcmp(b.items[0].source, rows[i].source) != 0 ||
                        strcmp(b.items[0].target, rows[i].target) != 0 ||
                        b.items[0].is_read_only != rows[i].is_read_only))
            fail_msg("%s: %s, %s", rows[i].text, b.items[0].source, b.items[0].target);
    }
}

static void test_limits(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(8192);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_rt_binds b;
    struct sk_err err = SK_ERR_INIT;
    char longest[600];

    (void)state;
    for (int i = 0; i <= SK_RT_BINDS_MAX; i++)
        sk_buf_fmt(&text, "%s\"/a:/b%d\"", i ? "," : "[", i);
    sk_buf_str(&text, "]");
    DONE(sk_json_parse(text.data, text.len, NULL, &doc, &err));
    FAILS(sk_rt_binds_read(doc, &b, &err), SK_LIMIT, "more than 16");
    memset(longest, 'x', sizeof longest);
    longest[0] = '/';
    (void)snprintf(longest + 511, sizeof longest - 511, ":/b");
    err = (struct sk_err)SK_ERR_INIT;
    DONE(read_one(longest, &b, &err));
    longest[511] = 'x';
    (void)snprintf(longest + 512, sizeof longest - 512, ":/b");
    FAILS(read_one(longest, &b, &err), SK_LIMIT, "511");
}

static void test_check(void **state)
{
    static const struct {
        const char *text;
        bool is_root;
        enum sk_code code;
        const char *words;
    } rows[] = {
        { "/usr:/data", true, SK_OK, NULL },
        { "/usr:/data", false, SK_UNSUPPORTED, "is root" },
        { "/usr:/usr", false, SK_OK, NULL },
        { "/etc/passwd:/data", true, SK_OK, NULL },
        { "/nowhere:/data", true, SK_NOT_FOUND, "/nowhere" },
        { "/dev/null:/data", true, SK_UNSUPPORTED, "neither a folder" },
        { "/usr:/proc/x", true, SK_UNSUPPORTED, "/proc" },
        { "/usr:/dev", true, SK_UNSUPPORTED, "/dev" },
        { "/usr:/device", true, SK_OK, NULL },
        { "/usr:/kept", true, SK_UNSUPPORTED, "/kept/program" },
        { "/usr:/kept/program", true, SK_UNSUPPORTED, "would hide" },
        { "/usr:/kept/program2", true, SK_OK, NULL },
    };

    static const char *const kept[] = { "/kept/program", NULL };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_rt_binds b;
        struct sk_err err = SK_ERR_INIT;

        DONE(read_one(rows[i].text, &b, &err));
        int rc = sk_rt_binds_check(&b, rows[i].is_root, kept, &err);
        if (err.code != rows[i].code || (rc < 0 && !strstr(err.text, rows[i].words)))
            fail_msg("%s: %s: %s", rows[i].text, sk_code_name(err.code), err.text);
    }
}

static void put_file(struct host *p, const char *name, const char *text)
{
    struct sk_err err = SK_ERR_INIT;

    DONE(sk_file_write(host_at(p, name), text, strlen(text), 0644, &err));
}

/* The module's "model" (module.h, probe) is what lies at its first argument. */
static void test_seen(void **state)
{
    static const struct {
        const char *flags;
        bool is_writable;
    } rows[] = { { ":ro", false }, { "", true } };
    struct host *p = *state;
    const bool is_root = host_with_users(p);
    struct sk_err err = SK_ERR_INIT;
    char target[200];

    (void)snprintf(target, sizeof target, "/tmp/skerry-binds-%d", (int)getpid());
    DONE(sk_mkdirs(host_at(p, "source"), 0755, &err));
    put_file(p, "source/model.onnx", "x");
    assert_int_equal(chmod(host_at(p, "source/model.onnx"), 0666), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct module m;
        struct sk_runtime_status st;
        SK_OWN(free) char *report = NULL;
        char options[1024];

        module_prepare(p, &m, "probe");
        (void)snprintf(options, sizeof options,
                       "{\"Cmd\":[\"%s\"],\"HostConfig\":{\"Binds\":[\"%s/source:%s%s\"]}}", target,
                       p->dir, target, rows[i].flags);
        m.s.create_options = options;
        if (!is_root) {
            FAILS(sk_runtime_start(&p->h, &m.s, &m.i, &err), SK_UNSUPPORTED, "is root");
            module_done(&m);
            continue;
        }
        report = module_result(&m, "report", &st);
        assert_non_null(strstr(report, "\nmodel ok\n"));
        assert_int_equal(strstr(report, "\nmodel_write ok\n") != NULL, rows[i].is_writable);
        assert_int_equal(access(host_at(p, "source/model.onnx"), F_OK), 0);
        SK_AUTO(sk_dir_done) struct sk_dir outside = { 0 };
        DONE(sk_dir_read(target, &outside, &err));
        assert_int_equal(outside.count, 0); /* it is in the module's view alone */
        module_done(&m);
    }
    (void)rmdir(target);
}

/* The host's models at the place of the image's, and a folder at its own place. */
static void test_places(void **state)
{
    struct host *p = *state;
    struct module m;
    struct sk_runtime_status st;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *report = NULL;
    char options[1024];

    DONE(sk_mkdirs(host_at(p, "source"), 0755, &err));
    put_file(p, "source/model.onnx", "x");
    module_prepare(p, &m, "probe");
    (void)snprintf(options, sizeof options,
                   "{\"Cmd\":[\"%s/source\",\"/models/cats\"],\"HostConfig\":{\"Binds\":"
                   "[\"%s/source:%s/source:ro\"]}}",
                   p->dir, p->dir, p->dir);
    m.s.create_options = options;
    report = module_result(&m, "report", &st);
    assert_non_null(strstr(report, "\nmodel ok\n"));
    if (sk_landlock_version() > 0)
        assert_non_null(strstr(report, "\nmodel_write EACCES\n"));
    assert_non_null(strstr(report, m.image.model_path));
    module_done(&m);
    struct sk_rt_binds b;
    DONE(read_one("/a:/models:ro", &b, &err));
    assert_true(sk_rt_binds_cover(&b, "/models/cats"));
    assert_true(sk_rt_binds_cover(&b, "/models"));
    assert_false(sk_rt_binds_cover(&b, "/models2"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_check),
        cmocka_unit_test_setup_teardown(test_seen, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_places, host_set_up, host_tear_down),
    };

    module_main(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
