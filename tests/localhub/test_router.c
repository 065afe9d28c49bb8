/* test_router.c - routes of desired properties, and where messages go. */
#include "rig.h"

static int parse(const char *text, struct sk_lh_routes **out, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    if (sk_json_parse(text, strlen(text), NULL, &doc, err) < 0)
        fail_msg("%s: %s", text, err->text);
    return sk_lh_routes_parse(doc, out, err);
}

/* "endpoint priority ttl;..." of a message. */
static const char *targets_of(const struct sk_lh_routes *r, const char *device, const char *module,
                              const char *output, const char *bag_text, const char *body)
{
    static char text[4096];
    struct sk_spool_target t[SK_SPOOL_TARGETS_MAX];
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_iot_bag_done) struct sk_iot_bag bag = { 0 };
    size_t at = 0;
    DONE(sk_iot_bag_parse(sk_view_of(bag_text), &bag, &err));
    const size_t count = sk_lh_route(r, module, device, output, &bag, sk_view_of(body), 1000000, t);
    *text = '\0';
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s %u %lld;", t[i].endpoint,
                               t[i].priority,
                               (long long)(t[i].expires_ms ? t[i].expires_ms - 1000000 : 0));
    return text;
}

static void messages_go_where_the_routes_say(void **state)
{
    static const char routes[] =
        "{\"schemaVersion\":\"1.1\",\"routes\":{"
        "\"up\":\"FROM /messages/modules/m/outputs/* INTO $upstream\","
        "\"fast\":{\"route\":\"FROM /messages/modules/m/outputs/alarm INTO $upstream\","
        "\"priority\":0,\"timeToLiveSecs\":60},"
        "\"in\":\"FROM /messages/* WHERE $body.t > 5 AND kind = 'a' INTO "
        "BrokeredEndpoint('/modules/n/inputs/i')\","
        "\"leaf\":\"FROM /messages/* WHERE NOT IS_DEFINED($connectionModuleId) INTO "
        "BrokeredEndpoint('/modules/n/inputs/leaf')\","
        "\"own\":\"FROM /messages/* WHERE $connectionDeviceId = 'edge' AND $outputName = 'o2' AND "
        "$messageId = '7' INTO BrokeredEndpoint('/modules/n/inputs/o')\","
        "\"off\":\"\"},\"storeAndForwardConfiguration\":{\"timeToLiveSecs\":100}}";

    static const struct {
        const char *device, *module, *output, *bag, *body, *expected;
    } rows[] = {
        { "edge", "m", "x", "", "", "$upstream 9 100000;" },
        { "edge", "m", "alarm", "", "", "$upstream 0 60000;" },
        { "edge", "q", "x", "", "", "" },
        { "edge", "q", "", "kind=a&%24.ct=application%2Fjson", "{\"t\":6}", "n/i 9 100000;" },
        { "edge", "q", "", "kind=a&%24.ct=application%2Fjson", "{\"t\":5}", "" },
        { "edge", "q", "", "kind=a", "{\"t\":6}", "" },
        { "leaf", "", "", "", "", "n/leaf 9 100000;" },
        { "edge", "q", "o2", "%24.on=o2&%24.mid=7", "", "n/o 9 100000;" },
        { "edge", "q", "o2", "%24.on=o2&%24.mid=8", "", "" },
        /* stamps cannot be forged */
        { "leaf", "", "", "%24.cdid=edge&%24.on=o2&%24.mid=7", "", "n/leaf 9 100000;" },
    };
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_lh_routes_unref) struct sk_lh_routes *r = NULL;
    (void)state;
    DONE(parse(routes, &r, &err));
    assert_int_equal(r->count, 5);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *got = targets_of(r, rows[i].device, rows[i].module, rows[i].output, rows[i].bag,
                                     rows[i].body);
        if (strcmp(got, rows[i].expected) != 0)
            fail_msg("row %zu: %s", i, got);
    }
}

