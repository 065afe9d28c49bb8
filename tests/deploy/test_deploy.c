/* test_deploy.c - what wakes the evaluation, that it converges whatever came in what order, and
 * what happens when memory runs out. */
#include "fixture.h"

#include "base/clock.h"
#include "base/mix64.h"

/* ---- events ---- */

static void wakes(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    make_edge(f, "d");
    put(f, "t", 1, "tags.line = 3", BASE("t"));
    put(f, "r", 2, "properties.reported.ready = true", BASE("r"));
    put(f, "m", 1, "from devices.modules where tags.x = 1",
        "{\"moduleContent\":{\"properties.desired.x\":1}}");
    settle(f);
    assert_string_equal(twin_of(f, "d", "$edgeAgent", "configurations"), "{}");
    set_tags(f, "d", "{\"line\":3}");
    settle(f);
    assert_string_equal(twin_of(f, "d", "$edgeAgent", "configurations"),
                        "{\"t\":{\"status\":\"Applied\"}}");
    report(f, "d", "", "{\"ready\":true}");
    settle(f);
    assert_string_equal(twin_of(f, "d", "m", "desired"), "{\"tag\":\"r\"}");
    set_tags(f, "d", "{\"line\":null}");
    settle(f);
    assert_string_equal(twin_of(f, "d", "$edgeAgent", "configurations"),
                        "{\"r\":{\"status\":\"Applied\"}}");
    /* A device that comes, and one that becomes an edge device. */
    put(f, "all", 0, "*", BASE("all"));
    settle(f);
    make_edge(f, "new");
    make_device(f, "plain");
    settle(f);
    assert_string_equal(twin_of(f, "new", "m", "desired"), "{\"tag\":\"all\"}");
    const struct sk_identity_spec spec = { .device = "plain", .is_edge = 1 };
    struct sk_identity i;
    DONE(sk_identity_update(f->devices, &f->service, &spec, NULL, &i, &err));
    settle(f);
    assert_string_equal(twin_of(f, "plain", "m", "desired"), "{\"tag\":\"all\"}");
    /* One that goes, and comes again. */
    DONE(sk_identity_delete(f->devices, &f->service, "new", NULL, NULL, &err));
    make_edge(f, "new");
    settle(f);
    assert_string_equal(twin_of(f, "new", "m", "desired"), "{\"tag\":\"all\"}");
    assert_string_equal(twin_of(f, "new", "m", "desired_version"), "2");
}

/* More devices at a time than are named one by one. */
static void too_many_to_name(void **state)
{
    struct fixture *f = *state;
    put(f, "t", 1, "tags.line = 3", BASE("t"));
    make_many(f, SK_DEPLOY_MARKED_MAX + 10);
    settle(f);
    run_sql(f, "UPDATE twin SET tags = '{\"line\":3}'");
    const int64_t first = number(f, "SELECT min(id) FROM identity WHERE module = ''");
    for (int64_t i = 0; i < SK_DEPLOY_MARKED_MAX + 10; i++) {
        const struct sk_device_event e = {
            .kind = SK_EVENT_TAGS, .identity = first + i, .device = "x", .module = ""
        };
        sk_deploy_event(f->d, &e);
    }
    settle(f);
    assert_int_equal(number(f, "SELECT count(*) FROM twin WHERE desired = '{\"tag\":\"t\"}'"),
                     SK_DEPLOY_MARKED_MAX + 10);
    sk_deploy_event(NULL, NULL);
    sk_deploy_stop(f->d);
    const struct sk_device_event late = { .kind = SK_EVENT_TAGS, .device = "x", .module = "" };
    sk_deploy_event(f->d, &late);
    assert_int_equal(f->d->marked.count, 0);
}

/* What nobody told of is seen at the next look at all. */
static void interval(void **state)
{
    struct fixture *f = *state;
    f->interval_ms = 50;
    fixture_reopen(f);
    put(f, "t", 1, "tags.line = 3", BASE("t"));
    make_many(f, 3);
    settle(f);
    run_sql(f, "UPDATE twin SET tags = '{\"line\":3}'");
    const uint64_t until = sk_now_ms() + PATIENCE_MS;
    while (number(f, "SELECT count(*) FROM twin WHERE desired = '{\"tag\":\"t\"}'") != 3) {
        if (sk_now_ms() > until)
            fail_msg("nobody looked");
        (void)usleep(20000);
    }
}

