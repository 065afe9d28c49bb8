/* test_image.c - pulls, images, the network. */
#include "engine.h"

#include <string.h>

static bool keep_on(void *ctx, const char *what)
{
    (void)what;
    ++*(unsigned *)ctx;
    return true;
}

static void test_pull(void **state)
{
    static const struct engine_row rows[] = {
        { "POST /v1.44/images/create?fromImage=hub%3A443%2Fteam%2Fcats&tag=v1 ", 200,
          "{\"status\":\"Pulling\"}\r\n{\"status\":\"Done\"}\r\n", 0 },
        { "GET /v1.44/images/hub:443/team/cats:v1/json", 200, "{\"Id\":\"sha256:ab\"}", 0 },
    };
    const struct sk_docker_auth auth = { "device", "secret", "hub:443" };
    struct engine e;
    struct sk_err err = SK_ERR_INIT;
    unsigned told = 0;
    char id[80];

    (void)state;
    engine_begin(&e, ENGINE_ROWS(rows));
    int rc = sk_docker_pull(&e.docker, "hub:443/team/cats:v1", &auth, keep_on, &told, id, &err);
    engine_end(&e);
    if (rc < 0)
        fail_msg("%s", err.text);
    assert_int_equal(told, 2);
    assert_string_equal(id, "sha256:ab");
    assert_true(engine_heard(&e, "X-Registry-Auth: eyJ1c2VybmFtZSI6ImRldmljZSIs"));
    assert_false(engine_heard(&e, "secret"));
    engine_done(&e);
}

/* [docker-12] */
static void test_pull_that_fails_inside(void **state)
{
    static const struct engine_row rows[] = {
        { "POST /v1.44/images/create?fromImage=cats&tag=sha256%3Aab ", 200,
          "{\"status\":\"Pulling\"}\r\n{\"error\":\"unauthorized: no\"}\r\n", 0 },
    };
    struct engine e;
    struct sk_err err = SK_ERR_INIT;
    char id[80] = "untouched";

    (void)state;
    engine_begin(&e, ENGINE_ROWS(rows));
    assert_int_equal(sk_docker_pull(&e.docker, "cats@sha256:ab", NULL, NULL, NULL, id, &err), -1);
    engine_end(&e);
    assert_int_equal(err.code, SK_DENIED);
    assert_non_null(strstr(err.text, "pulling 'cats@sha256:ab': unauthorized"));
    assert_string_equal(id, "untouched");
    assert_true(engine_heard(&e, "X-Registry-Auth: e30="));
    engine_done(&e);
}

static void test_images_by_digest_and_id(void **state)
{
    static const struct engine_row rows[] = {
        { "GET /v1.44/images/cats@sha256:ab/json", 200, "{\"Id\":\"sha256:1\"}", 0 },
        { "GET /v1.44/images/sha256:cd/json", 200, "{\"Id\":\"sha256:2\"}", 0 },
        { "DELETE /v1.44/images/cats:v1 ", 409, "{\"message\":\"in use\"}", 0 },
    };
    struct engine e;
    struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    engine_begin(&e, ENGINE_ROWS(rows));
    assert_int_equal(sk_docker_image(&e.docker, "cats:v1@sha256:ab", &doc, &err), 0);
    assert_string_equal(sk_json_get_text(doc, "Id", ""), "sha256:1");
    sk_json_free(doc);
    assert_int_equal(sk_docker_image(&e.docker, "sha256:cd", &doc, &err), 0);
    assert_string_equal(sk_json_get_text(doc, "Id", ""), "sha256:2");
    sk_json_free(doc);
    assert_int_equal(sk_docker_image_remove(&e.docker, "cats:v1", &err), -1);
    assert_int_equal(err.code, SK_EXISTS);
    engine_end(&e);
    engine_done(&e);
}

static void test_gateways(void **state)
{
    static const struct {
        const char *config, *gateway;
    } rows[] = {
        { "[{\"Subnet\":\"172.18.0.0/16\",\"Gateway\":\"172.18.0.1\"}]", "172.18.0.1" },
        { "[{\"Gateway\":\"172.18.0.1/16\"}]", "172.18.0.1" },
        { "[{\"Gateway\":\"fd00::1\"},{\"Gateway\":\"172.18.0.1\"}]", "172.18.0.1" },
        { "[{\"Gateway\":\"172.18.0.1\"},{\"Gateway\":\"fd00::1\"}]", "172.18.0.1" },
        { "[{\"Gateway\":\"fd00::1\"}]", "fd00::1" },
        { "[{\"Subnet\":\"172.18.0.0/16\"}]", "" },
        { "[]", "" },
        { "null", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char body[256], gateway[64];
        struct engine e;
        struct sk_err err = SK_ERR_INIT;
        (void)snprintf(body, sizeof body, "{\"IPAM\":{\"Config\":%s}}", rows[i].config);
        const struct engine_row answers[] = { { "GET /v1.44/networks/azure-iot-edge ", 200, body,
                                                0 } };
        engine_begin(&e, ENGINE_ROWS(answers));
        int rc = sk_docker_network(&e.docker, "azure-iot-edge", gateway, &err);
        engine_end(&e);
        engine_done(&e);
        if (rc < 0 || strcmp(gateway, rows[i].gateway) != 0)
            fail_msg("%s: %s '%s'", rows[i].config, err.text, gateway);
    }
}

/* [docker-26] Missing, made by another between our look and our creation, there. */
static void test_network_is_made(void **state)
{
    static const struct engine_row rows[] = {
        { "GET /v1.44/networks/n ", 404, "{\"message\":\"network n not found\"}", 1 },
        { "POST /v1.44/networks/create ", 409, "{\"message\":\"already exists\"}", 0 },
        { "GET /v1.44/networks/n ", 200, "{\"IPAM\":{\"Config\":[{\"Gateway\":\"10.0.0.1\"}]}}",
          0 },
    };
    struct engine e;
    struct sk_err err = SK_ERR_INIT;
    char gateway[64];

    (void)state;
    engine_begin(&e, ENGINE_ROWS(rows));
    int rc = sk_docker_network(&e.docker, "n", gateway, &err);
    engine_end(&e);
    if (rc < 0)
        fail_msg("%s", err.text);
    assert_string_equal(gateway, "10.0.0.1");
    assert_true(engine_heard(&e, "{\"Name\":\"n\",\"Driver\":\"bridge\",\"CheckDuplicate\":true}"));
    engine_done(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pull),
        cmocka_unit_test(test_pull_that_fails_inside),
        cmocka_unit_test(test_images_by_digest_and_id),
        cmocka_unit_test(test_gateways),
        cmocka_unit_test(test_network_is_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
