/* test_edge_common.c - which folder the commands of an edge device mean. */
#include "cli_test.h"

#include "base/file.h"
#include "cli/edge_priv.h"
#include "harness/golden.h"

#include <stdlib.h>

static void folders(void **state)
{
    static const struct {
        const char *given, *run, *data, *home, *dir, *sockets;
    } rows[] = {
        { "/srv/edge", NULL, "/data", "/home/me", "/srv/edge", "/srv/edge/run" },
        { "/srv/edge", "/run/x", "/data", "/home/me", "/srv/edge", "/run/x" },
        { NULL, NULL, "/data", "/home/me", "/data/skerry/edge", "/data/skerry/edge/run" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct sk_cli_edge e = { rows[i].given, rows[i].run };
        SK_OWN(free) char *dir = NULL;
        SK_OWN(free) char *run = NULL;
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(setenv("XDG_DATA_HOME", rows[i].data, 1), 0);
        assert_int_equal(setenv("HOME", rows[i].home, 1), 0);
        assert_int_equal(sk_cli_edge_dirs(&e, &dir, &run, &err), 0);
        assert_string_equal(dir, rows[i].dir);
        assert_string_equal(run, rows[i].sockets);
    }
}

static void a_path_that_no_socket_may_have(void **state)
{
    const struct sk_cli_edge e = {
        .data_dir =
            "/a/folder/whose/name/is/so/long/that/the/path/of/a/socket/in/it/would/not/fit/into/"
            "what/the/kernel/takes"
    };
    SK_OWN(free) char *dir = NULL;
    SK_OWN(free) char *run = NULL;
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    assert_int_equal(sk_cli_edge_dirs(&e, &dir, &run, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_non_null(strstr(err.text, "--run-dir"));
}

/* Neither a device's folder, nor a device that runs. */
static void no_agent(void **state)
{
    char *dir = sk_test_dir();
    SK_OWN(free) char *config = sk_path_join(dir, "edge.json");
    const struct sk_cli_edge e = { .data_dir = dir };
    SK_OWN(sk_json_free) struct sk_json *answer = NULL;
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    assert_int_equal(sk_cli_edge_ask(&e, "{\"type\":\"list\"}", 1000, &answer, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    assert_non_null(strstr(err.text, "no edge device lies in"));
    assert_int_equal(sk_file_write(config, "{}", 2, 0600, &err), 0);
    assert_int_equal(sk_cli_edge_ask(&e, "{\"type\":\"list\"}", 1000, &answer, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    assert_non_null(strstr(err.text, "no agent runs at"));
    sk_test_dir_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders),
        cmocka_unit_test(a_path_that_no_socket_may_have),
        cmocka_unit_test(no_agent),
    };
    return cmocka_run_group_tests_name("edge_common", tests, NULL, NULL);
}
