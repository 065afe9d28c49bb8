/* test_mlflow_source.c - what the source of a version names. What the hub does with it is in
 * tests/it/test_mlflow_models.py. */
#include "hub/mlflow_source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *text;
    enum sk_mlflow_source_kind kind;
    const char *id, *path, *reference, *name, *stage;
} rows[] = {
    { "s3://bucket/a/b", SK_SOURCE_ELSEWHERE, "", "", "", "", "" },
    { "dbfs:/models/x", SK_SOURCE_ELSEWHERE, "", "", "", "", "" },
    { "https://example.com/model", SK_SOURCE_ELSEWHERE, "", "", "", "", "" },
    { "s3://b/a..b/..c/d..", SK_SOURCE_ELSEWHERE, "", "", "", "", "" },
    { "mlflow-artifacts:/0/r/artifacts/model", SK_SOURCE_ARTIFACTS, "", "0/r/artifacts/model", "",
      "", "" },
    { "MLFLOW-ARTIFACTS:/a", SK_SOURCE_ARTIFACTS, "", "a", "", "", "" },
    { "mlflow-artifacts:a", SK_SOURCE_ARTIFACTS, "", "a", "", "", "" },
    { "mlflow-artifacts:///a//b/", SK_SOURCE_ARTIFACTS, "", "a/b", "", "", "" },
    { "mlflow-artifacts://hub:8443/a/b", SK_SOURCE_ARTIFACTS, "", "a/b", "", "", "" },
    { "mlflow-artifacts://hub", SK_SOURCE_ARTIFACTS, "", "", "", "", "" },
    { "mlflow-artifacts:/", SK_SOURCE_ARTIFACTS, "", "", "", "", "" },
    { "mlflow-artifacts:/a b%20c", SK_SOURCE_ARTIFACTS, "", "a b%20c", "", "", "" },
    { "https://hub:8443/api/2.0/mlflow-artifacts/artifacts/0/r/a%20b", SK_SOURCE_ARTIFACTS, "",
      "0/r/a b", "", "", "" },
    { "runs:/abc/model/x", SK_SOURCE_RUN, "abc", "model/x", "", "", "" },
    { "runs:/abc", SK_SOURCE_RUN, "abc", "", "", "", "" },
    { "runs:/abc//model/", SK_SOURCE_RUN, "abc", "model", "", "", "" },
    { "models:/m-0123", SK_SOURCE_LOGGED, "m-0123", "", "", "", "" },
    { "models:/m-0123/sub/dir", SK_SOURCE_LOGGED, "m-0123", "sub/dir", "", "", "" },
    { "models:/net/3", SK_SOURCE_VERSION, "", "", "net:3", "", "" },
    { "models:/my net/12", SK_SOURCE_VERSION, "", "", "my net:12", "", "" },
    { "models:/net/latest", SK_SOURCE_VERSION, "", "", "net:latest", "", "" },
    { "models:/net/Latest", SK_SOURCE_VERSION, "", "", "net:Latest", "", "" },
    { "models:/net@champion", SK_SOURCE_VERSION, "", "", "net@champion", "", "" },
    { "models:/m-net@champion", SK_SOURCE_VERSION, "", "", "m-net@champion", "", "" },
    { "models:/net/Production", SK_SOURCE_VERSION, "", "", "net/Production", "net", "Production" },
};

static const struct {
    const char *text, *says;
} bad[] = {
    { "", "on the client's disk" },
    { "/etc/passwd", "on the client's disk" },
    { "model", "on the client's disk" },
    { "./model:x", "on the client's disk" },
    { "C:\\models", "on the client's disk" },
    { "file:/x", "on the client's disk" },
    { "FILE:///x", "on the client's disk" },
    { ":x", "on the client's disk" },
    { "a b:/x", "on the client's disk" },
    { "s3://b/..", "relative path" },
    { "s3://b/../c", "relative path" },
    { "mlflow-artifacts:..", "relative path" },
    { "mlflow-artifacts:/..", "relative path" },
    { "mlflow-artifacts:/a/%2e%2e/b", "relative path" },
    { "mlflow-artifacts:/a/%2E./b", "relative path" },
    { "mlflow-artifacts:/a/..%2fb", "relative path" },
    { "mlflow-artifacts:/a/%252e%252e/b", "relative path" },
    { "mlflow-artifacts:/a/%25252e%25252e/b", "relative path" },
    { "mlflow-artifacts:/a/..\\b", "relative path" },
    { "mlflow-artifacts:/a\\..\\b", "relative path" },
    { "mlflow-artifacts:/a/..?x", "relative path" },
    { "mlflow-artifacts:/a/..#x", "relative path" },
    { "mlflow-artifacts:/a%00b", "relative path" },
    { "mlflow-artifacts:/a\nb", "relative path" },
    { "https://h/api/2.0/mlflow-artifacts/artifacts/%2e%2e/x", "relative path" },
    { "runs:/", "runs:/RUN_ID" },
    { "runs:", "runs:/RUN_ID" },
    { "runs://profile@host/abc/x", "without a host" },
    { "models:/", "models:/name/version" },
    { "models:/net", "models:/name/version" },
    { "models:/net/", "models:/name/version" },
    { "models:/net/1/more", "models:/name/version" },
    { "models://host/net/1", "active model registry" },
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_AUTO(sk_arena_done) struct sk_arena arena = SK_ARENA_INIT(1u << 20);
        struct sk_err err = SK_ERR_INIT;
        struct sk_mlflow_source s;

        if (sk_mlflow_source_parse(rows[i].text, &arena, &s, &err) < 0)
            fail_msg("%s: %s", rows[i].text, err.text);
        if (s.kind != rows[i].kind || strcmp(s.id, rows[i].id) != 0 ||
            strcmp(s.path, rows[i].path) != 0 || strcmp(s.reference, rows[i].reference) != 0 ||
            strcmp(s.name, rows[i].name) != 0 || strcmp(s.stage, rows[i].stage) != 0)
            fail_msg("%s: %d id '%s' path '%s' reference '%s' name '%s' stage '%s'", rows[i].text,
                     (int)s.kind, s.id, s.path, s.reference, s.name, s.stage);
    }
}

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        SK_AUTO(sk_arena_done) struct sk_arena arena = SK_ARENA_INIT(1u << 20);
        struct sk_err err = SK_ERR_INIT;
        struct sk_mlflow_source s;

        if (sk_mlflow_source_parse(bad[i].text, &arena, &s, &err) == 0)
            fail_msg("%s: taken", bad[i].text);
        if (err.code != SK_INVALID || !strstr(err.text, bad[i].says) ||
            !sk_starts_with(err.text, "Invalid model version source: '"))
            fail_msg("%s: %s", bad[i].text, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