static void times_to_live(void **state)
{
    static const struct {
        const char *store, *route, *expected;
    } rows[] = {
        { "{}", "", "$upstream 9 7200000;" },
        { "{\"timeToLiveSecs\":5}", "", "$upstream 9 5000;" },
        { "{\"timeToLiveSecs\":-1}", "", "$upstream 9 0;" },
        { "{\"timeToLiveSecs\":5}", ",\"timeToLiveSecs\":0", "$upstream 9 5000;" },
        { "{\"timeToLiveSecs\":5}", ",\"timeToLiveSecs\":9", "$upstream 9 9000;" },
        { "{\"timeToLiveSecs\":-1}", ",\"timeToLiveSecs\":9,\"priority\":3", "$upstream 3 9000;" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[512];
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_lh_routes_unref) struct sk_lh_routes *r = NULL;
        (void)snprintf(text, sizeof text,
                       "{\"routes\":{\"r\":{\"route\":\"FROM /* INTO $upstream\"%s}},"
                       "\"storeAndForwardConfiguration\":%s}",
                       rows[i].route, rows[i].store);
        DONE(parse(text, &r, &err));
        const char *got = targets_of(r, "d", "m", "", "", "");
        if (strcmp(got, rows[i].expected) != 0)
            fail_msg("%s: %s", text, got);
    }
}

static void bad_ones_are_refused_whole(void **state)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        { "{\"schemaVersion\":\"2.0\"}", "schemaVersion '2.0'" },
        { "{\"routes\":[]}", "'routes'" },
        { "{\"routes\":{\"a\":\"FROM /* INTO $upstream\",\"b\":\"nonsense\"}}", "route 'b'" },
        { "{\"routes\":{\"a\":7}}", "route 'a'" },
        { "{\"routes\":{\"a\":{\"route\":\"FROM /* INTO $upstream\",\"priority\":10}}}",
          "'priority'" },
        { "{\"storeAndForwardConfiguration\":{\"timeToLiveSecs\":\"x\"}}",
          "storeAndForwardConfiguration" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_lh_routes *r = NULL;
        if (parse(rows[i].text, &r, &err) == 0 || !strstr(err.text, rows[i].words))
            fail_msg("%s: %s", rows[i].text, err.text);
    }
}

static void endpoints_have_a_bound(void **state)
{
    (void)state;
    for (int count = SK_SPOOL_TARGETS_MAX; count <= SK_SPOOL_TARGETS_MAX + 1; count++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 16);
        SK_OWN(sk_lh_routes_unref) struct sk_lh_routes *r = NULL;
        struct sk_err err = SK_ERR_INIT;
        sk_buf_str(&b, "{\"routes\":{");
        for (int i = 0; i < count; i++)
            sk_buf_fmt(&b, "%s\"r%d\":\"FROM /* INTO BrokeredEndpoint('/modules/m/inputs/i%d')\"",
                       i ? "," : "", i, i);
        sk_buf_str(&b, "}}");
        const int rc = parse(b.data, &r, &err);
        assert_int_equal(rc, count <= SK_SPOOL_TARGETS_MAX ? 0 : -1);
    }
}

static int read_all(void *ctx, struct sk_err *err)
{
    SK_OWN(sk_lh_routes_unref) struct sk_lh_routes *r = NULL;
    return sk_lh_routes_parse(ctx, &r, err);
}

static void memory_may_end(void **state)
{
    static const char text[] = "{\"routes\":{\"a\":\"FROM /* WHERE a = 'b' INTO $upstream\"}}";
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    DONE(sk_json_parse(text, strlen(text), NULL, &doc, &err));
    (void)sk_alloc_sweep("routes", read_all, doc, 0);
}

static void bad_ones_leave_the_old_ones(void **state)
{
    struct rig *r = *state;
    SK_OWN(client_free) struct client *c = client_in(r, "m");
    cloud_routes(r, 2, "\"bad\":\"FROM nowhere\"");
    client_say(c, "m", "x", "by the old one");
    notes_wait(&r->cloud.notes, "by the old one", NULL);
    notes_wait(&r->cloud.notes, "\"code\":400", NULL);
    cloud_twin(r, DEVICE "/$edgeHub",
               "{\"desired\":{\"routes\":{" ROUTES_UP
               ",\"bad\":\"FROM nowhere\"},\"$version\":2},\"reported\":{\"$version\":1}}");
    rig_restart(r, true); /* and stay there */
    SK_OWN(client_free) struct client *again = client_in(r, "m");
    client_say(again, "m", "x", "still");
    notes_wait(&r->cloud.notes, "still", NULL);
    cloud_wait_up(r, DEVICE "/$edgeHub", NULL);
    cloud_routes(r, 3, "\"bad\":null");
    notes_wait(&r->cloud.notes, "\"code\":200", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_go_where_the_routes_say),
        cmocka_unit_test(times_to_live),
        cmocka_unit_test(bad_ones_are_refused_whole),
        cmocka_unit_test(endpoints_have_a_bound),
        cmocka_unit_test(memory_may_end),
        ROW(bad_ones_leave_the_old_ones),
    };
    return cmocka_run_group_tests_name("localhub/router", tests, NULL, NULL);
}