static void reports(void **state)
{
    struct fixture *f = *state;
    make_edge(f, "d");
    put(f, "base", 1, "*", BASE("a"));
    put(f, "q", 2, "*", QUIET);
    settle(f);
    (void)told(f);
    const long long version = number(f, "SELECT desired_version FROM twin t JOIN identity i ON "
                                        "i.id = t.identity WHERE i.module = '$edgeAgent'");
    char patch[256];
    (void)snprintf(patch, sizeof patch,
                   "{\"lastDesiredVersion\":%lld,\"lastDesiredStatus\":{\"code\":400}}", version);
    report(f, "d", "$edgeAgent", patch);
    assert_string_equal(told(f), "d {\"deployment\":\"base\",\"status\":\"reportedFailed\"}\n");
    report(f, "d", "$edgeAgent", "{\"lastDesiredStatus\":{\"code\":200}}");
    assert_string_equal(told(f), "d {\"deployment\":\"base\",\"status\":\"reportedSuccessful\"}\n");
    report(f, "d", "$edgeAgent", "{\"version\":{\"version\":\"1\"}}");
    assert_string_equal(told(f), "");
    /* About one that is not the newest. */
    report(f, "d", "$edgeAgent", "{\"lastDesiredVersion\":1,\"lastDesiredStatus\":{\"code\":200}}");
    report(f, "d", "m", "{\"lastDesiredVersion\":1}");
    assert_string_equal(told(f), "");
}

/* ---- F18: superseded, doubled, out of order ---- */

enum {
    DEVICES = 5,
    CONFIGURATIONS = 7,
    OPERATIONS = 40
};

struct model {
    uint64_t random;
    int tags[DEVICES];

    struct {
        bool is_there, is_layer;
        int priority, target; /* -1: all, -2: none */
        uint64_t created;
        char content;
    } conf[CONFIGURATIONS];

    uint64_t clock;
};

static unsigned pick(struct model *m, unsigned count)
{
    m->random += SK_MIX64_STEP;
    return (unsigned)(sk_mix64(m->random) % count);
}

static const char *target_text(int target)
{
    static const char *const texts[] = { "", "*", "tags.g = 0", "tags.g = 1", "tags.g = 2" };
    return texts[target + 2];
}

static void put_random(struct fixture *f, struct model *m, unsigned c, const char *id)
{
    static const char *const bases[] = { BASE("a"), BASE("b"), BASE("c") };
    static const char *const layers[] = { LAYER("a"), LAYER("b"), LAYER("c") };
    unsigned content = pick(m, 3);
    m->conf[c].is_there = true;
    m->conf[c].is_layer = pick(m, 3) == 0;
    m->conf[c].priority = (int)pick(m, 4);
    m->conf[c].target = (int)pick(m, 5) - 2;
    m->conf[c].created = m->clock++;
    m->conf[c].content = (char)('a' + content);
    put(f, id, m->conf[c].priority, target_text(m->conf[c].target),
        m->conf[c].is_layer ? layers[content] : bases[content]);
}

static void operate(struct fixture *f, struct model *m)
{
    char id[16], tags[32], device[16];
    unsigned c = pick(m, CONFIGURATIONS), d = pick(m, DEVICES);
    (void)snprintf(id, sizeof id, "c%u", c);
    (void)snprintf(device, sizeof device, "d%u", d);
    switch (pick(m, 6)) {
    case 0:
    case 1:
        m->tags[d] = (int)pick(m, 3);
        (void)snprintf(tags, sizeof tags, "{\"g\":%d}", m->tags[d]);
        set_tags(f, device, tags);
        return;
    case 2:
        if (pick(m, 8) == 0)
            fixture_reopen(f);
        return;
    case 3:
        if (m->conf[c].is_there)
            drop(f, id);
        m->conf[c].is_there = false;
        return;
    default:
        if (!m->conf[c].is_there) {
            put_random(f, m, c, id);
            return;
        }
        m->conf[c].priority = (int)pick(m, 4);
        m->conf[c].target = (int)pick(m, 5) - 2;
        change(f, id, m->conf[c].priority, target_text(m->conf[c].target));
    }
}

static bool is_above(const struct model *m, int a, int b)
{
    return b < 0 || m->conf[a].priority > m->conf[b].priority ||
           (m->conf[a].priority == m->conf[b].priority && m->conf[a].created > m->conf[b].created);
}

static bool fits(const struct model *m, int c, int d)
{
    int target = m->conf[c].target;
    return m->conf[c].is_there && (target == -1 || (target >= 0 && target == m->tags[d]));
}

