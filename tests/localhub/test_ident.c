/* test_ident.c - instances and their roles, tokens that tell them apart, lists of the agent. */
#include "rig.h"

enum {
    LIFE_MS = 60000 /* of a token: longer than a test */
};

static void sign_for(struct sk_lh_ident *id, const char *instance, unsigned char byte,
                     uint64_t life_ms)
{
    unsigned char mac[SK_SHA256_BYTES];
    memset(mac, byte, sizeof mac);
    sk_lh_instance_signed(id, instance, mac, life_ms);
}

static const char *instance_of(struct sk_lh_ident *id, unsigned char byte, uint64_t *until)
{
    unsigned char mac[SK_SHA256_BYTES];
    memset(mac, byte, sizeof mac);
    const struct sk_lh_instance *i = sk_lh_instance_of(id, mac, until);
    return i ? i->name : "";
}

static void tokens_tell_instances_apart(void **state)
{
    struct rig *r = *state;
    uint64_t until = 0;
    agent_instances(r, "[{\"instance\":\"m-1\",\"role\":\"active\"},{\"instance\":\"m-2\","
                       "\"role\":\"candidate\"}]");
    struct sk_lh_ident *id = ident_of(r, DEVICE "/m");
    SK_LOCK(&r->h->lock);
    sign_for(id, "m-1", 1, LIFE_MS);
    sign_for(id, "m-2", 2, UINT64_MAX);
    assert_string_equal(instance_of(id, 1, &until), "m-1");
    assert_true(until > sk_now_ms() && until <= sk_now_ms() + LIFE_MS);
    assert_string_equal(instance_of(id, 2, &until), "m-2");
    assert_int_equal(until, 0);
    assert_string_equal(instance_of(id, 3, &until), "m-1"); /* nobody remembers it */
    sign_for(id, "m-1", 2, LIFE_MS); /* the same text over the other's socket: the newest counts */
    assert_string_equal(instance_of(id, 2, &until), "m-1");
    for (unsigned char k = 10; k < 10 + SK_LH_SIGNED; k++)
        sign_for(id, "m-2", k, LIFE_MS);
    assert_string_equal(instance_of(id, 10, &until), "m-2");
    sign_for(id, "m-2", 99, LIFE_MS);
    assert_string_equal(instance_of(id, 10, &until), "m-1"); /* the oldest is forgotten */
}

static void roles_change_by_lists_and_words(void **state)
{
    struct rig *r = *state;
    struct sk_lh_ident *id = ident_of(r, DEVICE "/m");
    agent_instances(r, "[{\"instance\":\"m-1\",\"role\":\"active\"},{\"instance\":\"m-2\","
                       "\"role\":\"candidate\"},{\"instance\":\"e-1\",\"role\":\"exec\"}]");
    (void)agent_call(r, "{\"type\":\"promote\",\"module\":\"m\",\"instance\":\"m-2\"}");
    {
        SK_LOCK(&r->h->lock);
        assert_string_equal(sk_lh_instance_by_role(id, SK_LH_ACTIVE)->name, "m-2");
        assert_string_equal(sk_lh_instance_by_role(id, SK_LH_OLD)->name, "m-1");
        assert_string_equal(sk_lh_instance_by_role(id, SK_LH_EXEC)->name, "e-1");
    }
    (void)agent_call(r, "{\"type\":\"demote\",\"module\":\"m\",\"instance\":\"m-1\"}");
    {
        SK_LOCK(&r->h->lock);
        assert_string_equal(sk_lh_instance_by_role(id, SK_LH_ACTIVE)->name, "m-1");
    }
    agent_instances(r, "[{\"instance\":\"m-3\",\"role\":\"active\"}]");
    SK_LOCK(&r->h->lock);
    assert_string_equal(sk_lh_instance_by_role(id, SK_LH_ACTIVE)->name, "m-3");
    assert_null(sk_lh_instance_by_role(id, SK_LH_OLD));
    assert_null(sk_lh_instance_find(id, "e-1"));
}

static void subscriptions_go_to_the_next_start(void **state)
{
    struct rig *r = *state;

    struct sk_lh_ident *id = ident_of(r, DEVICE "/m");
    {
        SK_OWN(client_free) struct client *c = client_in(r, "m");
        client_subscribe(c, "$iothub/methods/POST/#", 1);
    }

    agent_instances(r, "[{\"instance\":\"m-2\",\"role\":\"active\"}]");
    {
        SK_LOCK(&r->h->lock);
        assert_int_equal(sk_lh_instance_find(id, "m-2")->subs, SK_SUB_METHODS);
    }
    rig_restart(r, false); /* from the files alone */
    id = ident_of(r, DEVICE "/m");
    {
        SK_LOCK(&r->h->lock);
        assert_int_equal(sk_lh_instance_find(id, "m-2")->subs, SK_SUB_METHODS);
        assert_true(id->is_listed);
    }
    agent_connect(r);
    agent_instances(r, "[{\"instance\":\"m-2\",\"role\":\"active\"},{\"instance\":\"m-3\","
                       "\"role\":\"candidate\"}]");
    SK_LOCK(&r->h->lock);
    assert_int_equal(sk_lh_instance_find(id, "m-3")->subs, 0); /* a candidate subscribes itself */
}

