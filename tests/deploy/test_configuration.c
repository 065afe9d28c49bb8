/* test_configuration.c - creating, updating, deleting and testing configurations. */
#include "fixture.h"

static int put_text(struct fixture *f, const char *id, const char *body, const char *if_match,
                    struct sk_buf *out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf own = SK_BUF_INIT(1 << 20);
    SK_OWN(sk_json_free) struct sk_json *json = parse(body);
    return sk_configuration_put(f->d, &f->service, id, json, if_match, out ? out : &own, err);
}

static void life(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    DONE(put_text(f, "c", "{\"priority\":3,\"targetCondition\":\"*\",\"content\":" BASE("a") "}",
                  NULL, NULL, &err));
    FAILS(put_text(f, "c", "{\"content\":" BASE("a") "}", NULL, NULL, &err), SK_EXISTS,
          "ConfigurationAlreadyExists: ");
    FAILS(put_text(f, "c", "{\"content\":" BASE("b") "}", "*", NULL, &err), SK_INVALID,
          "CannotModifyImmutableConfigurationContent: ");
    FAILS(put_text(f, "c", "{\"content\":{\"deviceContent\":{\"properties.desired.a\":1}}}", "*",
                   NULL, &err),
          SK_INVALID, "CannotModifyImmutableConfigurationContent: ");
    FAILS(put_text(f, "c", "{}", "\"Mg==\"", NULL, &err), SK_MISMATCH, "PreconditionFailed: ");
    DONE(put_text(f, "c", "{\"priority\":4,\"content\":" BASE("a") "}", "\"MQ==\"", NULL, &err));
    DONE(put_text(f, "c", "{\"labels\":{\"a\":\"b\"}}", "Mg==", NULL, &err));
    DONE(put_text(f, "c", "{}", "\"*\"", NULL, &err));
    FAILS(put_text(f, "x", "{\"content\":" BASE("a") "}", "*", NULL, &err), SK_NOT_FOUND,
          "ConfigurationNotFound: ");
    FAILS(put_text(f, "c", "{\"targetCondition\":\"from devices.modules where moduleId = 'm'\"}",
                   "*", NULL, &err),
          SK_INVALID, "InvalidConfigurationTargetCondition: ");
    FAILS(sk_configuration_delete(f->d, &f->service, "c", "MQ==", &err), SK_MISMATCH, "");
    FAILS(sk_configuration_delete(f->d, &f->reader, "c", NULL, &err), SK_DENIED, "");
    DONE(sk_configuration_delete(f->d, &f->service, "c", "\"NA==\"", &err));
    FAILS(sk_configuration_delete(f->d, &f->service, "c", "*", &err), SK_NOT_FOUND,
          "ConfigurationNotFound: ");
    assert_string_equal(text_of(f, "SELECT group_concat(action || ' ' || object) FROM audit"),
                        "configuration.create c,configuration.update c,configuration.update c,"
                        "configuration.update c,configuration.delete c");
    assert_int_equal(number(f, "SELECT generation FROM deploy_work"), 5);
}

static void refused(void **state)
{
    static const struct {
        const char *body;
        enum sk_code code;
        const char *says;
    } rows[] = {
        { "{}", SK_INVALID, "InvalidConfigurationContent: 'content' is missing" },
        { "{\"content\":{\"modulesContent\":{\"m\":{}}}}", SK_INVALID,
          "InvalidConfigurationContent: modulesContent" },
        { "{\"targetCondition\":\"tags.a >\",\"content\":" BASE("a") "}", SK_INVALID,
          "InvalidConfigurationTargetCondition: " },
        { "{\"targetCondition\":\"*\",\"content\":{\"moduleContent\":{\"properties.desired.a\":1}}"
          "}",
          SK_INVALID, "InvalidConfigurationTargetCondition: " },
    };
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    for (size_t i = 0; i < COUNT(rows); i++)
        FAILS(put_text(f, "c", rows[i].body, NULL, NULL, &err), rows[i].code, rows[i].says);
    SK_OWN(sk_json_free) struct sk_json *json = parse("{\"content\":" BASE("a") "}");
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    FAILS(sk_configuration_put(f->d, &f->reader, "c", json, NULL, &out, &err), SK_DENIED, "");
    FAILS(sk_configuration_put(f->d, &f->service, "C", json, NULL, &out, &err), SK_INVALID,
          "ArgumentInvalid: ");
    assert_int_equal(number(f, "SELECT generation FROM deploy_work"), 0);
}

static void limit(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    char id[16];
    sk_deploy_stop(f->d);
    for (int i = 0; i < SK_DEPLOY_CONFIGURATIONS_MAX; i++) {
        (void)snprintf(id, sizeof id, "c%d", i);
        put(f, id, 1, "", QUIET);
    }
    FAILS(put_text(f, "more", "{\"content\":" QUIET "}", NULL, NULL, &err), SK_LIMIT,
          "ConfigurationCountLimitExceeded: ");
    drop(f, "c7");
    put(f, "more", 1, "", QUIET);
    /* No two are of one time, so that the later one is known. */
    assert_int_equal(number(f, "SELECT count(DISTINCT created_ms) FROM configuration"),
                     SK_DEPLOY_CONFIGURATIONS_MAX);
}

static void tests(void **state)
{
    static const struct {
        const char *body, *out;
    } rows[] = {
        { "{}", "{\"targetConditionError\":null,\"customMetricQueryErrors\":{}}" },
        { "{\"targetCondition\":\"tags.a = 1\",\"customMetricQueries\":{\"m\":\"SELECT * FROM "
          "devices\"}}",
          "{\"targetConditionError\":null,\"customMetricQueryErrors\":{}}" },
        { "{\"targetCondition\":\"from devices.modules where tags.a = 1\"}",
          "{\"targetConditionError\":null,\"customMetricQueryErrors\":{}}" },
        { "{\"targetCondition\":\"tags.a =\",\"customMetricQueries\":{\"m\":\"x\",\"n\":1,"
          "\"o\":\"SELECT * FROM devices\"}}",
          NULL },
    };
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 16);
        SK_OWN(sk_json_free) struct sk_json *body = parse(rows[i].body);
        DONE(sk_configuration_test(f->d, body, &b, &err));
        if (rows[i].out) {
            assert_string_equal(b.data, rows[i].out);
            continue;
        }
        SK_OWN(sk_json_free) struct sk_json *out = parse(b.data);
        assert_non_null(strstr(sk_json_get_text(out, "targetConditionError", ""),
                               "InvalidConfigurationTargetCondition: "));
        assert_int_equal(sk_json_count(sk_json_get(out, "customMetricQueryErrors")), 2);
    }
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 16);
    SK_OWN(sk_json_free) struct sk_json *list = parse("[]");
    SK_OWN(sk_json_free) struct sk_json *wrong = parse("{\"targetCondition\":1}");
    FAILS(sk_configuration_test(f->d, list, &b, &err), SK_INVALID, "ArgumentInvalid: a test");
    FAILS(sk_configuration_test(f->d, wrong, &b, &err), SK_INVALID, "ArgumentInvalid: 'targetC");
}

int main(void)
{
    const struct CMUnitTest all[] = { ROW(life), ROW(refused), ROW(limit), ROW(tests) };
    return cmocka_run_group_tests(all, NULL, NULL);
}
