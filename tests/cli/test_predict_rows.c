/* test_predict_rows.c - one picture's answer in each form, with names and labels that need quoting.
 */
#include "cli/predict_priv.h"

#include "base/file.h"
#include "base/log.h"
#include "cli_test.h"
#include "harness/golden.h"

#include <sys/stat.h>

struct fixture {
    char *dir;
    struct sk_engine *engine;
    struct sk_classifier *single, *multi, *alike;
};

static struct sk_classifier *load(struct fixture *f, const char *name, const char *labels,
                                  const char *config)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_classifier *c = NULL;
    char model[300];
    char path[300];
    char bundle[200];

    (void)snprintf(bundle, sizeof bundle, "%s/%s", f->dir, name);
    assert_int_equal(mkdir(bundle, 0700), 0);
    (void)snprintf(model, sizeof model, "%s", sk_source_path("tests/data/models/scores.onnx"));
    (void)snprintf(path, sizeof path, "%s/model.onnx", bundle);
    char *bytes = NULL;
    size_t len = 0;
    if (sk_file_read(model, 1 << 20, &bytes, &len, &err) < 0 ||
        sk_file_write(path, bytes, len, 0600, &err) < 0)
        fail_msg("%s", err.text);
    free(bytes);
    write_text(bundle, "config.json", config);
    write_text(bundle, "labels.txt", labels);
    (void)snprintf(path, sizeof path, "%s/labels.txt", bundle);
    if (sk_classifier_load(f->engine, bundle, *labels ? path : NULL, &c, &err) < 0)
        fail_msg("%s", err.text);
    return c;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct sk_err err = SK_ERR_INIT;

    assert_non_null(f);
    sk_log_setup(SK_WARN, SK_LOG_TEXT, STDERR_FILENO);
    f->dir = sk_test_dir();
    if (sk_engine_open(&(struct sk_engine_options){ .device = SK_DEVICE_CPU, .threads = 1 },
                       &f->engine, &err) < 0)
        fail_msg("%s", err.text);
    f->single = load(f, "single", "cat, \"big\"\nd\xc3\xb6g\n", "{}");
    f->multi = load(f, "multi", "a\nb\n", "{\"problem_type\":\"multi_label_classification\"}");
    f->alike = load(f, "alike", "dup\ndup\n", "{}");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    sk_classifier_unref(f->single);
    sk_classifier_unref(f->multi);
    sk_classifier_unref(f->alike);
    sk_engine_close(f->engine);
    sk_test_dir_free(f->dir);
    free(f);
    return 0;
}

static const float uneven[] = { 0.75f, 0.25f };
static const float both[] = { 0.875f, 0.625f };
static const float neither[] = { 0.25f, 0.125f };

static const struct {
    const char *name;
    bool multi;
    enum sk_row_form form;
    size_t top_k;
    const char *file;
    const float *probabilities; /* NULL: failed with `error` */
    const char *error, *row;
} rows[] = {
    { "table", false, SK_ROW_TABLE, 0, "a.png", uneven, NULL, "a.png  cat, \"big\"     75.00 %\n" },
    { "table of two", false, SK_ROW_TABLE, 9, "a.png", uneven, NULL,
      "a.png  cat, \"big\"     75.00 %  d\xc3\xb6g            25.00 %\n" },
    { "table with a control character", false, SK_ROW_TABLE, 0, "a\n.pn", uneven, NULL,
      "a?.pn  cat, \"big\"     75.00 %\n" },
    { "table of a failure", false, SK_ROW_TABLE, 0, "a.png", NULL, "broken",
      "a.png  error: broken\n" },
    { "CSV", false, SK_ROW_CSV, 0, "a,b", uneven, NULL, "\"a,b\",\"cat, \"\"big\"\"\",0.75,\r\n" },
    { "CSV of two", false, SK_ROW_CSV, 2, "a", uneven, NULL,
      "a,\"cat, \"\"big\"\"\",0.75,d\xc3\xb6g,0.25,\r\n" },
    { "CSV of a failure", false, SK_ROW_CSV, 2, "a", NULL, "x, y", "a,,,,,\"x, y\"\r\n" },
    { "JSON", false, SK_ROW_JSON, 0, "a\"", uneven, NULL,
      "{\"file\":\"a\\\"\",\"prediction\":\"cat, "
      "\\\"big\\\"\",\"confidence\":0.75,\"probabilities\":{\"cat, "
      "\\\"big\\\"\":0.75,\"d\xc3\xb6g\":0.25}}" },
    { "JSON of one", false, SK_ROW_JSON, 1, "a", uneven, NULL,
      "{\"file\":\"a\",\"prediction\":\"cat, "
      "\\\"big\\\"\",\"confidence\":0.75,\"probabilities\":{\"cat, "
      "\\\"big\\\"\":0.75}}" },
    { "JSON of a failure", false, SK_ROW_JSON, 0, "a", NULL, "x\ny",
      "{\"file\":\"a\",\"error\":\"x y\"}" },
    { "NDJSON of a failure", false, SK_ROW_NDJSON, 0, "a", NULL, "x\ny",
      "{\"file\":\"a\",\"error\":\"x y\"}\n" },
    { "several labels", true, SK_ROW_CSV, 0, "a", both, NULL, "a,a;b,0.875,\r\n" },
    { "no label", true, SK_ROW_CSV, 0, "a", neither, NULL, "a,(none),0.25,\r\n" },
    { "best of several labels", true, SK_ROW_CSV, 1, "a", both, NULL, "a,a,0.875,\r\n" },
};

