/* test_cmd_hub_run.c - `skerry hub run`: words that are wrong, folders that are none; a hub that
 * runs is tests/it/test_hub_core.py. */
#include "cli_test.h"

static void errors(void **state)
{
    static const struct {
        const char *line;
        int status;
        const char *err;
    } rows[] = {
        { "skerry hub run --port 65536", 2, "--port" },
        { "skerry hub run --workers 0", 2, "--workers: '0' is not a whole number from 1 to 1024" },
        { "skerry hub run --workers 1025", 2, "--workers" },
        { "skerry hub run --max-connections 0", 2, "--max-connections" },
        { "skerry hub run --max-blob-size 0", 2, "--max-blob-size" },
        { "skerry hub run --gc-grace 0", 2, "--gc-grace" },
        { "skerry hub run --upload-idle 0", 2, "--upload-idle" },
        { "skerry hub run --drain-timeout 2h", 2, "--drain-timeout" },
        { "skerry hub run --log-level loud", 2, "--log-level" },
        { "skerry hub run word", 2, "word" },
        { "skerry hub run --data-dir /nonexistent", 1, "skerry hub init" },
        { "skerry hub run --data-dir /nonexistent --plain-http --listen 0.0.0.0", 1, "loopback" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(ran_done) struct ran r = run_words(rows[i].line, NULL, NULL);
        check_status(rows[i].line, &r, rows[i].status);
        if (!strstr(r.err, rows[i].err))
            fail_msg("%s: %s", rows[i].line, r.err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(errors) };
    return cmocka_run_group_tests_name("cmd_hub_run", tests, NULL, NULL);
}
