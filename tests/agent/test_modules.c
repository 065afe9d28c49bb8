/* test_modules.c - which modules there are: from records and from deployments. */
#include "agent/world.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MODULE(tag) "{\"settings\":{\"image\":\"r.test/cats:" tag "\"},\"status\":\"stopped\"}"

static void take(struct rig *r, const char *text)
{
    SK_OWN(sk_json_free) struct sk_json *doc = json_of(text);
    sk_agent_take_desired(&r->a, doc);
}

static void join(struct rig *r)
{
    atomic_store(&r->a.stops, true);
    for (size_t i = 0; i < r->a.module_count; i++) {
        sk_agent_module_wake(r->a.modules[i]);
        if (r->a.modules[i]->has_thread)
            (void)pthread_join(r->a.modules[i]->thread, NULL);
        r->a.modules[i]->has_thread = false;
    }
}

/* No threads of modules begin here: only the list is looked at. */
static int set_up(void **state)
{
    *world = (struct world){ .now_ms = 1000000, .next_pid = 10000000 };
    if (rig_set_up(state) < 0)
        return -1;
    atomic_store(&((struct rig *)*state)->a.stops, true);
    return 0;
}

static const struct sk_agent_spec *want_of(struct rig *r, const char *name)
{
    const struct sk_agent_module *m = sk_agent_find(&r->a, name);
    return m ? m->want : NULL;
}

static void test_deployments(void **state)
{
    struct rig *r = *state;
    take(r, "{\"$version\":1,\"schemaVersion\":\"1.0\",\"modules\":{\"a\":" MODULE(
                "v1") ",\"b\":" MODULE("v1") "}}");
    assert_int_equal(r->a.module_count, 2);
    assert_int_equal(r->a.desired_version, 1);
    assert_int_equal(r->a.desired_code, 200);
    assert_true(sk_is_file(at(r->dir, "state/deployment.json")));
    const struct sk_agent_spec *a = want_of(r, "a");
    sk_agent_find(&r->a, "a")->view.is_settled = true;
    sk_agent_find(&r->a, "b")->view.is_settled = true;
    take(r, "{\"$version\":2,\"schemaVersion\":\"1.0\",\"modules\":{\"a\":" MODULE(
                "v1") ",\"b\":" MODULE("v2") ",\"c\":" MODULE("v1") "}}");
    assert_int_equal(r->a.module_count, 3);
    assert_ptr_equal(want_of(r, "a"), a); /* nothing to do for it */
    assert_true(sk_agent_find(&r->a, "a")->view.is_settled);
    assert_false(sk_agent_find(&r->a, "b")->view.is_settled);
    assert_string_equal(want_of(r, "b")->tag, "v2");
    take(r, "{\"$version\":3,\"schemaVersion\":\"1.0\",\"modules\":{\"a\":" MODULE("v1") "}}");
    assert_null(want_of(r, "b"));
    assert_non_null(sk_agent_find(&r->a, "b")); /* until it is gone */
    join(r);
}

/* What cannot be taken changes nothing, and is told with its code. */
static void test_bad(void **state)
{
    struct rig *r = *state;

    static const struct {
        const char *text, *words;
        int code;
    } rows[] = {
        { "{\"$version\":5,\"schemaVersion\":\"2.0\",\"modules\":{}}", "2.0", 412 },
        { "{\"$version\":6}", "not set", 417 },
        { "{\"$version\":7,\"schemaVersion\":\"1.0\",\"modules\":{\"a\":{}}}", "settings.image",
          400 },
    };

    take(r, "{\"$version\":1,\"schemaVersion\":\"1.0\",\"modules\":{\"a\":" MODULE("v1") "}}");
    for (size_t i = 0; i < COUNT(rows); i++) {
        take(r, rows[i].text);
        if (r->a.desired_code != rows[i].code || !strstr(r->a.desired_why, rows[i].words))
            fail_msg("%s: %d %s", rows[i].text, r->a.desired_code, r->a.desired_why);
        assert_int_equal(r->a.desired_version, 5 + (int64_t)i);
        assert_string_equal(want_of(r, "a")->tag, "v1");
    }
    take(r, "{\"$version\":8,\"schemaVersion\":\"1.0\",\"modules\":{\"a\":" MODULE("v2") "}}");
    assert_int_equal(r->a.desired_code, 200);
    SK_OWN(sk_json_free) struct sk_json *text = json_of("\"x\"");
    sk_agent_take_desired(&r->a, text);
    assert_int_equal(r->a.desired_version, 8);
    join(r);
}

/* A full disk: begun as soon as there is room; a newer one takes its place. */
static void test_unkept(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    const char *file = at(r->dir, "state/deployment.json");
    SK_OWN(free) char *path = strdup(file);
    DONE(sk_mkdirs(path, 0700, &err)); /* nothing can be written in its place */
    take(r, "{\"$version\":1,\"schemaVersion\":\"1.0\",\"modules\":{\"a\":" MODULE("v1") "}}");
    take(r, "{\"$version\":2,\"schemaVersion\":\"1.0\",\"modules\":{\"a\":" MODULE("v2") "}}");
    sk_agent_take_again(&r->a);
    assert_int_equal(r->a.module_count, 0);
    DONE(sk_remove_tree(path, &err));
    sk_agent_take_again(&r->a);
    assert_string_equal(want_of(r, "a")->tag, "v2");
    assert_int_equal(r->a.desired_version, 2);
    assert_null(r->a.unkept);
    sk_agent_take_again(&r->a);
    join(r);
}

