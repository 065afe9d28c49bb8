/* test_call.c - versions, errors, an Engine that is away. */
#include "engine.h"

#include <string.h>
#include <unistd.h>

static void test_wanted_version(void **state)
{
    static const struct {
        const char *words, *version;
    } rows[] = {
        { "client version 1.44 is too new. Maximum supported API version is 1.41", "1.41" },
        { "client version 1.44 is too old. Minimum supported API version is 1.50, please upgrade "
          "your client to a newer version (status 400)",
          "1.50" },
        { "Maximum supported API version is 1.41.", "1.41" },
        { "Maximum supported API version is ", "" },
        { "Maximum supported API version is 11111111111111111111", "" },
        { "bad parameter", "" },
    };

    char version[16];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sk_docker_wanted_version(rows[i].words, version);
        if (strcmp(version, rows[i].version) != 0)
            fail_msg("%s: '%s'", rows[i].words, version);
    }
}

/* [docker-1] */
static void test_older_engine(void **state)
{
    static const struct engine_row rows[] = {
        { "GET /v1.44/", 400,
          "{\"message\":\"client version 1.44 is too new. Maximum supported API version is 1.41\"}",
          0 },
        { "GET /v1.41/containers/a/json", 200, "{\"Id\":\"a\",\"State\":{\"Status\":\"dead\"}}",
          0 },
    };
    struct engine e;
    struct sk_docker_container c;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    engine_begin(&e, ENGINE_ROWS(rows));
    int rc = sk_docker_inspect(&e.docker, "a", NULL, &c, &err);
    engine_end(&e);
    engine_done(&e);
    assert_int_equal(rc, 0);
    assert_int_equal(c.state, SK_DOCKER_DEAD);
}

/* [docker-2] [docker-3] */
static void test_errors(void **state)
{
    static const struct engine_row rows[] = {
        { "POST /v1.44/containers/bad/start", 400, "{\"message\":\"bad parameter\"}", 0 },
        { "POST /v1.44/containers/full/start", 500,
          "{\"message\":\"mkdir /x: no space left on device\"}", 0 },
        { "POST /v1.44/containers/port/start", 500, "{\"message\":\"address already in use\"}", 0 },
        { "POST /v1.44/containers/cut/start", ENGINE_HANGS_UP, "", 0 },
        { "POST /v1.44/containers/there/start", 304, "", 0 },
    };

    static const struct {
        const char *id;
        enum sk_code code;
        const char *words;
    } wanted[] = {
        { "bad", SK_INVALID, "bad parameter" },
        { "full", SK_FULL, "no space left" },
        { "port", SK_REMOTE, "address already in use" },
        { "cut", SK_BUSY, "no Docker Engine answers" },
        { "gone", SK_NOT_FOUND, "no such thing" },
        { "there", SK_OK, "" },
    };
    struct engine e;

    (void)state;
    engine_begin(&e, ENGINE_ROWS(rows));
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        int rc = sk_docker_start(&e.docker, wanted[i].id, &err);
        if ((rc == 0) != (wanted[i].code == SK_OK) || err.code != wanted[i].code ||
            !strstr(err.text, wanted[i].words))
            fail_msg("%s: %s", wanted[i].id, err.text);
    }
    engine_end(&e);
    engine_done(&e);
}

/* [docker-2] */
static void test_nobody_there(void **state)
{
    const struct sk_docker d = { "/tmp/skerry-no-engine/sock" };
    struct sk_docker_container c;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_docker_ping(&d, NULL, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    assert_int_equal(sk_docker_inspect(&d, "a", NULL, &c, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
}

static void test_ping(void **state)
{
    static const struct engine_row rows[] = {
        { "GET /version", 200, "{\"Version\":\"29.0.1\",\"ApiVersion\":\"1.52\"}", 0 },
    };
    struct engine e;
    struct sk_err err = SK_ERR_INIT;
    char version[64];

    (void)state;
    engine_begin(&e, ENGINE_ROWS(rows));
    int rc = sk_docker_ping(&e.docker, version, &err);
    engine_end(&e);
    engine_done(&e);
    assert_int_equal(rc, 0);
    assert_string_equal(version, "29.0.1");
}

static void test_nonsense(void **state)
{
    static const struct engine_row rows[] = { { "GET /", 200, "<html>", 0 } };
    struct engine e;
    struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    engine_begin(&e, ENGINE_ROWS(rows));
    assert_int_equal(sk_docker_image(&e.docker, "cats", &doc, &err), -1);
    engine_end(&e);
    engine_done(&e);
    assert_int_equal(err.code, SK_INVALID);
    assert_non_null(strstr(err.text, "/images/cats:latest/json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wanted_version), cmocka_unit_test(test_older_engine),
        cmocka_unit_test(test_errors),         cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_ping),           cmocka_unit_test(test_nonsense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
