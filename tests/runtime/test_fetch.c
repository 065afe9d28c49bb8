/*
 * test_fetch.c - the download child by itself: its order on standard input, its lines on standard
 * output. What it fetches is in test_pull.c.
 */
#include "runtime/runtime_util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* What it says to an order; free(). */
static char *say_to(struct host *p, const char *order)
{
    struct sk_err err = SK_ERR_INIT;
    char *text = NULL;
    size_t len = 0;
    int status = 0;

    DONE(sk_file_write(host_at(p, "order"), order, strlen(order), 0600, &err));
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int in = open(host_at(p, "order"), O_RDONLY);
        int out = open(host_at(p, "answer"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (dup2(in, 0) < 0 || dup2(out, 1) < 0)
            _exit(9);
        _exit(sk_runtime_fetch_main(&err) < 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0); /* a failure that was told is none of its own */
    DONE(sk_file_read(host_at(p, "answer"), 1 << 20, &text, &len, &err));
    return text;
}

static void test_orders(void **state)
{
    static const struct {
        const char *order, *words;
    } rows[] = {
        { "", "\"code\":\"invalid_argument\"" },
        { "{", "\"code\":\"invalid_argument\"" },
        { "{}", "must be there" },
        { "{\"image\":1,\"work\":\"/tmp\"}", "'image'" },
        { "{\"image\":\"x\",\"work\":\"/tmp\",\"keys\":{}}", "'keys'" },
        { "{\"image\":\"UPPER\",\"work\":\"/tmp\"}", "UPPER" },
    };
    struct host *p = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(free) char *text = say_to(p, rows[i].order);

        if (!strstr(text, "{\"event\":\"error\"") || !strstr(text, rows[i].words))
            fail_msg("%s: %s", rows[i].order, text);
    }
}

static bool is_native(const char *config, const char *layers, char *why)
{
    SK_AUTO(sk_oci_manifest_done) struct sk_oci_manifest m = { .count = 0 };
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;
    char text[4096];
    size_t layer = 99;

    (void)snprintf(text, sizeof text,
                   "{\"schemaVersion\":2,\"mediaType\":\"" SK_OCI_MANIFEST "\",\"config\":{"
                   "\"mediaType\":\"" SK_OCI_CONFIG "\",\"digest\":\"sha256:%064d\",\"size\":1},"
                   "\"layers\":[%s]}",
                   0, layers);
    DONE(sk_oci_manifest_parse(text, strlen(text), &m, &err));
    DONE(sk_json_parse(config, strlen(config), NULL, &doc, &err));
    bool is = sk_rt_fetch_is_native(doc, &m, &layer, why);
    assert_int_equal(is, layer != 99);
    return is;
}

#define LAYER(annotations)                                                                         \
    "{\"mediaType\":\"" SK_OCI_LAYER "\",\"digest\":\"sha256:"                                     \
    "0000000000000000000000000000000000000000000000000000000000000000\",\"size\":1" annotations    \
    "}"
#define MODEL ",\"annotations\":{\"skerry.layer\":\"model\"}"
#define OURS                                                                                       \
    "{\"config\":{\"Entrypoint\":[\"/usr/bin/skerry\",\"serve\"],\"Labels\":{\"skerry.bundle\":"   \
    "\"1\"}}}"

static void test_native(void **state)
{
    static const struct {
        const char *config, *layers, *why; /* why "": it is */
    } rows[] = {
        { OURS, LAYER("") "," LAYER(MODEL), "" },
        { OURS, LAYER(MODEL) "," LAYER(""), "" },
        { OURS, LAYER(""), "no model layer" },
        { OURS, LAYER(MODEL) "," LAYER(MODEL), "several" },
        { "{}", LAYER(MODEL), "entry point" },
        { "{\"config\":null}", LAYER(MODEL), "entry point" },
        { "{\"config\":{\"Entrypoint\":\"skerry serve\"}}", LAYER(MODEL), "entry point" },
        { "{\"config\":{\"Entrypoint\":[1,2]}}", LAYER(MODEL), "entry point" },
        { "{\"config\":{\"Entrypoint\":[\"skerry\",\"serve\"],\"Labels\":{\"skerry.bundle\":1}}}",
          LAYER(MODEL), "no label" },
        { "{\"config\":{\"Entrypoint\":[\"skerry\",\"serve\"],\"Labels\":{\"skerry.bundle\":\"1\"}"
          "}}",
          LAYER(MODEL), "" },
        { "{\"config\":{\"Entrypoint\":[\"x-skerry\",\"serve\"],\"Labels\":{\"skerry.bundle\":"
          "\"1\"}}}",
          LAYER(MODEL), "entry point" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char why[256];
        bool is = is_native(rows[i].config, rows[i].layers, why);

        if (is != !rows[i].why[0] || !strstr(why, rows[i].why))
            fail_msg("row %zu: %d '%s'", i, is, why);
    }
}

static void test_full(void **state)
{
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    errno = ENOSPC;
    assert_int_equal(sk_fail_errno(&err, "'x'"), -1);
    sk_rt_find_full(&err);
    assert_int_equal(err.code, SK_FULL);
    errno = EIO;
    assert_int_equal(sk_fail_errno(&err, "'x'"), -1);
    sk_rt_find_full(&err);
    assert_int_equal(err.code, SK_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_orders, host_set_up, host_tear_down),
        cmocka_unit_test(test_native),
        cmocka_unit_test(test_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
