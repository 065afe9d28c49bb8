/* test_versions.c - references, latest versions, download addresses. */
#include "models/models_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_resolve(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    char name[SK_MODEL_NAME_MAX + 1], digest[SK_DIGEST_TEXT], by_digest[200], other[200];
    uint64_t version = 0;

    for (unsigned i = 0; i < 4; i++)
        (void)make_version(p, "m", i % 2); /* 1 and 3, 2 and 4 have the same files */
    (void)make_version(p, "n", 0);
    make_model(p, "empty");
    DONE(sk_version_set_stage(p->store, &p->who, "m", 4, "Archived", false, &err));
    DONE(sk_version_set_stage(p->store, &p->who, "n", 1, "Archived", false, &err));
    DONE(sk_model_set_alias(p->store, &p->who, "m", "champion", 2, &err));
    DONE(sk_version_get(p->store, "m", 1, &p->out, &err));
    (void)snprintf(digest, sizeof digest, "%.71s", strstr(answer(p), "sha256:"));
    (void)snprintf(by_digest, sizeof(by_digest), "m@%s", digest);
    (void)snprintf(other, sizeof(other), "m@%s", p->blobs[2]);

    const struct {
        const char *reference;
        uint64_t version; /* 0: refused */
        enum sk_code code;
        const char *says;
    } rows[] = {
        { "m", 3, SK_OK, NULL },
        { "m:latest", 3, SK_OK, NULL },
        { "m:LATEST", 3, SK_OK, NULL },
        { "m@latest", 3, SK_OK, NULL },
        { "m:1", 1, SK_OK, NULL },
        { "m:4", 4, SK_OK, NULL },
        { "m@champion", 2, SK_OK, NULL },
        { by_digest, 3, SK_OK, NULL },
        { other, 0, SK_NOT_FOUND, "has no version with sha256:" },
        { "m@sha256:12", 0, SK_INVALID, "is not a digest" },
        { "m:5", 0, SK_NOT_FOUND, "version=5" },
        { "m:0", 0, SK_INVALID, "version" },
        { "m:-1", 0, SK_INVALID, "version" },
        { "m:1.0", 0, SK_INVALID, "version" },
        { "m:99999999999999999999", 0, SK_INVALID, "version" },
        { "m:", 0, SK_INVALID, "version" },
        { "m@", 0, SK_INVALID, "cannot be empty" },
        { "m@a b", 0, SK_INVALID, "Invalid alias name" },
        { "m@nobody", 0, SK_NOT_FOUND, "model 'm' has no alias 'nobody'" },
        { "m@champion:1", 0, SK_INVALID, "Invalid alias name" },
        { "n", 0, SK_NOT_FOUND, "no version that is not archived" },
        { "empty", 0, SK_NOT_FOUND, "no version that is not archived" },
        { "none", 0, SK_NOT_FOUND, "name=none" },
        { "", 0, SK_INVALID, "Missing value" },
        { ":1", 0, SK_INVALID, "Missing value" },
        { "a/b:1", 0, SK_INVALID, "'/' or ':'" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        int rc = sk_version_resolve(p->store, rows[i].reference, name, &version, &err);

        if (rows[i].version == 0) {
            if (rc == 0 || err.code != rows[i].code || !strstr(err.text, rows[i].says))
                fail_msg("%s: %d %s", rows[i].reference, rc, err.text);
            continue;
        }
        if (rc < 0)
            fail_msg("%s: %s", rows[i].reference, err.text);
        if (version != rows[i].version)
            fail_msg("%s: %llu", rows[i].reference, (unsigned long long)version);
        assert_string_equal(name, "m");
    }
    SK_OWN(free) char *longest = repeat("x", SK_MODEL_NAME_MAX + 1);
    FAILS(sk_version_resolve(p->store, longest, name, &version, &err), SK_INVALID,
          "maximum length");
    longest[SK_MODEL_NAME_MAX] = 0;
    FAILS(sk_version_resolve(p->store, longest, name, &version, &err), SK_NOT_FOUND, "not found");
}

