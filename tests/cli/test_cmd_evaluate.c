/* test_cmd_evaluate.c - `skerry evaluate` from folders to figures: options, refusals, exit status.
 */
#include "cli/cli.h"

#include "base/file.h"
#include "cli_test.h"
#include "harness/golden.h"
#include "json/json.h"

/* The model: red pictures are class_0, green ones class_1. */
#define MODEL "tests/data/models/scores.onnx"
#define RUN   "skerry evaluate " MODEL " %s/data -l %s/labels.txt "

static void make_folder(const char *dir, const char *name)
{
    SK_OWN(free) char *path = sk_path_join(dir, name);
    struct sk_err err = SK_ERR_INIT;

    if (!path || sk_mkdirs(path, 0700, &err) < 0)
        fail_msg("%s", err.text);
}

/* data: 3 of 4 right. broken: one of three pictures cannot be read. other: a folder that is no
 * class. one: pictures of one class only. */
static int set_up(void **state)
{
    char *dir = sk_test_dir();

    make_folder(dir, "data/red/below");
    make_folder(dir, "data/green");
    make_folder(dir, "broken/red");
    make_folder(dir, "broken/green");
    make_folder(dir, "none/red");
    make_folder(dir, "other/blue");
    make_folder(dir, "one/red");
    write_text(dir, "labels.txt", "red\ngreen\n");
    write_picture(dir, "data/red/1.png", 255, 0, 0);
    write_picture(dir, "data/red/below/2.png", 0, 255, 0);
    write_picture(dir, "data/green/3.png", 0, 255, 0);
    write_picture(dir, "data/green/4.png", 0, 200, 0);
    write_picture(dir, "broken/red/1.png", 255, 0, 0);
    write_picture(dir, "broken/green/2.png", 0, 255, 0);
    write_text(dir, "broken/green/3.png", "no picture");
    write_text(dir, "broken/notes.txt", "no picture");
    write_text(dir, "none/red/1.png", "no picture");
    write_picture(dir, "other/blue/1.png", 0, 0, 255);
    write_picture(dir, "one/red/1.png", 255, 0, 0);
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
    { RUN, 0, "accuracy  0.7500  (3 of 4)\n", "" },
    { RUN, 0, "red                    1       1\ngreen                  0       2\n", "" },
    { RUN "--positive green", 0, "(of 'green')", "" },
    { RUN "--positive blue", 1, "", "skerry: no class 'blue'; the classes are 'red', 'green'\n" },
    { RUN "--min-accuracy 0.75", 0, "accuracy  0.7500", "" },
    { RUN "--min-accuracy 0.76", 1, "accuracy  0.7500", "skerry: accuracy 0.75 is below 0.76\n" },
    { RUN "--min-accuracy 75", 2, "",
      "skerry: --min-accuracy: '75' is not a number from 0 to 1\n" },
    { RUN "--max-false-negative-rate 0.5", 0, "on 'red': misses 50.00 %, false alarms 0.00 %", "" },
    { RUN "--max-false-negative-rate 0", 0, "on 'red': misses 0.00 %, false alarms 100.00 %", "" },
    { RUN "--max-false-negative-rate x", 2, "", "skerry: --max-false-negative-rate: 'x' is not" },
    { RUN "--workers 3 --threads 1", 0, "accuracy  0.7500", "" },
    { "skerry evaluate " MODEL " %s/one -l %s/labels.txt", 0, "accuracy  1.0000", "" },
    { "skerry evaluate " MODEL " %s/one -l %s/labels.txt --max-false-negative-rate 0", 1, "",
      "a decision threshold needs pictures of both classes; all are 'red'\n" },
    { "skerry evaluate " MODEL " %s/broken -l %s/labels.txt", 1, "",
      "skerry: 1 of 3 pictures cannot be read; --skip-bad leaves them out\n" },
    { "skerry evaluate " MODEL " %s/broken -l %s/labels.txt", 1, "", "broken/green/3.png: " },
    { "skerry evaluate " MODEL " %s/broken -l %s/labels.txt", 1, "",
      "skerry: 1 other file left out, such as " },
    { "skerry evaluate " MODEL " %s/broken -l %s/labels.txt --skip-bad", 0,
      "accuracy  1.0000  (2 of 2)\n", "skerry: left out: " },
    { "skerry evaluate " MODEL " %s/none -l %s/labels.txt --skip-bad", 1, "",
      "skerry: none of 1 pictures can be read\n" },
    { "skerry evaluate " MODEL " %s/other -l %s/labels.txt", 1, "",
      "folder 'blue' is not one of the 2 known classes; the model's classes are 'red', 'green'\n" },
    { "skerry evaluate " MODEL " %s/data", 1, "",
      "the model's classes are 'class_0', 'class_1' (it has no labels: --labels FILE gives it "
      "some)\n" },
    { "skerry evaluate " MODEL " %s/missing", 1, "", "missing" },
    { "skerry evaluate %s/data " MODEL, 2, "", "the model comes first\n" },
    { "skerry evaluate " MODEL, 2, "", "skerry: evaluate needs BUNDLE DATA;" },
    { "skerry evaluate tests/data/models/types.onnx %s/data", 1, "",
      "skerry: 'tests/data/models/types.onnx': " },
    { RUN "--report %s/no/where.html", 1, "accuracy", "skerry: report '" },
    { RUN "--max-pixels 63", 1, "", "4 of 4 pictures cannot be read" },
    { RUN "--max-file-size 10", 1, "", "is larger than 10 bytes" },
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

static void test_json(void **state)
{
    SK_AUTO(ran_done)
    struct ran r = run_words(RUN "--json --max-false-negative-rate 0.5", *state, NULL);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;
    static const char *const keys[] = { "accuracy",  "loss",         "macro_f1", "count",
                                        "labels",    "per_class",    "skipped",  "confusion_matrix",
                                        "threshold", "at_threshold", "model",    "engine" };

    check_status("json", &r, 0);
    assert_int_equal(sk_json_parse(r.out, strlen(r.out), NULL, &doc, &err), 0);
    for (size_t i = 0; i < COUNT(keys); i++)
        if (!sk_json_get(doc, keys[i]))
            fail_msg("no '%s' in %s", keys[i], r.out);
    assert_true(sk_json_num(sk_json_get(doc, "accuracy"), 0) == 0.75);
    assert_string_equal(sk_json_text(sk_json_at(sk_json_get(doc, "labels"), 0), ""), "red");
}

static void test_report(void **state)
{
    SK_AUTO(ran_done) struct ran r = run_words(RUN "--report %s/report.html", *state, NULL);
    SK_OWN(free) char *path = sk_path_join(*state, "report.html"), *page = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;

    check_status("report", &r, 0);
    assert_int_equal(sk_file_read(path, 1 << 24, &page, &len, &err), 0);
    assert_non_null(strstr(page, "<bdi>red/below/2.png</bdi>"));
    assert_non_null(strstr(page, "data:image/jpeg;base64,"));
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(test_rows), ROW(test_json), ROW(test_report) };
    return cmocka_run_group_tests_name("cmd_evaluate", tests, NULL, NULL);
}