static void test_rows(void **state)
{
    const struct fixture *f = *state;
    char longest[] = "a.png";
    char *names[] = { longest };
    const struct sk_paths paths = { .items = names, .count = 1 };

    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(100000);
        const struct sk_result result = { .probabilities = rows[i].probabilities, .classes = 2 };
        struct sk_err failed = SK_ERR_INIT;
        struct sk_rows r;

        sk_rows_init(&r, rows[i].form, rows[i].multi ? f->multi : f->single, rows[i].top_k, &paths);
        if (rows[i].error)
            (void)sk_fail(&failed, SK_CORRUPT, "%s", rows[i].error);
        sk_rows_add(&r, rows[i].file, &result, rows[i].error ? &failed : NULL, &out);
        assert_true(sk_buf_ok(&out));
        if (strcmp(out.data, rows[i].row) != 0)
            fail_msg("%s: %s", rows[i].name, out.data);
    }
}

/* Two classes of one name are told apart alike in every form. */
static void test_names_are_unique(void **state)
{
    static const struct {
        enum sk_row_form form;
        const char *row;
    } alike[] = {
        { SK_ROW_TABLE, "a.png  dup            75.00 %  dup [1]        25.00 %\n" },
        { SK_ROW_CSV, "a.png,dup,0.75,dup [1],0.25,\r\n" },
        { SK_ROW_JSON, "{\"file\":\"a.png\",\"prediction\":\"dup\",\"confidence\":0.75,"
                       "\"probabilities\":{\"dup\":0.75,\"dup [1]\":0.25}}" },
    };
    const struct fixture *f = *state;
    char longest[] = "a.png";
    char *names[] = { longest };
    const struct sk_paths paths = { .items = names, .count = 1 };
    const struct sk_result result = { .probabilities = uneven, .classes = 2 };

    for (size_t i = 0; i < COUNT(alike); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(100000);
        struct sk_rows r;

        sk_rows_init(&r, alike[i].form, f->alike, 2, &paths);
        sk_rows_add(&r, "a.png", &result, NULL, &out);
        assert_true(sk_buf_ok(&out));
        assert_string_equal(out.data, alike[i].row);
    }
}

/* What stands above, between and below the rows. */
static void test_frames(void **state)
{
    static const char *const frames[][3] = {
        [SK_ROW_TABLE] = { "FILE   PREDICTION  CONFIDENCE\n", "", "" },
        [SK_ROW_JSON] = { "[\n", ",\n", "\n]\n" },
        [SK_ROW_NDJSON] = { "", "", "" },
        [SK_ROW_CSV] = { "file,prediction,confidence,prediction_2,confidence_2,error\r\n", "", "" },
    };
    static void (*const writers[])(
        const struct sk_rows *, struct sk_buf *) = { sk_rows_head, sk_rows_between, sk_rows_foot };
    const struct fixture *f = *state;
    char longest[] = "a.png";
    char *names[] = { longest };
    const struct sk_paths paths = { .items = names, .count = 1 };

    for (int form = SK_ROW_TABLE; form <= SK_ROW_CSV; form++) {
        struct sk_rows r;

        sk_rows_init(&r, (enum sk_row_form)form, f->single, 2, &paths);
        for (size_t i = 0; i < COUNT(writers); i++) {
            SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(100000);
            writers[i](&r, &out);
            assert_string_equal(out.data ? out.data : "", frames[form][i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_names_are_unique),
        cmocka_unit_test(test_frames),
    };
    return cmocka_run_group_tests_name("predict_rows", tests, set_up, tear_down);
}
