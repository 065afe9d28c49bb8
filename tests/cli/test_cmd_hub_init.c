/* test_cmd_hub_init.c - `skerry hub init`: what it prints as text and as JSON, words that are
 * wrong.
 */
#include "cli_test.h"

#include "base/file.h"

#include <stdlib.h>

static char dir[] = "/tmp/skerry-hub-init-XXXXXX";

static void errors(void **state)
{
    static const struct {
        const char *line;
        int status;
        const char *err;
    } rows[] = {
        { "skerry hub init --port 0", 2, "--port: '0' is not a whole number from 1 to 65535" },
        { "skerry hub init --port 65536", 2, "--port" },
        { "skerry hub init folder", 2, "folder" },
        { "skerry hub init --data-dir %s/h --hostname a/b", 1,
          "'a/b' is neither a host name nor an IP address" },
        { "skerry hub init --data-dir /dev/null --hostname a", 1, "'/dev/null' is not a folder" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(ran_done) struct ran r = run_words(rows[i].line, dir, NULL);
        check_status(rows[i].line, &r, rows[i].status);
        if (!strstr(r.err, rows[i].err))
            fail_msg("%s: %s", rows[i].line, r.err);
    }
}

static void prints(void **state)
{
    (void)state;

    static const struct {
        const char *line;
        const char *words[6];
    } rows[] = {
        { "skerry hub init --data-dir %s/a --hostname hub.example",
          { "URL                https://hub.example:8443\n", "CA fingerprint     sha256:",
            "HostName=hub.example;Port=8443;CaSha256=", "--listen 0.0.0.0\n",
            "skerry login https://hub.example:8443 --ca-file /tmp/", "/a/owner.token\n" } },
        { "skerry hub init --data-dir %s/b --hostname 127.0.0.1 --port 9000",
          { "https://127.0.0.1:9000\n", "Port=9000;", "/b --port 9000\n" } },
        { "skerry hub init --data-dir %s/c --json -n h",
          { "{\"url\":\"https://h:8443\",\"data_dir\":\"/tmp/", "\"ca_sha256\":\"",
            "\"token_file\":\"" } },
        { "skerry hub init --data-dir %s/d", { "https://", ":8443\n" } },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(ran_done) struct ran r = run_words(rows[i].line, dir, NULL);
        check_status(rows[i].line, &r, 0);
        for (size_t w = 0; w < COUNT(rows[i].words) && rows[i].words[w]; w++)
            if (!strstr(r.out, rows[i].words[w]))
                fail_msg("%s: no '%s' in\n%s", rows[i].line, rows[i].words[w], r.out);
        if (strstr(r.out, "skt_"))
            fail_msg("%s prints the token", rows[i].line);
    }
}

static int begin(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int end(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    return sk_remove_tree(dir, &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(errors), cmocka_unit_test(prints) };
    return cmocka_run_group_tests_name("cmd_hub_init", tests, begin, end);
}
