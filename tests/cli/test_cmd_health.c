/* test_cmd_health.c - `skerry health` against servers that answer this and that. */
#include "cli_test.h"

static void answers(void **state)
{
    (void)state;

    static const struct {
        const char *name, *answer;
        unsigned flags;
        int status;
        const char *text;
    } rows[] = {
        { "ready", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, 0, "" },
        { "byte by byte", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", FAKE_BYTEWISE, 0, "" },
        { "drains", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", 0, 1,
          "not ready: status 503" },
        { "not HTTP", "SSH-2.0-OpenSSH_9.2p1\r\n", 0, 1, "does not speak HTTP" },
        { "short", "HTTP/1.1", FAKE_CLOSE_AFTER, 1, "does not speak HTTP" },
        { "silent", "", FAKE_SILENT, 1, "no answer in time" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fake_server s;
        char line[80];
        fake_start(&s, rows[i].answer, rows[i].flags | FAKE_CLOSE_AFTER);
        (void)snprintf(line, sizeof line, "skerry health --port %d --timeout %s", s.port,
                       rows[i].flags & FAKE_SILENT ? "500ms" : "20s");
        SK_AUTO(ran_done) struct ran r = run_words(line, NULL, NULL);
        fake_stop(&s);
        check_status(rows[i].name, &r, rows[i].status);
        if (!strstr(r.err, rows[i].text))
            fail_msg("%s: %s", rows[i].name, r.err);
        if (rows[i].status == 0)
            assert_memory_equal(s.last, "GET /readyz HTTP/1.1\r\n", 22);
    }
}

/* The variables that `serve` reads; 0.0.0.0 is this machine. */
static void from_the_environment(void **state)
{
    struct fake_server s;
    char port[8];

    (void)state;
    fake_start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", FAKE_CLOSE_AFTER);
    (void)snprintf(port, sizeof port, "%d", s.port);
    assert_int_equal(setenv("SKERRY_PORT", port, 1) | setenv("SKERRY_HOST", "0.0.0.0", 1), 0);
    SK_AUTO(ran_done) struct ran r = run_words("skerry health", NULL, NULL);
    fake_stop(&s);
    assert_int_equal(unsetenv("SKERRY_PORT") | unsetenv("SKERRY_HOST"), 0);
    check_status("environment", &r, 0);
}

static void nobody(void **state)
{
    static const struct {
        const char *line, *text;
    } rows[] = {
        { "skerry health --port 1", "skerry: 127.0.0.1:1: connecting: Connection refused" },
        { "skerry health --host ::1 --port 1", "skerry: ::1:1: " },
        { "skerry health --host example.org", "'example.org' is no IP address" },
        { "skerry health --port 1 --tls-cert x", "127.0.0.1:1" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(ran_done) struct ran r = run_words(rows[i].line, NULL, NULL);
        check_status(rows[i].line, &r, 1);
        if (!strstr(r.err, rows[i].text))
            fail_msg("%s: %s", rows[i].line, r.err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(from_the_environment),
        cmocka_unit_test(nobody),
    };
    return cmocka_run_group_tests_name("cmd_health", tests, NULL, NULL);
}
