/* test_register.c - what is sent, what is not, and what happens when the answer is lost. */
#include "catalog/catalog.h"

#include "harness/golden.h"

#include "catalog/hub.h"

#define VERSION "{\"name\": \"m\", \"version\": \"1\"}"

static const struct sk_catalog_new *bundle(const char *const *tags, size_t count)
{
    static struct sk_catalog_new n;
    static char path[512];

    (void)snprintf(path, sizeof(path), "%s", sk_source_path(MODEL));
    n = (struct sk_catalog_new){ .bundle = path,
                                 .name = "a name",
                                 .description = "said \"so\"",
                                 .tags = tags,
                                 .tag_count = count };
    return &n;
}

/* [catalog-5] The hub has the file: one HEAD, and the version. */
static void known_files_are_not_sent(void **state)
{
    static const char *const replies[] = { REPLY("200 OK", ""), REPLY("201 Created", VERSION),
                                           NULL };
    static const char *const tags[] = { "site=north=1", "empty=" };
    SK_AUTO(hub_done) struct hub h;
    SK_OWN(sk_json_free) struct sk_json *version = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    hub_start(&h, replies);
    if (sk_catalog_register(h.remote, bundle(tags, 2), NULL, NULL, &version, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(sk_json_get_text(version, "version", ""), "1");
    hub_stop(&h);
    assert_int_equal(h.server->count, 2);
    assert_non_null(strstr(h.server->requests[0], "HEAD /api/v1/blobs/sha256:"));
    assert_non_null(strstr(h.server->requests[1], "POST /api/v1/models/a%20name/versions "));
    assert_non_null(strstr(h.server->requests[1], "\"path\": \"scores.onnx\""));
    assert_non_null(strstr(h.server->requests[1], "\"site\": \"north=1\", \"empty\": \"\""));
    assert_non_null(strstr(h.server->requests[1], "\"said \\\"so\\\"\""));
}

static const char *key_of(const char *request)
{
    const char *key = strstr(request, "\"idempotency_key\": \"");

    assert_non_null(key);
    return key;
}

/* [catalog-5] The answer is lost: asked again with the same key. */
static void a_lost_answer(void **state)
{
    static const char *const replies[] = { REPLY("200 OK", ""), "", REPLY("201 Created", VERSION),
                                           NULL };
    SK_AUTO(hub_done) struct hub h;
    SK_OWN(sk_json_free) struct sk_json *version = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    hub_start(&h, replies);
    if (sk_catalog_register(h.remote, bundle(NULL, 0), NULL, NULL, &version, &err) < 0)
        fail_msg("%s", err.text);
    hub_stop(&h);
    assert_int_equal(h.server->count, 3);
    assert_string_equal(key_of(h.server->requests[1]), key_of(h.server->requests[2]));
}

static void refused(void **state)
{
    static const char *const wrong[] = { "novalue" };

    static const struct {
        const char *name, *replies[3];
        size_t tags;
        enum sk_code code;
        const char *says;
    } rows[] = {
        { "a tag without value", { "", NULL }, 1, SK_USAGE, "KEY=VALUE" },
        { "no token",
          { REPLY("401 Unauthorized", "{\"error\": \"who are you\"}"), NULL },
          0,
          SK_UNAUTHENTICATED,
          "skerry login" },
        { "no rights",
          { REPLY("200 OK", ""), REPLY("403 Forbidden", "{\"error\": \"publisher is needed\"}"),
            NULL },
          0,
          SK_DENIED,
          "publisher is needed" },
        { "a name that is not taken",
          { REPLY("200 OK", ""), REPLY("400 Bad Request", "{\"error\": \"no such name\"}"), NULL },
          0,
          SK_INVALID,
          "no such name" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_AUTO(hub_done) struct hub h;
        struct sk_json *version = NULL;
        struct sk_err err = SK_ERR_INIT;

        hub_start(&h, rows[i].replies);
        if (sk_catalog_register(h.remote, bundle(wrong, rows[i].tags), NULL, NULL, &version,
                                &err) != -1 ||
            err.code != rows[i].code || !strstr(err.text, rows[i].says))
            fail_msg("%s: code %d, %s", rows[i].name, err.code, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_files_are_not_sent),
        cmocka_unit_test(a_lost_answer),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
