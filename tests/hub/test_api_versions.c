/* test_api_versions.c - versions of models over our own interface. */
#include "hub_util.h"

/* sha256 of nothing */
#define EMPTY         "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define FILE_OF(path) "{\"path\":\"" path "\",\"digest\":\"" EMPTY "\"}"

static void put_empty_blob(struct hub_fixture *f)
{
    struct answer a;
    char path[200];

    hub_ask(f, "POST", "/api/v1/uploads", f->made.owner_token, NULL, &a);
    (void)snprintf(path, sizeof(path), "/api/v1/uploads/%.32s?digest=" EMPTY,
                   strstr(a.body, "\": \"") + 4);
    hub_ask(f, "PUT", path, f->made.owner_token, NULL, &a);
    hub_expect(&a, 201, EMPTY);
}

static void there_and_back(void **state)
{
    struct hub_fixture *f = *state;
    const char *owner = f->made.owner_token;
    struct answer a;

    put_empty_blob(f);
    hub_ask(f, "POST", "/api/v1/models/my%20model/versions", owner,
            "{\"files\":[" FILE_OF("model.onnx") "," FILE_OF(
                "a/b.txt") "],\"tags\":{\"k\":\"v\"},"
                           "\"description\":\"d\",\"properties\":{\"labels\":[\"x\"]},"
                           "\"idempotency_key\":\"1\"}",
            &a);
    hub_expect(&a, 201, "\"version\":\"1\"");
    hub_ask(f, "POST", "/api/v1/models/my%20model/versions", owner,
            "{\"files\":[" FILE_OF("model.onnx") "," FILE_OF(
                "a/b.txt") "],\"tags\":{\"k\":\"v\"},"
                           "\"description\":\"d\",\"properties\":{\"labels\":[\"x\"]},"
                           "\"idempotency_key\":\"1\"}",
            &a);
    hub_expect(&a, 201, "\"version\":\"1\""); /* the same key, the same version */
    hub_ask(f, "POST", "/api/v1/models/my%20model/versions", owner,
            "{\"files\":[" FILE_OF("model.onnx") "]}", &a);
    hub_expect(&a, 201, "\"version\":\"2\"");

    static const struct {
        const char *path;
        int status;
        const char *says;
    } rows[] = {
        { "/api/v1/models", 200, "\"name\":\"my model\"" },
        { "/api/v1/models?filter=name%3D%27my%20model%27", 200, "\"name\":\"my model\"" },
        { "/api/v1/models?filter=name%3D%27other%27", 200, "{" },
        { "/api/v1/models?filter=name%3D", 400, "error" },
        { "/api/v1/models?max_results=0", 400, "max_results" },
        { "/api/v1/models/my%20model", 200, "\"next_version\":3" },
        { "/api/v1/models/my%20model/versions", 200,
          "{\"model_versions\":[{\"name\":\"my model\",\"version\":\"2\"" },
        { "/api/v1/models/my%20model/versions/1", 200, "\"labels\":[\"x\"]" },
        { "/api/v1/models/my%20model/versions/1/files", 200, "\"path\":\"a/b.txt\"" },
        { "/api/v1/models/my%20model/versions/9", 404, "error" },
        { "/api/v1/models/my%20model/versions/0", 400, "version" },
        { "/api/v1/models/my%20model/versions/x", 400, "version" },
        { "/api/v1/models/my%20model/other", 404, "no such path" },
        { "/api/v1/models/my%20model/versions/1/other", 404, "no such path" },
        { "/api/v1/models/my%20model/versions/1/files/x", 404, "no such path" },
        { "/api/v1/models//versions", 404, "no such path" },
        { "/api/v1/models/none/versions", 404, "none" },
        { "/api/v1/resolve?ref=my%20model", 200, "\"version\":\"2\"" },
        { "/api/v1/resolve?ref=my%20model:1", 200, "\"version\":\"1\"" },
        { "/api/v1/resolve?ref=my%20model@none", 404, "none" },
        { "/api/v1/resolve", 400, "'ref' is needed" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        hub_ask(f, "GET", rows[i].path, owner, NULL, &a);
        if (a.status != rows[i].status || !strstr(a.body, rows[i].says))
            fail_msg("%s: %d %s", rows[i].path, a.status, a.body);
    }
}

static void refused(void **state)
{
    static const struct {
        const char *body;
        int status;
        const char *says;
    } rows[] = {
        { "", 400, "files" },
        { "{}", 400, "files" },
        { "{\"files\":[]}", 400, "1 to" },
        { "{\"files\":{}}", 400, "files" },
        { "{\"files\":[{}]}", 400, "files[0]" },
        { "{\"files\":[{\"path\":1}]}", 400, "files[0]" },
        { "{\"files\":[{\"path\":\"x\",\"digest\":\"md5:1\"}]}", 400, "error" },
        { "{\"files\":[{\"path\":\"x\",\"digest\":\"sha256:"
          "0000000000000000000000000000000000000000000000000000000000000000\"}]}",
          404, "0000" },
        { "{\"files\":[" FILE_OF("../x") "]}", 400, "../x" },
        { "{\"files\":[" FILE_OF("/x") "]}", 400, "/x" },
        { "{\"files\":[" FILE_OF("x") "," FILE_OF("x") "]}", 400, "twice" },
        { "{\"files\":[" FILE_OF("x") "," FILE_OF("x/y") "]}", 400, "x" },
        { "{\"files\":[" FILE_OF("x") "],\"tags\":{\"a\":1}}", 400, "'a' must be a text" },
        { "{\"files\":[" FILE_OF("x") "],\"properties\":[]}", 400, "properties" },
        { "[1]", 400, "error" },
        { "{\"files\":", 400, "error" },
    };
    struct hub_fixture *f = *state;
    char reader[SK_TOKEN_TEXT];
    struct answer a;

    put_empty_blob(f);
    hub_token(f, SK_ROLE_READER, reader);
    for (size_t i = 0; i < COUNT(rows); i++) {
        hub_ask(f, "POST", "/api/v1/models/m/versions", f->made.owner_token, rows[i].body, &a);
        if (a.status != rows[i].status || !strstr(a.body, rows[i].says))
            fail_msg("%s: %d %s", rows[i].body, a.status, a.body);
    }
    hub_ask(f, "POST", "/api/v1/models/m/versions", reader, "{\"files\":[" FILE_OF("x") "]}", &a);
    hub_expect(&a, 403, "publisher");
    hub_ask(f, "POST", "/api/v1/models/m", f->made.owner_token, "{}", &a);
    hub_expect(&a, 404, "no such path");
    hub_ask(f, "GET", "/api/v1/models/m", f->made.owner_token, NULL, &a);
    hub_expect(&a, 404, "m"); /* nothing of all that made the model */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(there_and_back, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(refused, hub_running, hub_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