/* The winner among bases, or among the layers above it; -1: none. */
static int best(const struct model *m, int d, bool is_layer, int base)
{
    int found = -1;
    for (int c = 0; c < CONFIGURATIONS; c++)
        if (fits(m, c, d) && m->conf[c].is_layer == is_layer && is_above(m, c, found) &&
            (!is_layer || m->conf[c].priority > m->conf[base].priority))
            found = c;
    return found;
}

static void expect(struct fixture *f, const struct model *m, int d, uint64_t seed)
{
    char device[16], marks[1024] = "{", text[128];
    size_t at = 1;
    int base = best(m, d, false, -1), layer = base < 0 ? -1 : best(m, d, true, base);
    (void)snprintf(device, sizeof device, "d%d", d);
    for (int c = 0; c < CONFIGURATIONS; c++) {
        bool is_applied = c == base || (base >= 0 && m->conf[c].is_layer &&
                                        m->conf[c].priority > m->conf[base].priority);
        if (fits(m, c, d))
            at += (size_t)snprintf(marks + at, sizeof marks - at, "%s\"c%d\":{\"status\":\"%s\"}",
                                   at > 1 ? "," : "", c, is_applied ? "Applied" : "Targeted");
    }
    (void)snprintf(marks + at, sizeof marks - at, "}");
    const char *is = twin_of(f, device, "$edgeAgent", "configurations");
    if (strcmp(is, marks) != 0)
        fail_msg("seed %llu, %s: %s, should be %s", (unsigned long long)seed, device, is, marks);
    if (base < 0)
        return;
    (void)snprintf(text, sizeof text,
                   layer < 0 ? "{\"tag\":\"%c\"}" : "{\"tag\":\"%c\",\"layer\":\"%c\"}",
                   m->conf[base].content, layer < 0 ? 0 : m->conf[layer].content);
    SK_OWN(sk_json_free) struct sk_json *want = parse(text);
    SK_OWN(sk_json_free) struct sk_json *have = parse(twin_of(f, device, "m", "desired"));
    if (!sk_json_equal(want, have))
        fail_msg("seed %llu, %s: %s, should be %s", (unsigned long long)seed, device,
                 twin_of(f, device, "m", "desired"), text);
}

/* SKERRY_DEPLOY_SEQUENCES=10000 for a night; SKERRY_DEPLOY_SEED to see one again. */
static void any_order(void **state)
{
    struct fixture *f = *state;
    const char *text = getenv("SKERRY_DEPLOY_SEQUENCES"), *first = getenv("SKERRY_DEPLOY_SEED");
    uint64_t count = text ? strtoull(text, NULL, 10) : 25;
    uint64_t seed = first ? strtoull(first, NULL, 10) : sk_wall_ms();
    struct model m = { .clock = 1 };
    char device[16];
    print_message("# seed %llu\n", (unsigned long long)seed);
    for (int d = 0; d < DEVICES; d++) {
        (void)snprintf(device, sizeof device, "d%d", d);
        make_edge(f, device);
        m.tags[d] = -9;
    }
    for (uint64_t i = 0; i < count; i++, seed++) {
        m.random = seed;
        for (int k = 0; k < OPERATIONS; k++)
            operate(f, &m);
        settle(f);
        for (int d = 0; d < DEVICES; d++)
            expect(f, &m, d, seed);
    }
}

/* A hundred deployments, one after the other. */
static void a_hundred(void **state)
{
    struct fixture *f = *state;
    char id[16];
    make_edge(f, "d");
    for (int i = 0; i < 100; i++) {
        (void)snprintf(id, sizeof id, "c%d", i);
        put(f, id, 1, "*", i % 2 ? BASE("odd") : BASE("even"));
    }
    settle(f);
    assert_string_equal(twin_of(f, "d", "m", "desired"), "{\"tag\":\"odd\"}");
    assert_non_null(strstr(twin_of(f, "d", "$edgeAgent", "configurations"),
                           "\"c99\":{\"status\":\"Applied\"}"));
}

/* ---- memory ---- */

