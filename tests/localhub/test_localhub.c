/* test_localhub.c - beginning and end, with clients and without. */
#include "rig.h"

static void it_ends_with_everything_under_way(void **state)
{
    struct rig *r = *state;
    SK_OWN(client_free) struct client *c = client_in(r, "m");
    client_subscribe(c, "$iothub/twin/res/#", 1);
    for (uint16_t i = 1; i < 50; i++) {
        client_publish(c, 1, i, "devices/" DEVICE "/modules/m/messages/events/", "x");
        client_publish(c, 0, 0, "$iothub/twin/PATCH/properties/reported/?$rid=1", "{\"a\":1}");
    }
    rig_stop(r);
    rig_start(r);
}

static void without_anybody(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_lh *h = NULL;
    char dir[300], run[300];
    char *top = sk_test_dir();
    (void)state;
    (void)snprintf(dir, sizeof dir, "%s/d", top);
    (void)snprintf(run, sizeof run, "%s/r", top);
    const struct sk_localhub_options opts = { .dir = dir, .run_dir = run };
    for (int i = 0; i < 2; i++) {
        DONE(sk_lh_new(&opts, &h, &err));
        sk_lh_round(h, 1);
        sk_lh_free(h);
    }
    sk_test_dir_free(top);
}

static void modules_before_a_configuration_are_refused(void **state)
{
    struct rig *r = *state;
    agent_close(r);
    rig_stop(r);
    char path[300];
    (void)snprintf(path, sizeof path, "%s/hub.json", r->dir);
    assert_int_equal(unlink(path), 0);
    rig_start(r);
    agent_connect(r);
    assert_non_null(strstr(agent_refused(r, "{\"type\":\"modules\",\"modules\":[]}"),
                           "no configuration came before"));
    assert_non_null(strstr(agent_refused(r, "{\"type\":\"leaves\",\"leaves\":[]}"),
                           "no configuration came before"));
    agent_configure(r);
}

static void a_path_that_is_too_long(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_lh *h = NULL;
    char *top = sk_test_dir();
    char path[200];
    (void)state;
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    const struct sk_localhub_options opts = { .dir = top, .run_dir = top, .wire_path = path };
    assert_int_equal(sk_lh_new(&opts, &h, &err), -1);
    assert_non_null(strstr(err.text, "the path of a socket has at most"));
    sk_test_dir_free(top);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(it_ends_with_everything_under_way),
        cmocka_unit_test(without_anybody),
        LONE_ROW(modules_before_a_configuration_are_refused),
        cmocka_unit_test(a_path_that_is_too_long),
    };
    return cmocka_run_group_tests_name("localhub/localhub", tests, NULL, NULL);
}
