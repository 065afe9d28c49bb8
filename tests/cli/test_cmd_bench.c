/* test_cmd_bench.c - `skerry bench` against the real server, and against one that fails. With
 * arguments this program is skerry. */
#include "cli/cli.h"

#include "cli_test.h"
#include "json/json.h"

#define MODEL "tests/data/models/scores.onnx"

static const struct {
    const char *line;
    int status;
    const char *err; /* contained */
} wrong[] = {
    { "skerry bench", 2, "skerry: bench needs TARGET;" },
    { "skerry bench -c 0 m", 2, "--concurrency: '0' is not a whole number from 1 to 4096" },
    { "skerry bench -c 1,x m", 2, "--concurrency: 'x' is not" },
    { "skerry bench -c 1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1 m", 2,
      "--concurrency: more than 16 numbers" },
    { "skerry bench --rate -1 m", 2, "--rate: '-1' is not a number" },
    { "skerry bench --size 12 " MODEL, 2, "--size: '12' is not a size such as 640x480" },
    { "skerry bench --image /nonexistent.jpg " MODEL, 1, "/nonexistent.jpg" },
    { "skerry bench --model nope " MODEL, 1, "the server answers with status 404: " },
    { "skerry bench --v2 --model nope " MODEL, 1, "GET /v2/models/nope: status 404: " },
    { "skerry bench /nonexistent", 1, "the server did not start: " },
};

static void test_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(wrong); i++) {
        SK_AUTO(ran_done) struct ran r = run_words(wrong[i].line, NULL, NULL);
        check_status(wrong[i].line, &r, wrong[i].status);
        if (!strstr(r.err, wrong[i].err))
            fail_msg("%s: %s", wrong[i].line, r.err);
    }
}

static const struct {
    const char *line, *mode;
    size_t runs;
} good[] = {
    { "skerry bench -c 1,2 -d 100ms --warmup 20ms --size 64x48 --json " MODEL, "closed", 2 },
    { "skerry bench --rate 200 -d 200ms --warmup 0 --size 64x48 --json " MODEL, "open", 1 },
    { "skerry bench --v2 -c 1 -d 100ms --warmup 0 --json " MODEL, "closed", 1 },
};

enum {
    TRIES = 20 /* a busy machine may let the time of a run go by without an answer */
};

static bool all_answered(const struct sk_json *runs)
{
    for (size_t i = 0; i < sk_json_count(runs); i++)
        if (sk_json_int(sk_json_get(sk_json_at(runs, i), "requests"), 0) == 0)
            return false;
    return true;
}

/* A line's JSON, each of whose runs had an answer; sk_json_free. */
static struct sk_json *run_json(const char *line)
{
    for (int i = 1;; i++) {
        SK_AUTO(ran_done) struct ran r = run_words(line, NULL, NULL);
        SK_OWN(sk_json_free) struct sk_json *doc = NULL;
        struct sk_err err = SK_ERR_INIT;

        check_status(line, &r, 0);
        if (sk_json_parse(r.out, strlen(r.out), NULL, &doc, &err) < 0)
            fail_msg("%s: %s", line, err.text);
        if (all_answered(sk_json_get(doc, "runs")) || i == TRIES)
            return SK_TAKE(doc);
    }
}

static void test_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        SK_OWN(sk_json_free) struct sk_json *doc = run_json(good[i].line);
        const struct sk_json *runs = sk_json_get(doc, "runs");

        assert_int_equal(sk_json_count(runs), good[i].runs);
        for (size_t k = 0; k < good[i].runs; k++) {
            const struct sk_json *run = sk_json_at(runs, k);
            const struct sk_json *latency = sk_json_get(run, "latency_ms");

            assert_string_equal(sk_json_get_text(run, "mode", ""), good[i].mode);
            assert_true(sk_json_int(sk_json_get(run, "requests"), 0) > 0);
            assert_int_equal(sk_json_int(sk_json_get(run, "errors"), -1), 0);
            assert_true(sk_json_num(sk_json_get(latency, "p50"), 0) > 0);
            assert_true(sk_json_num(sk_json_get(latency, "p99_9"), 0) <=
                        sk_json_num(sk_json_get(latency, "max"), 0));
            assert_non_null(sk_json_get(sk_json_get(run, "stages_ms"), "infer"));
        }
    }
}

static void test_table(void **state)
{
    (void)state;
    for (int i = 1;; i++) {
        SK_AUTO(ran_done)
        struct ran r = run_words("skerry bench -c 1 -d 100ms --warmup 0 --size 64x48 " MODEL, NULL,
                                 NULL);

        check_status("table", &r, 0);
        assert_non_null(strstr(r.out, "(own child), request of "));
        assert_non_null(strstr(
            r.out, "    load  requests/s     p50     p90     p99   p99.9     max  errors\n"));
        if (strstr(r.out, "in the server, mean (p99) in ms\n"))
            break;
        if (i == TRIES)
            fail_msg("%s", r.out);
    }
}

static void test_failing_server(void **state)
{
    struct fake_server s;
    char line[200];

    (void)state;
    fake_start(&s, "HTTP/1.1 500 No\r\nContent-Length: 6\r\n\r\nbroken", 0);
    (void)snprintf(line, sizeof line,
                   "skerry bench -c 1 -d 50ms --warmup 0 --size 8x8 http://127.0.0.1:%d", s.port);
    SK_AUTO(ran_done) struct ran r = run_words(line, NULL, NULL);
    fake_stop(&s);
    check_status(line, &r, 1);
    assert_string_equal(r.err, "skerry: the server answers with status 500: broken\n");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_failing_server),
    };

    if (argc > 1)
        return sk_cli_main(argc, argv);
    return cmocka_run_group_tests_name("cmd_bench", tests, NULL, NULL);
}