static void lists_are_checked(void **state)
{
    static const struct {
        const char *json, *words;
    } rows[] = {
        { "{\"type\":\"modules\"}", "'modules'" },
        { "{\"type\":\"modules\",\"modules\":[{}]}", "no module's name" },
        { "{\"type\":\"modules\",\"modules\":[{\"name\":\"m\",\"instances\":[{\"instance\":"
          "\"../x\"}]}]}",
          "bad name or role" },
        { "{\"type\":\"modules\",\"modules\":[{\"name\":\"m\",\"instances\":[{\"instance\":\"x\","
          "\"role\":\"king\"}]}]}",
          "bad name or role" },
        { "{\"type\":\"leaves\",\"leaves\":[{\"device\":\"a b\"}]}", "no identity" },
        { "{\"type\":\"promote\",\"module\":\"m\",\"instance\":\"x\"}", "no instance 'x'" },
        { "{\"type\":\"promote\",\"module\":\"q\",\"instance\":\"x\"}", "no instance 'x'" },
    };
    struct rig *r = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *why = agent_refused(r, rows[i].json);
        if (!strstr(why, rows[i].words))
            fail_msg("%s: %s", rows[i].json, why);
    }
}

/* Who is beyond the bound gets nothing, and takes nothing from the others. */
static void instances_have_a_bound(void **state)
{
    struct rig *r = *state;
    SK_AUTO(sk_buf_done) struct sk_buf list = SK_BUF_INIT(2048);
    sk_buf_str(&list, "[");
    for (unsigned k = 0; k < SK_LH_INSTANCES + 2; k++)
        sk_buf_fmt(&list, "{\"instance\":\"e-%u\",\"role\":\"exec\"},", k);
    sk_buf_str(&list, "{\"instance\":\"m-2\",\"role\":\"active\"}]");
    sk_buf_chr(&list, '\0');
    assert_true(sk_buf_ok(&list));
    agent_instances(r, list.data);
    struct sk_lh_ident *id = ident_of(r, DEVICE "/m");
    SK_LOCK(&r->h->lock);
    assert_string_equal(sk_lh_instance_by_role(id, SK_LH_ACTIVE)->name, "m-2");
    assert_non_null(sk_lh_instance_by_role(id, SK_LH_EXEC));
    assert_null(sk_lh_instance_find(id, "e-7"));
    assert_true(sk_lh_ident_find(r->h, DEVICE, "n")->is_listed); /* listed behind it */
}

static void names_have_a_bound(void **state)
{
    struct rig *r = *state;
    char name[32];
    SK_LOCK(&r->h->lock);
    for (size_t k = r->h->idents_count; k < SK_LH_IDENTS_MAX; k++) {
        (void)snprintf(name, sizeof name, "d%zu", k);
        assert_non_null(sk_lh_ident_get(r->h, name, ""));
    }
    assert_null(sk_lh_ident_get(r->h, "one-more", ""));
    assert_non_null(sk_lh_ident_get(r->h, "d1000", ""));
}

static void leaves_come_and_go(void **state)
{
    struct rig *r = *state;
    (void)agent_call(r, "{\"type\":\"leaves\",\"leaves\":[{\"device\":\"leaf\",\"primaryKey\":"
                        "\"AA==\",\"primaryThumbprint\":\"AB:CD\"},{\"device\":\"off\","
                        "\"isEnabled\":false},{\"device\":\"leaf\",\"module\":\"lm\"},{\"device\":"
                        "\"edge\",\"primaryKey\":\"AA==\"}]}");

    struct sk_lh_ident *id = ident_of(r, "leaf");
    {
        SK_LOCK(&r->h->lock);
        assert_int_equal(id->kind, SK_LH_LEAF);
        assert_string_equal(id->keys[0], "AA==");
        assert_string_equal(id->thumbprints[0], "abcd");
        assert_true(id->is_listed);
        assert_false(sk_lh_ident_find(r->h, "off", "")->is_listed);
        assert_int_equal(sk_lh_ident_find(r->h, "leaf", "lm")->kind, SK_LH_LEAF);
    }

    (void)agent_call(r, "{\"type\":\"leaves\",\"leaves\":[]}");
    SK_LOCK(&r->h->lock);
    assert_false(id->is_listed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_ROW(tokens_tell_instances_apart),
        LONE_ROW(roles_change_by_lists_and_words),
        ROW(subscriptions_go_to_the_next_start),
        LONE_ROW(lists_are_checked),
        LONE_ROW(instances_have_a_bound),
        LONE_ROW(names_have_a_bound),
        LONE_ROW(leaves_come_and_go),
    };
    return cmocka_run_group_tests_name("localhub/ident", tests, NULL, NULL);
}
