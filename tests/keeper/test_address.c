/* test_address.c - addresses as text, and who has one. */
#include "keeper_util.h"

#include "base/file.h"
#include "base/net.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_hosts(void **state)
{
    static const struct {
        const char *host, *text; /* NULL: refused */
    } rows[] = {
        { "127.0.0.1", "127.0.0.1:7" },
        { "0.0.0.0", "0.0.0.0:7" },
        { "", "[::]:7" },
        { "::", "[::]:7" },
        { "[::1]", "[::1]:7" },
        { "fd00::2", "[fd00::2]:7" },
        { "localhost", NULL },
        { "1.2.3", NULL },
        { "1.2.3.4.5", NULL },
        { "[127.0.0.1]", NULL },
        { "[", NULL },
        { "[]", NULL },
        { " 127.0.0.1", NULL },
        { "127.0.0.1/8", NULL },
        { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_keeper_address a;
        struct sk_err err = SK_ERR_INIT;
        char text[SK_PEER_TEXT] = "";
        int rc = sk_keeper_address(rows[i].host, 7, &a, &err);
        if (rc == 0)
            sk_peer_text(&a.sa, a.len, text);
        if (rc < 0 ? rows[i].text != NULL : !rows[i].text || strcmp(text, rows[i].text) != 0)
            fail_msg("'%s': %s %s", rows[i].host, err.text, text);
    }
}

static void test_targets(void **state)
{
    static const struct {
        const char *target, *text;
    } rows[] = {
        { "172.18.0.2:5001", "172.18.0.2:5001" },
        { "[fd00::2]:80", "[fd00::2]:80" },
        { "172.18.0.2", NULL },
        { "172.18.0.2:", NULL },
        { "172.18.0.2:0", NULL },
        { "172.18.0.2:65536", NULL },
        { "172.18.0.2:80x", NULL },
        { ":80", NULL },
        { "", NULL },
        { "fd00::2:80", NULL },
        { "host:80", NULL },
        { "[fd00::2]80", NULL },
        { "[]:80", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_keeper_address a;
        struct sk_err err = SK_ERR_INIT;
        char text[SK_PEER_TEXT] = "";
        int rc = sk_keeper_target(rows[i].target, &a, &err);
        if (rc == 0)
            sk_peer_text(&a.sa, a.len, text);
        if (rc < 0 ? rows[i].text != NULL : !rows[i].text || strcmp(text, rows[i].text) != 0)
            fail_msg("'%s': %s %s", rows[i].target, err.text, text);
    }
}

static void test_owner(void **state)
{
    char who[64], wanted[64], comm[32] = "";
    uint16_t port = 0;

    (void)state;
    int fd = listener(&port);
    FILE *f = fopen("/proc/self/comm", "re");
    assert_non_null(f);
    assert_non_null(fgets(comm, sizeof comm, f));
    (void)fclose(f);
    comm[strcspn(comm, "\n")] = '\0';
    (void)snprintf(wanted, sizeof wanted, "process %d (%s)", (int)getpid(), comm);
    sk_keeper_owner("/proc", port, who, sizeof who);
    assert_string_equal(who, wanted);
    (void)close(fd);
    sk_keeper_owner("/proc", port, who, sizeof who);
    assert_string_equal(who, "another process");
    sk_keeper_owner("/no/proc", port, who, sizeof who);
    assert_string_equal(who, "another process");
}

/* A table that is not what the kernel writes does no harm. */
static void test_odd_tables(void **state)
{
    static const char *const tables[] = {
        "",
        "\n",
        "  sl\n 0: x\n",
        " 0: 00000000:0050 00000000:0000 0A\n",
        " 0: 00000000:0050 00000000:0000 0A 0:0 00:0 0 0 0 77 1\n",
        ("  0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0 "
         "00:0 0 0 0 77 1\n"),
    };
    char dir[] = "/tmp/skerry-proc-XXXXXX", path[96], who[64];
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/net", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/net/tcp6", dir);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        assert_int_equal(sk_file_write(path, tables[i], strlen(tables[i]), 0600, &err), 0);
        sk_keeper_owner(dir, 80, who, sizeof who);
        assert_string_equal(who, "another process");
    }
    assert_int_equal(sk_remove_tree(dir, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_owner),
        cmocka_unit_test(test_odd_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
