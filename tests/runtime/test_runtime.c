/* test_runtime.c - which runtime an image is for, and what is common to both. */
#include "runtime/runtime_util.h"

#include <stdio.h>

static void test_is_hub(void **state)
{
    static const struct {
        const char *hub, *host;
        bool is;
    } rows[] = {
        { NULL, "hub", false },           { "hub", "hub", true },
        { "hub:443", "hub", true },       { "hub", "HUB:443", true },
        { "hub:8443", "hub", false },     { "hub", "hub:8443", false },
        { "hub:8443", "hub:8443", true }, { "hub", "hub2", false },
        { "hub2", "hub", false },         { "hub", "", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct sk_runtime_host h = { .hub_host = rows[i].hub };

        if (sk_rt_is_hub(&h, rows[i].host) != rows[i].is)
            fail_msg("%s, %s", rows[i].hub ? rows[i].hub : "-", rows[i].host);
    }
}

/* An image that is not ours goes to Docker, whose Engine is not here; the reason is told. */
static void test_chooses_docker(void **state)
{
    struct host *p = *state;
    struct sk_runtime_image image;
    struct sk_err err = SK_ERR_INIT;
    char text[128];

    publish(p, &(struct image){ .name = "other", .entry = "[\"/bin/sh\"]" }, text);
    if (sk_runtime_pull(&p->h, text, NULL, NULL, true, NULL, NULL, &image, &err) == 0)
        fail_msg("there is no Engine");
    assert_non_null(strstr(err.text, "entry point"));
    err = (struct sk_err)SK_ERR_INIT;
    publish(p, &(struct image){ .name = "cats" }, text);
    if (sk_runtime_pull(&p->h, text, "docker", NULL, true, NULL, NULL, &image, &err) == 0)
        fail_msg("there is no Engine");
    assert_non_null(strstr(err.text, "SKERRY_RUNTIME=docker"));
}

static void test_control(void **state)
{
    struct host *p = *state;
    struct sk_instance none = { .kind = SK_RUNTIME_NATIVE, .instance = "cats-1" };
    struct sk_json *doc = (struct sk_json *)p; /* is cleared */
    struct sk_err err = SK_ERR_INIT;

    FAILS(sk_runtime_control(&none, "state", 1000, &doc, &err), SK_UNSUPPORTED, "cats-1");
    assert_null(doc);
    (void)snprintf(none.control, sizeof none.control, "%s", host_at(p, "no.sock"));
    FAILS(sk_runtime_control(&none, "state", 1000, NULL, &err), SK_NOT_FOUND, "cats-1");
}

static void test_names(void **state)
{
    struct host *p = *state;
    struct sk_runtime_image image = { .kind = SK_RUNTIME_NATIVE };
    struct sk_instance i;
    struct sk_err err = SK_ERR_INIT;
    char name[300];
    struct sk_runtime_start s = { .module = "cats", .instance = name, .image = &image };

    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    FAILS(sk_runtime_start(&p->h, &s, &i, &err), SK_LIMIT, "too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_hub),
        cmocka_unit_test_setup_teardown(test_chooses_docker, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_control, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_names, host_set_up, host_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
