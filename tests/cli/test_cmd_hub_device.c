/* test_cmd_hub_device.c - `skerry hub device put`, `allow` on a folder; through a hub is
 * tests/it/test_hub_core.py. */
#include "cli_test.h"

#include "base/file.h"

#include <stdlib.h>

static char dir[] = "/tmp/skerry-hub-device-XXXXXX";

static void rows(void **state)
{
    static const struct {
        const char *line;
        int status;
        const char *out, *err;
    } table[] = {
        { "skerry hub device put cam-1 --data-dir %s/h", 0, "=\n", "" },
        { "skerry hub device allow cam-1 defects a/b --data-dir %s/h", 0, "", "" },
        { "skerry hub device allow cam-1 --data-dir %s/h", 0, "", "" },
        { "skerry hub device allow cam-2 defects --data-dir %s/h", 1, "",
          "there is no device 'cam-2'" },
        { "skerry hub device put a/b --data-dir %s/h", 1, "", "is no device id" },
        { "skerry hub device put cam-3 --thumbprint 12 --data-dir %s/h", 1, "", "SHA-256" },
        { "skerry hub device put --data-dir %s/h", 2, "", "" },
        { "skerry hub device put a b --data-dir %s/h", 2, "", "b" },
        { "skerry hub device put a --data-dir %s/none", 1, "", "is not a hub's folder" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        SK_AUTO(ran_done) struct ran r = run_words(table[i].line, dir, NULL);
        check_status(table[i].line, &r, table[i].status);
        if (!strstr(r.out, table[i].out) || !strstr(r.err, table[i].err))
            fail_msg("%s\nout: %s\nerr: %s", table[i].line, r.out, r.err);
    }
}

static int begin(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    SK_AUTO(ran_done)
    struct ran r = run_words("skerry hub init --data-dir %s/h --hostname a", dir, NULL);
    return r.status;
}

static int end(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    return sk_remove_tree(dir, &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rows) };
    return cmocka_run_group_tests_name("cmd_hub_device", tests, begin, end);
}
