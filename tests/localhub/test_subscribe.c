/* test_subscribe.c - subscriptions are flags, and on the disk. */
#include "rig.h"

static unsigned subs_of(struct rig *r)
{
    struct sk_lh_ident *id = ident_of(r, DEVICE "/m");
    SK_LOCK(&r->h->lock);
    return sk_lh_instance_find(id, "m-1")->subs;
}

static void filters_are_flags(void **state)
{
    struct rig *r = *state;
    SK_OWN(client_free) struct client *c = client_in(r, "m");
    client_subscribe(c, "devices/" DEVICE "/modules/m/inputs/#", 1);
    assert_int_equal(subs_of(r), SK_SUB_INPUTS);
    client_subscribe(c, "$iothub/methods/POST/#", 0);
    assert_int_equal(subs_of(r),
                     SK_SUB_INPUTS | SK_SUB_METHODS | SK_SUB_METHODS << SK_LH_AT_MOST_ONCE_SHIFT);
    client_subscribe(c, "$iothub/methods/POST/#", 1);
    assert_int_equal(subs_of(r), SK_SUB_INPUTS | SK_SUB_METHODS);
    client_subscribe(c, "devices/" DEVICE "/modules/n/inputs/#", 1); /* another's */
    assert_int_equal(subs_of(r), SK_SUB_INPUTS | SK_SUB_METHODS);
}

static void they_are_on_the_disk_before_they_are_granted(void **state)
{
    struct rig *r = *state;
    char path[300], *text = NULL;
    size_t len = 0;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(client_free) struct client *c = client_in(r, "m");
    client_subscribe(c, "devices/" DEVICE "/modules/m/inputs/#", 1);
    (void)snprintf(path, sizeof path, "%s/sessions.json", r->dir);
    DONE(sk_file_read(path, 1 << 20, &text, &len, &err));
    assert_non_null(strstr(text, "\"instance\":\"m-1\",\"role\":\"active\",\"subs\":2"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(filters_are_flags),
        ROW(they_are_on_the_disk_before_they_are_granted),
    };
    return cmocka_run_group_tests_name("localhub/subscribe", tests, NULL, NULL);
}
