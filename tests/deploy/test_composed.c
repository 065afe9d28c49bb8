/* test_composed.c - what sets of configurations give. */
#include "fixture.h"

struct composing {
    struct sk_plan plan;
    struct sk_composed *c;
};

static void done(struct composing *x)
{
    sk_composed_free(x->c);
    sk_plan_done(&x->plan);
}

static void compose(struct fixture *f, int64_t identity, enum sk_deploy_kind kind,
                    struct composing *out)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    uint32_t set;
    *out = (struct composing){ .c = NULL };
    DONE(sk_db_begin(f->d->db, SK_DB_READ, &tx, &err));
    DONE(sk_plan_read(tx, &out->plan, &err));
    DONE(sk_plan_find(&out->plan, tx, identity, kind, &set, &err));
    DONE(sk_composed_new(f->d, &out->plan, set, &out->c, &err));
}

static const char *section(const struct sk_composed *c, const char *module)
{
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->sections[i].module, module) == 0)
            return c->sections[i].text;
    return "(none)";
}

static bool has(const struct sk_names *n, const char *name)
{
    for (size_t i = 0; i < n->count; i++)
        if (strcmp(n->items[i], name) == 0)
            return true;
    return false;
}

static void layers(void **state)
{
    struct fixture *f = *state;
    struct sk_identity d = make_edge(f, "d");
    sk_deploy_stop(f->d);
    put(f, "base", 5, "*", BASE("a"));
    put(f, "low", 4, "*", LAYER("no"));
    put(f, "l1", 6, "*", LAYER("one"));
    put(f, "l2", 7, "*", LAYER("two"));
    put(f, "q", 8, "*", QUIET);
    put(f, "older", 1, "*", BASE("b"));
    SK_AUTO(done) struct composing x;
    compose(f, d.id, SK_DEPLOY_EDGE, &x);
    assert_string_equal(section(x.c, "m"), "{\"tag\":\"a\",\"layer\":\"two\",\"quiet\":1}");
    const char *agent = section(x.c, "$edgeAgent");
    assert_non_null(strstr(agent, "hub.local/layer/one:2"));
    assert_non_null(strstr(agent, "hub.local/layer/two:2"));
    assert_null(strstr(agent, "layer/no"));
    assert_int_equal(x.c->count, 3);
    assert_int_equal(x.c->modules.count, 3);
    assert_true(has(&x.c->modules, "m") && has(&x.c->modules, "one") && has(&x.c->modules, "two"));
    assert_int_equal(x.c->pulls.count, 5);
    assert_true(has(&x.c->pulls, "m/a") && has(&x.c->pulls, "edge/hub"));
}

static void no_base(void **state)
{
    struct fixture *f = *state;
    struct sk_identity d = make_edge(f, "d");
    sk_deploy_stop(f->d);
    put(f, "l1", 6, "*", LAYER("one"));
    SK_AUTO(done) struct composing x;
    compose(f, d.id, SK_DEPLOY_EDGE, &x);
    assert_null(x.c->doc);
    assert_int_equal(x.c->count, 0);
    assert_string_equal(x.c->marks, "{\"l1\":{\"status\":\"Targeted\"}}");
}

static void put_filled(struct fixture *f, const char *id, int priority, unsigned fill)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    sk_buf_str(&b, "{\"modulesContent\":{\"$edgeAgent\":{\"properties.desired.modules.x\":{"
                   "\"type\":\"docker\",\"status\":\"running\",\"settings\":{\"image\":\"x\"}}},"
                   "\"m\":{");
    for (unsigned i = 0; i < 6; i++) {
        sk_buf_fmt(&b, "%s\"properties.desired.%s%u\":\"", i ? "," : "", id, i);
        for (unsigned k = 0; k < fill; k++)
            sk_buf_chr(&b, 'x');
        sk_buf_chr(&b, '"');
    }
    sk_buf_str(&b, "}}}");
    put(f, id, priority, "*", b.data);
}

/* Each is fine alone. */
static void too_much_together(void **state)
{
    struct fixture *f = *state;
    struct sk_identity d = make_edge(f, "d");
    sk_deploy_stop(f->d);
    put(f, "base", 5, "*", BASE("a"));
    put_filled(f, "x", 6, 4000);
    put_filled(f, "y", 7, 4000);
    SK_AUTO(done) struct composing x;
    compose(f, d.id, SK_DEPLOY_EDGE, &x);
    assert_null(x.c->doc);
    assert_string_equal(x.c->marks, "{\"base\":{\"status\":\"Targeted\"},\"x\":{\"status\":"
                                    "\"Targeted\"},\"y\":{\"status\":\"Targeted\"}}");
}

static void of_devices(void **state)
{
    struct fixture *f = *state;
    struct sk_identity d = make_device(f, "d");
    sk_deploy_stop(f->d);
    put(f, "a", 5, "*", "{\"deviceContent\":{\"properties.desired.a.b\":1}}");
    put(f, "b", 4, "*", "{\"deviceContent\":{\"properties.desired.c\":1}}");
    SK_AUTO(done) struct composing x;
    compose(f, d.id, SK_DEPLOY_DEVICE, &x);
    assert_string_equal(x.c->marks,
                        "{\"a\":{\"status\":\"Applied\"},\"b\":{\"status\":\"Targeted\"}}");
    assert_non_null(sk_json_get(sk_json_get(x.c->layer, "m"), "properties.desired.a.b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(layers), ROW(no_base), ROW(too_much_together),
                                        ROW(of_devices) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
