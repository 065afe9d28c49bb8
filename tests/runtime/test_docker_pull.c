/* test_docker_pull.c - images by the Engine: as whom, and what counts when it fails. */
#include "docker/engine.h"

#include "runtime/docker_rt_priv.h"

#include <string.h>

static int give_token(void *ctx, struct sk_buf *out, struct sk_err *err)
{
    ++*(unsigned *)ctx;
    (void)err;
    sk_buf_str(out, "token");
    return 0;
}

static int fail_token(void *ctx, struct sk_buf *out, struct sk_err *err)
{
    (void)ctx;
    (void)out;
    return sk_fail(err, SK_BUSY, "no token now");
}

#define EMPTY "X-Registry-Auth: e30="
/* {"username":"device","password":"token","serveraddress":"hub"} */
#define DEVICE                                                                                     \
    "X-Registry-Auth: "                                                                            \
    "eyJ1c2VybmFtZSI6ImRldmljZSIsInBhc3N3b3JkIjoidG9rZW4iLCJzZXJ2ZXJhZGRyZXNzIjoi"
/* {"username":"u","password":"p", */
#define GIVEN "X-Registry-Auth: eyJ1c2VybmFtZSI6InUiLCJwYXNzd29yZCI6InAi"

static const struct sk_runtime_auth given = { "u", "p", "r" };

/* [docker-39] */
static void test_as_whom(void **state)
{
    static const struct {
        const char *image;
        const struct sk_runtime_auth *auth;
        const char *header;
        unsigned tokens;
    } rows[] = {
        { "hub/team/cats:v1", NULL, EMPTY, 0 }, /* "hub" without a port is a folder of Docker Hub */
        { "hub:443/team/cats:v1", NULL, DEVICE, 1 },  { "hub:443/team/cats:v1", &given, GIVEN, 0 },
        { "other:443/team/cats:v1", NULL, EMPTY, 0 }, { "cats:v1", NULL, EMPTY, 0 },
        { "mcr.example/cats:v1", &given, GIVEN, 0 },
    };
    static const struct engine_row answers[] = {
        { "POST /v1.44/images/create", 200, "{\"status\":\"Done\"}\n", 0 },
        { "GET /v1.44/images/", 200, "{\"Id\":\"sha256:ab\"}", 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct engine e;
        struct sk_runtime_image image = { .kind = SK_RUNTIME_DOCKER };
        struct sk_err err = SK_ERR_INIT;
        unsigned tokens = 0;
        engine_begin(&e, ENGINE_ROWS(answers));
        const struct sk_runtime_host h = {
            .docker_socket = e.socket, .hub_host = "hub:443", .token = give_token, .ctx = &tokens
        };
        int rc = sk_docker_rt_pull(&h, rows[i].image, rows[i].auth, true, NULL, NULL, &image, &err);
        engine_end(&e);
        if (rc < 0 || !engine_heard(&e, rows[i].header) || tokens != rows[i].tokens ||
            strcmp(image.digest, "sha256:ab") != 0)
            fail_msg("%s: %s\n%s", rows[i].image, err.text, e.heard.data);
        engine_done(&e);
    }
}

static void test_token_fails(void **state)
{
    const struct sk_runtime_host h = { .docker_socket = "/tmp/skerry-no-engine/sock",
                                       .hub_host = "hub.example",
                                       .token = fail_token };
    struct sk_runtime_image image = { .kind = SK_RUNTIME_DOCKER };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(
        sk_docker_rt_pull(&h, "hub.example/cats:v1", NULL, true, NULL, NULL, &image, &err), -1);
    assert_string_equal(err.text, "no token now");
}

static const struct {
    const char *name, *stream;
    bool is_here;
    enum sk_code code;
} failures[] = {
    { "offline, here", "{\"error\":\"dial tcp: lookup hub: no such host\"}\n", true, SK_OK },
    { "offline, not here", "{\"error\":\"dial tcp: lookup hub: no such host\"}\n", false,
      SK_REMOTE },
    { "refused, here", "{\"error\":\"unauthorized: authentication required\"}\n", true, SK_DENIED },
    { "gone, here", "{\"error\":\"manifest unknown\"}\n", true, SK_NOT_FOUND },
    { "disk full, here", "{\"error\":\"no space left on device\"}\n", true, SK_FULL },
};

/* [docker-39] */
static void test_failures(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        const struct engine_row rows[] = {
            { "POST /v1.44/images/create", 200, failures[i].stream, 0 },
            { "GET /v1.44/images/", failures[i].is_here ? 200 : 404,
              failures[i].is_here ? "{\"Id\":\"sha256:ab\"}" : "{\"message\":\"no\"}", 0 },
        };
        struct engine e;
        struct sk_runtime_image image = { .kind = SK_RUNTIME_DOCKER };
        struct sk_err err = SK_ERR_INIT;
        engine_begin(&e, ENGINE_ROWS(rows));
        const struct sk_runtime_host h = { .docker_socket = e.socket };
        int rc = sk_docker_rt_pull(&h, "hub.example/cats:v1", NULL, true, NULL, NULL, &image, &err);
        engine_end(&e);
        engine_done(&e);
        if ((rc == 0) != (failures[i].code == SK_OK) || (rc < 0 && err.code != failures[i].code) ||
            (rc == 0 && strcmp(image.digest, "sha256:ab") != 0))
            fail_msg("%s: %s", failures[i].name, err.text);
    }
}

static bool stop(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    (void)ctx;
    (void)done;
    (void)total;
    return strcmp(what, "Pulling") != 0;
}

static void test_stopped(void **state)
{
    static const struct engine_row rows[] = {
        { "POST /v1.44/images/create", 200, "{\"status\":\"Pulling\"}\n", 0 },
        { "GET /v1.44/images/", 200, "{\"Id\":\"sha256:ab\"}", 0 },
    };
    struct engine e;
    struct sk_runtime_image image = { .kind = SK_RUNTIME_DOCKER };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    engine_begin(&e, ENGINE_ROWS(rows));
    const struct sk_runtime_host h = { .docker_socket = e.socket };
    assert_int_equal(sk_docker_rt_pull(&h, "cats:v1", NULL, true, stop, NULL, &image, &err), -1);
    assert_int_equal(err.code, SK_CANCELLED);
    assert_int_equal(sk_docker_rt_pull(&h, "cats:v1", NULL, false, stop, NULL, &image, &err), 0);
    engine_end(&e);
    engine_done(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_whom),
        cmocka_unit_test(test_token_fails),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_stopped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
