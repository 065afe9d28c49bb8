/* test_upload.c - models that arrive as base64: what is written where, what is refused. What a real
 * child does is tested by tests/it/test_v2.py; here the child is this test. */
#include "serve/upload_priv.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/thread.h"
#include "harness/golden.h"

#include <stdatomic.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int unpack(const char *text, char **folder, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    assert_int_equal(sk_json_parse(text, strlen(text), NULL, &doc, err), 0);
    return sk_upload_unpack(doc, folder, err);
}

static void writes_files(void **state)
{
    SK_OWN(free) char *folder = NULL, *text = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len;

    (void)state;
    if (unpack("{\"config\":\"{}\",\"file:1/model.onnx\":\"Zm9v\",\"file:sub/weights.bin\":\"\"}",
               &folder, &err) < 0)
        fail_msg("%s", err.text);
    SK_OWN(free) char *model = sk_path_join(folder, "model.onnx");
    SK_OWN(free) char *weights = sk_path_join(folder, "sub/weights.bin");
    assert_int_equal(sk_file_read(model, 100, &text, &len, &err), 0);
    assert_int_equal(len, 3);
    assert_true(sk_is_file(weights));
    assert_int_equal(sk_remove_tree(folder, &err), 0);
    free(SK_TAKE(folder));
    assert_int_equal(unpack("{\"config\":\"{}\"}", &folder, &err), 0);
    assert_null(folder);
}

static void a_sweep_takes_what_dead_servers_left(void **state)
{
    static const struct {
        const char *name;
        bool stays;
    } rows[] = {
        { "1-live01", true },          /* init lives */
        { "999999999-dead01", false }, /* beyond the highest process number */
        { "self", false },             /* stands for our own number */
        { "notes", true },             /* not ours */
    };

    char own[32];

    (void)snprintf(own, sizeof own, "%ld-before", (long)getpid());
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            SK_OWN(free) char *uploads = sk_path_join(*state, "uploads");
            SK_OWN(free)
            char *folder = sk_path_join(uploads,
                                        strcmp(rows[i].name, "self") == 0 ? own : rows[i].name);
            struct sk_err err = SK_ERR_INIT;

            if (pass == 0)
                assert_int_equal(sk_mkdirs(folder, 0700, &err), 0);
            else if (sk_is_dir(folder) != rows[i].stays)
                fail_msg("%s", rows[i].name);
        }
        if (pass == 0)
            sk_upload_sweep();
    }
}

static void refuses_what_leads_outside(void **state)
{
    static const char *const paths[] = { "/etc/passwd", "../x",    "a/../x", "1/../x", "",
                                         "1/",          ".hidden", "a//b",   "a/",     "a/.b",
                                         "a/b/c/d/e",   "a\\b",    "a\\nb",  "a:b" };

    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        char text[256];
        char *folder = NULL;

        (void)snprintf(text, sizeof text, "{\"file:%s\":\"Zm9v\"}", paths[i]);
        if (strcmp(paths[i], "a\\b") == 0) /* a backslash needs one of its own in JSON */
            (void)snprintf(text, sizeof text, "{\"file:a\\\\b\":\"Zm9v\"}");
        if (unpack(text, &folder, &err) == 0)
            fail_msg("'%s' was accepted", paths[i]);
        assert_int_equal(err.code, SK_INVALID);
    }
}

static void refuses_names(void **state)
{
    static const struct {
        const char *name;
        int rc;
    } rows[] = {
        { "resnet50", 0 }, { "a.b_c-d+1", 0 }, { "", -1 },   { ".a", -1 },       { "a/b", -1 },
        { "a b", -1 },     { "a\nb", -1 },     { "\"", -1 }, { "\xc3\xa9", -1 },
    };

    char name[130];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        if (sk_upload_check_name(rows[i].name, &err) != rows[i].rc)
            fail_msg("'%s': not %d", rows[i].name, rows[i].rc);
    }
    for (size_t len = 128; len <= 129; len++) {
        struct sk_err err = SK_ERR_INIT;
        memset(name, 'a', len);
        name[len] = '\0';
        assert_int_equal(sk_upload_check_name(name, &err), len == 128 ? 0 : -1);
    }
}

static void *set_soon(void *arg)
{
    (void)usleep(100000);
    atomic_store((atomic_bool *)arg, true);
    return NULL;
}

static void a_trial_ends(void **state)
{
    atomic_bool give_up = false;
    struct sk_err err = SK_ERR_INIT;
    pthread_t thread;

    (void)state;
    assert_int_equal(sk_upload_try("good", NULL, 60000, &give_up, &err), 0);
    assert_int_equal(sk_upload_try("bad", NULL, 60000, &give_up, &err), -1);
    assert_int_equal(err.code, SK_CORRUPT);
    assert_string_equal(err.text, "no good");
    assert_int_equal(sk_upload_try("hang", NULL, 200, &give_up, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_int_equal(sk_thread_start(&thread, "soon", set_soon, &give_up, &err), 0);
    uint64_t start = sk_now_ms();
    assert_int_equal(sk_upload_try("hang", NULL, 60000, &give_up, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    assert_true(sk_now_ms() - start < 20000);
    (void)pthread_join(thread, NULL);
}

/* `skerry model check FOLDER` of a trial. */
static int be_the_child(const char *folder)
{
    if (strcmp(folder, "hang") == 0)
        (void)sleep(60);
    if (strcmp(folder, "bad") == 0)
        (void)fprintf(stderr, "something\nskerry: no good\n");
    return strcmp(folder, "good") != 0;
}

static int setup(void **state)
{
    char *dir = sk_test_dir();

    *state = dir;
    return setenv("SKERRY_CACHE_DIR", dir, 1);
}

static int teardown(void **state)
{
    sk_test_dir_free(*state);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 3 && strcmp(argv[1], "model") == 0)
        return be_the_child(argv[3]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_files),
        cmocka_unit_test(a_sweep_takes_what_dead_servers_left),
        cmocka_unit_test(refuses_what_leads_outside),
        cmocka_unit_test(refuses_names),
        cmocka_unit_test(a_trial_ends),
    };

    return cmocka_run_group_tests_name("serve/upload", tests, setup, teardown);
}
