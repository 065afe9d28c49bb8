/* test_cmd_predict.c - `skerry predict` from files to rows: order, broken pictures, forms,
 * refusals. */
#include "cli/cli.h"

#include "base/file.h"
#include "base/str.h"
#include "cli_test.h"
#include "harness/golden.h"
#include "json/json.h"

/* The model: red pictures are class_0, green ones class_1. */
#define MODEL "tests/data/models/scores.onnx"

static int set_up(void **state)
{
    char *dir = sk_test_dir();

    write_picture(dir, "green.png", 0, 255, 0);
    write_picture(dir, "red.png", 255, 0, 0);
    write_text(dir, "broken.png", "\x89PNG\r\n\x1a\n");
    write_text(dir, "labels.txt", "red\ngreen\n");
    *state = dir;
    return 0;
}

static int tear_down(void **state)
{
    sk_test_dir_free(*state);
    return 0;
}

static const struct {
    const char *line;
    int status;
    const char *out, *err; /* contained */
} rows[] = {
    { "skerry predict " MODEL " %s/red.png", 0, "red.png  class_0 ", "" },
    { "skerry predict " MODEL " %s/green.png -l %s/labels.txt", 0, "green.png  green ", "" },
    { "skerry predict " MODEL " %s/red.png %s/green.png --csv --top-k 2", 0,
      "file,prediction,confidence,prediction_2,confidence_2,error\r\n", "" },
    { "skerry predict " MODEL " %s --csv", 1, "green.png,class_1,",
      "skerry: 1 of 3 pictures failed\n" },
    { "skerry predict " MODEL " %s/missing.png", 1, "error: '",
      "skerry: 1 of 1 pictures failed\n" },
    { "skerry predict " MODEL " %s/red.png --json --csv", 2, "",
      "skerry: --json, --ndjson and --csv exclude each other\n" },
    { "skerry predict " MODEL, 2, "", "skerry: predict needs BUNDLE FILE...;" },
    { "skerry predict %s/nothing %s/red.png", 1, "", "skerry: '" },
    { "skerry predict %s/red.png " MODEL, 2, "",
      "red.png' is no model, but '" MODEL "' is: the model comes first\n" },
    { "skerry predict tests/data/models/types.onnx %s/red.png", 1, "",
      "skerry: 'tests/data/models/types.onnx': " },
    { "skerry predict " MODEL " %s/red.png --max-pixels 63", 1,
      "error: ", "1 of 1 pictures failed" },
    { "skerry predict " MODEL " %s/red.png --max-pixels 64", 0, "class_0", "" },
    { "skerry predict " MODEL " %s/red.png --max-file-size 10", 1, "is larger than 10 bytes", "" },
    { "skerry predict --onnxruntime /nonexistent/libonnxruntime.so " MODEL " %s/red.png", 1, "",
      "skerry: " },
};

static void test_rows(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(ran_done) struct ran r = run_words(rows[i].line, *state, NULL);
        check_status(rows[i].line, &r, rows[i].status);
        if (!strstr(r.out, rows[i].out) || !strstr(r.err, rows[i].err))
            fail_msg("%s\nout: %s\nerr: %s", rows[i].line, r.out, r.err);
    }
}

static void test_stdin(void **state)
{
    SK_OWN(free) char *red = sk_path_join(*state, "red.png");
    SK_AUTO(ran_done) struct ran r = run_words("skerry predict --json " MODEL " -", *state, red);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;

    check_status("stdin", &r, 0);
    assert_int_equal(sk_json_parse(r.out, strlen(r.out), NULL, &doc, &err), 0);
    assert_int_equal(sk_json_count(doc), 1);
    const struct sk_json *row = sk_json_at(doc, 0);
    assert_string_equal(sk_json_get_text(row, "file", ""), "-");
    assert_string_equal(sk_json_get_text(row, "prediction", ""), "class_0");
}

/* An array with a row for each picture, broken ones too; NDJSON is the same lines. */
static void test_json(void **state)
{
    SK_AUTO(ran_done)
    struct ran array = run_words("skerry predict --json " MODEL " %s", *state, NULL);
    SK_AUTO(ran_done)
    struct ran lines = run_words("skerry predict --ndjson " MODEL " %s", *state, NULL);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;
    const char *line = lines.out;

    check_status("array", &array, 1);
    check_status("lines", &lines, 1);
    assert_int_equal(sk_json_parse(array.out, strlen(array.out), NULL, &doc, &err), 0);
    assert_int_equal(sk_json_count(doc), 3);
    assert_non_null(sk_json_get(sk_json_at(doc, 0), "error")); /* broken.png */
    for (size_t i = 0; i < 3; i++) {
        SK_OWN(sk_json_free) struct sk_json *row = NULL;
        const char *end = strchr(line, '\n');
        assert_non_null(end);
        assert_int_equal(sk_json_parse(line, (size_t)(end - line), NULL, &row, &err), 0);
        assert_string_equal(sk_json_get_text(row, "file", "?"),
                            sk_json_get_text(sk_json_at(doc, i), "file", ""));
        line = end + 1;
    }
    assert_int_equal(*line, '\0');
}

/* Rows come in the order of the input, for any number of workers; broken ones between. */
static void test_order(void **state)
{
    enum {
        PICTURES = 120
    };

    for (int i = 0; i < PICTURES; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "p%03d.png", i);
        if (i % 7 == 3)
            write_text(*state, name, "no picture");
        else
            write_picture(*state, name, i % 2 ? 255 : 0, i % 2 ? 0 : 255, 0);
    }
    for (int threads = 1; threads <= 4; threads += 3) {
        char line[200];
        (void)snprintf(line, sizeof line, "skerry predict --csv -t %d " MODEL " %%s", threads);
        SK_AUTO(ran_done) struct ran r = run_words(line, *state, NULL);
        check_status(line, &r, 1);
        const char *p = strstr(r.out, "p000.png");
        for (int i = 0; i < PICTURES; i++) {
            char want[32];
            (void)snprintf(want, sizeof want, "p%03d.png,%s", i,
                           i % 7 == 3 ? ","
                           : i % 2    ? "class_0,"
                                      : "class_1,");
            p = p ? strstr(p, want) : NULL;
            if (!p)
                fail_msg("%d threads: no '%s' behind the row before", threads, want);
        }
    }
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(test_rows), ROW(test_stdin), ROW(test_json),
                                        ROW(test_order) };
    return cmocka_run_group_tests_name("cmd_predict", tests, NULL, NULL);
}