/* All that is called from outside, and a pass, on this thread. */
static int one_life(void *ctx, struct sk_err *err)
{
    struct fixture *f = ctx;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    SK_OWN(sk_json_free) struct sk_json *body = NULL;
    SK_OWN(sk_json_free) struct sk_json *base = NULL;
    static const char
        text[] = "{\"targetCondition\":\"tags.a = 1\",\"metrics\":{\"queries\":{\"n\":"
                 "\"SELECT * FROM devices\"}},\"content\":" LAYER("x") "}";
    if (sk_json_parse(text, sizeof text - 1, NULL, &body, err) < 0 ||
        sk_json_parse(BASE("a"), sizeof BASE("a") - 1, NULL, &base, err) < 0)
        return -1;
    if (sk_deploy_check(f->d, base, &b, err) < 0 || sk_deploy_status(f->d, "e", &b, err) < 0 ||
        sk_configuration_list(f->d, 0, &b, err) < 0 ||
        sk_configuration_get(f->d, "kept", &b, err) < 0 ||
        sk_configuration_put(f->d, NULL, "kept", body, "*", &b, err) < 0 ||
        sk_deploy_apply(f->d, NULL, "e", base, &b, err) < 0)
        return -1;
    f->d->wants_work = false;
    const int64_t some[] = { 1 };
    if (sk_pass_run(f->d, SK_PASS_WORK, NULL, 0, err) < 0 ||
        sk_pass_run(f->d, SK_PASS_ALL, NULL, 0, err) < 0)
        return -1;
    return sk_pass_run(f->d, SK_PASS_SOME, some, 1, err);
}

static int begin_and_end(void *ctx, struct sk_err *err)
{
    const struct fixture *f = ctx;
    static const char *const names[] = { "hub.local", "other", NULL };
    const struct sk_deploy_options opts = { .devices = f->devices, .hub_names = names };
    SK_OWN(sk_deploy_free) struct sk_deploy *d = NULL;
    return sk_deploy_new(&opts, &d, err);
}

static void memory_runs_out(void **state)
{
    struct fixture *f = *state;
    make_edge(f, "d");
    make_edge(f, "e");
    set_tags(f, "d", "{\"a\":1}");
    put(f, "kept", 2, "tags.a = 1", LAYER("x"));
    put(f, "base", 1, "tags.a = 1", BASE("x"));
    settle(f);
    sk_deploy_stop(f->d);
    f->d->is_stopping = false; /* passes are run here */
    run_sql(f, "UPDATE twin SET configurations = '{\"z\":{}}'");
    assert_true(sk_alloc_sweep("one life", one_life, f, 0) > 100);
    assert_true(sk_alloc_sweep("begin and end", begin_and_end, f, 0) > 3);
}

/* What runs on the writer's thread, taken back each time. */
struct starving {
    struct fixture *f;
    size_t n;
    int did_fail, rc;
    struct sk_err why;
};

static int starve(struct sk_change *c, void *ctx, struct sk_err *err)
{
    struct starving *s = ctx;
    SK_AUTO(sk_plan_done) struct sk_plan plan = { .items = NULL };
    SK_OWN(sk_composed_free) struct sk_composed *composed = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf told = SK_BUF_INIT(1 << 16);
    struct sk_unit unit = { .id = 1, .kind = SK_DEPLOY_EDGE };
    if (sk_plan_read(sk_change_tx(c), &plan, err) < 0 ||
        sk_plan_find(&plan, sk_change_tx(c), 1, unit.kind, &unit.set, err) < 0 ||
        sk_composed_new(s->f->d, &plan, unit.set, &composed, err) < 0)
        return -1;
    sk_alloc_fail_at(s->n);
    s->rc = sk_unit_write(s->f->d, c, &unit, composed, true, &told, &s->why);
    (void)sk_alloc_fail_end(&s->did_fail);
    return sk_fail(err, SK_CANCELLED, "taken back");
}

static void writer_starves(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct starving s = { .f = f, .did_fail = 1 };
    assert_int_equal(make_edge(f, "d").id, 1);
    put(f, "base", 1, "*", BASE("x"));
    settle(f);
    run_sql(f, "UPDATE twin SET configurations = '{}', desired = '{\"old\":1}'");
    while (s.did_fail) {
        s.n++;
        s.why = (struct sk_err)SK_ERR_INIT;
        FAILS(sk_devices_write(f->devices, starve, &s, &err), SK_CANCELLED, "taken back");
        if (s.did_fail && (s.rc == 0 || s.why.code != SK_NOMEM))
            fail_msg("allocation %zu: %s", s.n, s.rc == 0 ? "was survived" : s.why.text);
    }
    assert_int_equal(s.rc, 0);
    assert_true(s.n > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(wakes),     ROW(too_many_to_name), ROW(interval),        ROW(reports),
        ROW(any_order), ROW(a_hundred),        ROW(memory_runs_out), ROW(writer_starves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