/* A start without network. */
static void test_kept(void **state)
{
    struct rig *r = *state;
    sk_agent_take_kept(&r->a);
    assert_int_equal(r->a.desired_version, -1);
    write_text(at(r->dir, "state/deployment.json"),
               "{\"$version\":4,\"schemaVersion\":\"1.0\",\"modules\":{\"a\":" MODULE("v1") "}}");
    sk_agent_take_kept(&r->a);
    assert_int_equal(r->a.desired_version, 4);
    assert_string_equal(want_of(r, "a")->tag, "v1");
    join(r);
}

static void save_record(struct rig *r, const char *name, const char *tag, int64_t pid)
{
    struct sk_agent_record rec = { .next = 5 };
    struct sk_err err = SK_ERR_INIT;
    char module[200];
    (void)snprintf(module, sizeof module, "{\"settings\":{\"image\":\"r.test/cats:%s\"}}", tag);
    rec.active.spec = spec_of(name, module);
    rec.active.is_started = true;
    (void)snprintf(rec.active.instance.instance, sizeof rec.active.instance.instance, "%s-4", name);
    rec.active.instance.pid = pid;
    DONE(sk_agent_record_save(r->dir, name, &rec, &err));
    DONE(sk_agent_record_save(r->dir, name, &rec, &err)); /* with a version before it */
    sk_agent_record_clear(&rec);
}

static void add_instance(const char *name, int64_t pid)
{
    struct world_instance *n = &world->instances[world->count++];
    *n = (struct world_instance){ .pid = pid, .is_alive = true };
    (void)snprintf(n->name, sizeof n->name, "%s", name);
}

static void test_load(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    save_record(r, "a", "v1", 100);
    save_record(r, "b", "v1", 0); /* it was being started */
    add_instance("a-4", 100);
    add_instance("b-4", 101);
    add_instance("c-9", 102); /* nobody's */
    write_text(at(r->dir, "state/modules/d.json"), "damaged");
    write_text(at(r->dir, "state/modules/a.json.x1Y2z3"), "left over");
    DONE(sk_agent_load_modules(&r->a, &err));
    assert_true(r->a.is_loaded);
    assert_int_equal(r->a.module_count, 2);
    assert_true(world->instances[0].is_alive);
    assert_false(world->instances[1].is_alive || world->instances[2].is_alive);
    /* They can be told at once. */
    assert_int_equal(sk_agent_find(&r->a, "a")->told_count, 1);
    assert_string_equal(sk_agent_find(&r->a, "a")->roles[0], "active");
    /* Without a deployment they go on as they were. */
    sk_agent_hold(&r->a);
    assert_string_equal(want_of(r, "a")->tag, "v1");
}

/* No two have one user; who has one already keeps it, unless another has it too. */
static void test_users(void **state)
{
    struct rig *r = *state;
    struct sk_agent_module *a = rig_module(r, "a", NULL), *b = rig_module(r, "b", NULL),
                           *c = rig_module(r, "c", NULL);
    sk_agent_module_user(a);
    sk_agent_module_user(b);
    sk_agent_module_user(b);
    assert_int_equal(a->rec.uid_index, 0);
    assert_int_equal(b->rec.uid_index, 1);
    c->rec.uid_index = 1;
    sk_agent_module_user(c);
    assert_int_equal(c->rec.uid_index, 2);
    a->has_uid = false; /* it is gone */
    c->rec.uid_index = 7;
    sk_agent_module_user(c);
    assert_int_equal(c->rec.uid_index, 7);
}

/* What cannot be read may know of every instance. */
static void test_unread(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    save_record(r, "a", "v1", 100);
    add_instance("a-4", 100);
    add_instance("c-9", 102);
    DONE(sk_mkdirs(at(r->dir, "state/modules/c.json"), 0700, &err));
    DONE(sk_agent_load_modules(&r->a, &err));
    assert_true(world->instances[0].is_alive && world->instances[1].is_alive);
}

static void test_reaped(void **state)
{
    struct rig *r = *state;
    struct sk_agent_module *gone = rig_module(r, "a", NULL);
    struct sk_agent_module *again = rig_module(
        r, "b", spec_of("b", "{\"settings\":{\"image\":\"i\"},\"status\":\"stopped\"}"));
    gone->is_ended = again->is_ended = true;
    sk_agent_reap_modules(&r->a);
    assert_null(sk_agent_find(&r->a, "a"));
    assert_non_null(sk_agent_find(&r->a, "b")); /* it is wanted again */
    assert_false(sk_agent_find(&r->a, "b") == again);
    join(r);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, set_up, rig_tear_down)
    const struct CMUnitTest tests[] = { ROW(test_deployments), ROW(test_bad),   ROW(test_unkept),
                                        ROW(test_kept),        ROW(test_load),  ROW(test_users),
                                        ROW(test_unread),      ROW(test_reaped) };
    world_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
