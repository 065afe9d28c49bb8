/* test_cmd_serve.c - `skerry serve`: option errors, models that are not there; the server itself
 * runs in test_bench_target.c. */
#include "cli_test.h"

static const struct {
    const char *line;
    int status;
    const char *err; /* contained */
} rows[] = {
    { "skerry serve --tls-cert c.pem m", 2,
      "skerry: --tls-cert and --tls-key belong together; --tls-key is missing\n" },
    { "skerry serve --tls-key k.pem m", 2,
      "skerry: --tls-cert and --tls-key belong together; --tls-cert is missing\n" },
    { "skerry serve --log-level loud m", 2,
      "--log-level: 'loud' is not one of debug|info|warn|error" },
    { "skerry serve --log-format xml m", 2, "--log-format: 'xml' is not one of text|json" },
    { "skerry serve --max-queue 0 m", 2,
      "--max-queue: '0' is not a whole number from 1 to 1000000" },
    { "skerry serve --max-body-size 0 m", 2, "--max-body-size: '0' is not a size from 1 " },
    { "skerry serve --request-timeout 0 m", 2, "--request-timeout: '0' is not a time from 1 " },
    { "skerry serve --device tpu m", 2, "--device: 'tpu' is not one of auto|cpu|cuda" },
    { "skerry serve --port 0 /nonexistent/model", 1, "/nonexistent/model" },
    { "skerry serve --port 0 --onnxruntime /nonexistent/libonnxruntime.so "
      "tests/data/models/scores.onnx",
      1, "/nonexistent/libonnxruntime.so" },
};

static void test_errors(void **state)
{
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
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_errors) };
    return cmocka_run_group_tests_name("cmd_serve", tests, NULL, NULL);
}
