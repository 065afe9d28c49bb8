/* test_links.c - datasets, models, and the models of 2.x clients. */
#include "runs/fixture.h"

static int log_text(struct fixture *f, const char *run, const char *json,
                    int (*call)(struct sk_store *, const struct sk_who *, const char *,
                                const struct sk_json *, struct sk_err *))
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    f->err = (struct sk_err)SK_ERR_INIT;
    assert_ok(sk_json_parse(json, strlen(json), NULL, &doc, &f->err), &f->err);
    return call(f->store, &f->who, run, doc, &f->err);
}

static int inputs(struct sk_store *s, const struct sk_who *who, const char *run,
                  const struct sk_json *doc, struct sk_err *err)
{
    return sk_run_log_links(s, who, run, sk_json_get(doc, "datasets"), sk_json_get(doc, "models"),
                            false, err);
}

static int outputs(struct sk_store *s, const struct sk_who *who, const char *run,
                   const struct sk_json *doc, struct sk_err *err)
{
    return sk_run_log_links(s, who, run, NULL, sk_json_get(doc, "models"), true, err);
}

#define MODEL(path)                                                                                \
    "{\"artifact_path\":\"" path "\",\"flavors\":{},\"utc_time_created\":\"x\",\"run_id\":\"y\"}"

static void history_of_models(void **state)
{
    struct fixture *f = *state;
    const char *run = new_run(f, "0", "r");

    assert_ok(log_text(f, run, MODEL("a"), sk_run_log_model), &f->err);
    assert_ok(log_text(f, run, MODEL("b"), sk_run_log_model), &f->err);
    assert_ok(sk_run_get(f->store, run, answer(f), &f->err), &f->err);
    assert_string_equal(text_at(f, "data/tags/0/key"), "mlflow.log-model.history");
    assert_string_equal(text_at(f, "data/tags/0/value"), "[" MODEL("a") "," MODEL("b") "]");
    assert_failed(log_text(f, run, "{\"flavors\":{}}", sk_run_log_model), &f->err, SK_INVALID,
                  "missing mandatory fields: 'artifact_path'");
    assert_failed(log_text(f, run, "[]", sk_run_log_model), &f->err, SK_INVALID,
                  "expected an object");
}

static void history_has_a_bound(void **state)
{
    struct fixture *f = *state;
    const char *run = new_run(f, "0", "r");
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(2 << 20);

    sk_buf_fmt(&text,
               "{\"artifact_path\":\"%s\",\"flavors\":{},\"utc_time_created\":1,\"run_id\":1}",
               long_text(f, 'a', SK_RUN_HISTORY_MAX));
    assert_failed(log_text(f, run, text.data, sk_run_log_model), &f->err, SK_LIMIT,
                  "models of this run");
}

#define DATASET                                                                                    \
    "{\"tags\":[{\"key\":\"mlflow.data.context\",\"value\":\"training\"}],\"dataset\":{\"name\":"  \
    "\"casting\",\"digest\":\"abc\",\"source_type\":\"local\",\"source\":\"{}\"}}"

static void datasets_and_models(void **state)
{
    struct fixture *f = *state;
    const char *run = new_run(f, "0", "r"), *model = new_model(f, run, "net");
    char text[512];

    assert_ok(log_text(f, run, "{\"datasets\":[" DATASET "]}", inputs), &f->err);
    assert_ok(log_text(f, run, "{\"datasets\":[" DATASET "]}", inputs), &f->err);
    (void)snprintf(text, sizeof(text), "{\"models\":[{\"model_id\":\"%s\",\"step\":4}]}", model);
    assert_ok(log_text(f, run, text, outputs), &f->err);
    assert_ok(log_text(f, run, text, inputs), &f->err);
    assert_ok(sk_run_get(f->store, run, answer(f), &f->err), &f->err);
    assert_int_equal(count_at(f, "inputs/dataset_inputs"), 1);
    assert_string_equal(text_at(f, "inputs/dataset_inputs/0/dataset/name"), "casting");
    assert_string_equal(text_at(f, "inputs/model_inputs/0/model_id"), model);
    assert_string_equal(text_at(f, "outputs/model_outputs/0/model_id"), model);
    assert_true(number_at(f, "outputs/model_outputs/0/step") == 4);

    static const struct {
        const char *json, *part;
        enum sk_code code;
    } rows[] = {
        { "{\"datasets\":[{}]}", "datasets[0]", SK_INVALID },
        { "{\"datasets\":[{\"dataset\":{\"name\":\"a\"}}]}", "digest is missing", SK_INVALID },
        { "{\"datasets\":[{\"dataset\":{\"name\":\"a\",\"digest\":"
          "\"0123456789012345678901234567890123456\"}}]}",
          "at most 36", SK_LIMIT },
        { "{\"models\":[{\"model_id\":\"m-1\"}]}", "not found", SK_NOT_FOUND },
        { "{\"models\":[7]}", "models[0]", SK_INVALID },
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        assert_failed(log_text(f, run, rows[i].json, inputs), &f->err, rows[i].code, rows[i].part);
}

static void many(void **state)
{
    struct fixture *f = *state;
    const char *run = new_run(f, "0", "r");
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(2 << 20);

    sk_buf_str(&text, "{\"datasets\":[");
    for (int i = 0; i < SK_RUN_DATASETS; i++)
        sk_buf_fmt(&text, "%s{\"dataset\":{\"name\":\"n%d\",\"digest\":\"d\"}}", i ? "," : "", i);
    SK_AUTO(sk_buf_done) struct sk_buf more = SK_BUF_INIT(2 << 20);
    sk_buf_fmt(&more, "%s,{}]}", text.data);
    sk_buf_str(&text, "]}");
    assert_ok(log_text(f, run, text.data, inputs), &f->err);
    assert_failed(log_text(f, run, more.data, inputs), &f->err, SK_LIMIT, "at most 1000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(history_of_models, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(history_has_a_bound, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(datasets_and_models, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(many, fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