static void test_latest(void **state)
{
    static const char *const stages[] = { "none", "PRODUCTION" };
    static const char *const bad[] = { "None", "x" };
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    const char *text;

    for (int i = 0; i < 4; i++)
        (void)make_version(p, "m", 0);
    DONE(sk_version_set_stage(p->store, &p->who, "m", 2, "Production", false, &err));
    DONE(sk_version_set_stage(p->store, &p->who, "m", 1, "Production", false, &err));
    DONE(sk_version_set_stage(p->store, &p->who, "m", 4, "Archived", false, &err));
    DONE(sk_versions_latest(p->store, "m", NULL, 0, &p->out, &err));
    text = answer(p);
    assert_non_null(strstr(text, "\"version\":\"2\""));
    assert_non_null(strstr(text, "\"version\":\"3\""));
    assert_non_null(strstr(text, "\"version\":\"4\""));
    assert_null(strstr(text, "\"version\":\"1\""));
    DONE(sk_versions_latest(p->store, "m", stages, 2, &p->out, &err));
    text = answer(p);
    assert_non_null(strstr(text, "\"version\":\"2\""));
    assert_non_null(strstr(text, "\"version\":\"3\""));
    assert_null(strstr(text, "\"version\":\"4\""));
    make_model(p, "empty");
    DONE(sk_versions_latest(p->store, "empty", NULL, 0, &p->out, &err));
    assert_string_equal(answer(p), "{\"model_versions\":[]}");
    FAILS(sk_versions_latest(p->store, "m", bad, 2, &p->out, &err), SK_INVALID, "stage: x");
    FAILS(sk_versions_latest(p->store, "none", NULL, 0, &p->out, &err), SK_NOT_FOUND, "name=none");
}

static void test_by_alias(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;

    make_model(p, "m");
    FAILS(sk_version_by_alias(p->store, "m", "latest", &p->out, &err), SK_NOT_FOUND,
          "Latest version not found for model m.");
    (void)make_version(p, "m", 0);
    (void)make_version(p, "m", 0);
    DONE(sk_version_set_stage(p->store, &p->who, "m", 2, "Archived", false, &err));
    DONE(sk_model_set_alias(p->store, &p->who, "m", "a", 1, &err));
    DONE(sk_version_by_alias(p->store, "m", "a", &p->out, &err));
    assert_non_null(strstr(answer(p), "\"version\":\"1\""));
    DONE(sk_version_by_alias(p->store, "m", "Latest", &p->out, &err));
    assert_non_null(strstr(answer(p), "\"version\":\"2\"")); /* archived ones too, as MLflow */
    FAILS(sk_version_by_alias(p->store, "m", "b", &p->out, &err), SK_INVALID,
          "Registered model alias b not found.");
}

static void test_uri(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    uint64_t version = 0;
    const struct sk_version_new v = { .name = "far", .make_model = true, .source = "s3://b/x" };

    (void)make_version(p, "a %1", 0);
    DONE(sk_version_uri(p->store, "a %1", 1, &p->out, &err));
    assert_string_equal(answer(p), "mlflow-artifacts:/models/a =251/1");
    DONE(sk_version_create(p->store, &p->who, &v, &version, &p->out, &err));
    sk_buf_clear(&p->out);
    DONE(sk_version_uri(p->store, "far", 1, &p->out, &err));
    assert_string_equal(answer(p), "s3://b/x");
    const struct sk_version_new w = { .name = "far",
                                      .source = "models:/far/1",
                                      .location = "s3://b/x" };
    DONE(sk_version_create(p->store, &p->who, &w, &version, &p->out, &err));
    sk_buf_clear(&p->out);
    DONE(sk_version_uri(p->store, "far", 2, &p->out, &err));
    assert_string_equal(answer(p), "s3://b/x");
    FAILS(sk_version_uri(p->store, "far", 3, &p->out, &err), SK_NOT_FOUND, "version=3");
    DONE(sk_version_files(p->store, "far", 1, &p->out, &err));
    assert_string_equal(answer(p), "{\"files\":[]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_resolve, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_latest, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_by_alias, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_uri, place_set_up, place_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
