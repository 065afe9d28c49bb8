/* test_rows.c - the JSON of models and versions, word by word. */
#include "models/models_util.h"

#include <string.h>

#define DIGEST_OF_ONE "sha256:7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"

static void test_model(void **state)
{
    static const struct sk_pair tags[] = { { "b", "2 \"q\"" }, { "a", "1" }, { "b", "3" } };
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;

    DONE(sk_model_create(p->store, &p->who, "m", "what it \"does\"", tags, 3, &p->out, &err));
    assert_string_equal(
        answer(p), "{\"name\":\"m\",\"creation_timestamp\":T,\"last_updated_timestamp\":T,"
                   "\"user_id\":\"ada\",\"description\":\"what it \\\"does\\\"\","
                   "\"next_version\":1,\"latest_versions\":[],"
                   "\"tags\":[{\"key\":\"a\",\"value\":\"1\"},{\"key\":\"b\",\"value\":\"3\"}],"
                   "\"aliases\":[]}");
    make_model(p, "bare");
    DONE(sk_model_get(p->store, "bare", &p->out, &err));
    assert_string_equal(answer(p),
                        "{\"name\":\"bare\",\"creation_timestamp\":T,\"last_updated_timestamp\":T,"
                        "\"user_id\":\"ada\",\"next_version\":1,\"latest_versions\":[],\"tags\":[],"
                        "\"aliases\":[]}");
}

static void test_version(void **state)
{
    static const struct sk_pair tags[] = { { "k", "v" } };
    struct place *p = *state;
    const struct sk_model_file files[] = { { "model.onnx", p->blobs[0] } };
    struct sk_err err = SK_ERR_INIT;
    uint64_t version = 0;
    const struct sk_version_new v = {
        .name = "m",
        .make_model = true,
        .description = "d",
        .run_id = "r",
        .source = "runs:/r/model",
        .run_link = "https://hub/#/r",
        .model_id = "m-1",
        .tags = tags,
        .tag_count = 1,
        .files = files,
        .file_count = 1,
        .properties = "{\"type\": \"classifier\"}",
    };
    static const char head[] =
        "{\"name\":\"m\",\"version\":\"1\",\"creation_timestamp\":T,\"last_updated_timestamp\":T,"
        "\"user_id\":\"ada\",\"current_stage\":\"None\",\"status\":\"READY\",\"description\":\"d\","
        "\"source\":\"runs:/r/model\",\"run_id\":\"r\",\"run_link\":\"https://hub/#/r\","
        "\"model_id\":\"m-1\",\"digest\":\"";

    /* of the line "<digest>  model.onnx\n" */
    assert_string_equal(p->blobs[0], DIGEST_OF_ONE);
    DONE(sk_version_create(p->store, &p->who, &v, &version, &p->out, &err));
    assert_int_equal(version, 1);
    const char *text = answer(p);
    assert_memory_equal(text, head, sizeof(head) - 1);
    assert_string_equal(strstr(text, "\",\"size\""),
                        "\",\"size\":3,\"files\":1,\"tags\":[{\"key\":\"k\",\"value\":\"v\"}],"
                        "\"aliases\":[],\"properties\":{\"type\": \"classifier\"}}");
    DONE(sk_model_set_alias(p->store, &p->who, "m", "b", 1, &err));
    DONE(sk_model_set_alias(p->store, &p->who, "m", "a", 1, &err));
    DONE(sk_version_get(p->store, "m", 1, &p->out, &err));
    assert_non_null(strstr(answer(p), ",\"aliases\":[\"a\",\"b\"],\"properties\":{"));
    DONE(sk_model_get(p->store, "m", &p->out, &err));
    text = answer(p);
    assert_non_null(strstr(text, "\"latest_versions\":[{\"name\":\"m\",\"version\":\"1\""));
    assert_non_null(strstr(text, ",\"aliases\":[{\"alias\":\"a\",\"version\":\"1\"},"
                                 "{\"alias\":\"b\",\"version\":\"1\"}]}"));
    assert_null(strstr(text, "properties"));
}

static void test_elsewhere(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    uint64_t version = 0;
    const struct sk_version_new v = { .name = "m", .make_model = true, .source = "s3://b/x" };

    DONE(sk_version_create(p->store, &p->who, &v, &version, &p->out, &err));
    assert_string_equal(
        answer(p),
        "{\"name\":\"m\",\"version\":\"1\",\"creation_timestamp\":T,\"last_updated_timestamp\":T,"
        "\"user_id\":\"ada\",\"current_stage\":\"None\",\"status\":\"READY\","
        "\"source\":\"s3://b/x\",\"tags\":[],\"aliases\":[]}");
}

static void test_missing(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;

    make_model(p, "m");
    FAILS(sk_model_get(p->store, "n", &p->out, &err), SK_NOT_FOUND,
          "Registered Model with name=n not found");
    FAILS(sk_version_get(p->store, "m", 1, &p->out, &err), SK_NOT_FOUND,
          "Model Version (name=m, version=1) not found");
    FAILS(sk_version_get(p->store, "m", UINT64_MAX, &p->out, &err), SK_NOT_FOUND, "not found");
    assert_int_equal(p->out.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_model, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_version, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_elsewhere, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_missing, place_set_up, place_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
