/* test_cmd_edge_init.c - `skerry edge init`: what it makes and prints, words that are wrong. */
#include "cli_test.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define STRING "HostName=hub.example;DeviceId=cell-7;SharedAccessKey=c2VjcmV0"

static char dir[] = "/tmp/skerry-edge-init-XXXXXX";

static const char *input(const char *text)
{
    static char path[128];
    write_text(dir, "connection.txt", text);
    (void)snprintf(path, sizeof path, "%s/connection.txt", dir);
    return path;
}

static void prints(void **state)
{
    (void)state;
    SK_AUTO(ran_done)
    struct ran r = run_words(
        "skerry edge init -f - --data-dir %s/a --listen 127.0.0.9 --hostname gate", dir,
        input(STRING "\n"));
    check_status("init", &r, 0);
    static const char *const words[] = { "cell-7", "hub.example", "gate", "/a/tls/ca.pem",
                                         "skerry edge run --data-dir /tmp/" };
    for (size_t i = 0; i < COUNT(words); i++)
        if (!strstr(r.out, words[i]))
            fail_msg("no '%s' in\n%s", words[i], r.out);
    assert_null(strstr(r.out, "c2VjcmV0"));
    char path[128];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/a/secrets/device.key", dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void prints_json(void **state)
{
    (void)state;
    SK_AUTO(ran_done)
    struct ran r = run_words("skerry edge init -f - --data-dir %s/j --json", dir, input(STRING));
    check_status("init --json", &r, 0);
    if (!strstr(r.out, "{\"device\":\"cell-7\",\"hub\":\"hub.example\",\"gateway\":\"127.0.0.1\""))
        fail_msg("%s", r.out);
}

/* What editors and shells put around a line. */
static void wrapped(void **state)
{
    static const char *const texts[] = { "\xef\xbb\xbf" STRING "\r\n", "\"" STRING "\"\n",
                                         "'" STRING "'", "  " STRING " \t\nmore\n" };
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        char line[100];
        (void)snprintf(line, sizeof line, "skerry edge init -f - --data-dir %%s/w%zu --json", i);
        SK_AUTO(ran_done) struct ran r = run_words(line, dir, input(texts[i]));
        check_status(texts[i], &r, 0);
    }
}

static void errors(void **state)
{
    static const struct {
        const char *line, *text, *says;
        int status;
    } rows[] = {
        { "skerry edge init --data-dir %s/e", STRING, "--connection-string-file", 2 },
        { "skerry edge init -f - --data-dir %s/e", "", "the first line is empty", 1 },
        { "skerry edge init -f - --data-dir %s/e", "nonsense", "connection string", 1 },
        { "skerry edge init -f - --data-dir %s/e",
          "HostName=h;SharedAccessKeyName=service;SharedAccessKey=eA==",
          "device create NAME --edge-enabled", 2 },
        { "skerry edge init -f - --data-dir %s/e", STRING ";ModuleId=m",
          "module's connection string", 2 },
        { "skerry edge init -f - --data-dir %s/e", "HostName=h;DeviceId=d;x509=true",
          "--cert-file and --key-file", 2 },
        { "skerry edge init -f - --data-dir %s/e --hub-ca a --hub-ca-sha256 b", STRING, "give one",
          2 },
        { "skerry edge init -f - --data-dir %s/e --hub-ca /nowhere", STRING, "/nowhere", 1 },
        { "skerry edge init -f - --data-dir %s/e --disk-size 1G --spool-size 2G", STRING,
          "--spool-size", 2 },
        { "skerry edge init -f - --data-dir %s/e --mqtt-port 0", STRING, "--mqtt-port", 2 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(ran_done) struct ran r = run_words(rows[i].line, dir, input(rows[i].text));
        check_status(rows[i].line, &r, rows[i].status);
        if (!strstr(r.err, rows[i].says))
            fail_msg("%s: %s", rows[i].line, r.err);
    }
    char path[128];
    (void)snprintf(path, sizeof path, "%s/e", dir);
    assert_false(sk_is_dir(path));
}

static void a_folder_that_is_there(void **state)
{
    (void)state;
    SK_AUTO(ran_done)
    struct ran first = run_words("skerry edge init -f - --data-dir %s/f", dir, input(STRING));
    check_status("first", &first, 0);
    SK_AUTO(ran_done)
    struct ran again = run_words("skerry edge init -f - --data-dir %s/f", dir, input(STRING));
    check_status("again", &again, 1);
    assert_non_null(strstr(again.err, "--force"));
    SK_AUTO(ran_done)
    struct ran forced = run_words("skerry edge init -f - --data-dir %s/f --force", dir,
                                  input(STRING));
    check_status("forced", &forced, 0);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/f.old-1/secrets/master.key", dir);
    assert_true(sk_is_file(path));
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    return sk_remove_tree(dir, &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints),
        cmocka_unit_test(prints_json),
        cmocka_unit_test(wrapped),
        cmocka_unit_test(errors),
        cmocka_unit_test(a_folder_that_is_there),
    };
    return cmocka_run_group_tests_name("cmd_edge_init", tests, set_up, tear_down);
}
