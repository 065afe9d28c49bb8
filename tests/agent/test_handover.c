/* test_handover.c - who serves: over, on probation, back, for good. */
#include "agent/world.h"

#include <stdio.h>
#include <stdlib.h>

static char *dir;
static struct sk_agent_module *m;

static void update(void)
{
    SK_OWN(sk_agent_spec_unref) struct sk_agent_spec *want = sk_agent_module_want(m);
    *world->last_point = '\0';
    sk_agent_update(m, want);
}

/* v2 is on probation, v1 waits. */
static int begin(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    *world = (struct world){ .s = { .first = "v1", .wanted = "v2" },
                             .now_ms = 1000000,
                             .next_pid = 10000000 };
    dir = sk_test_dir();
    m = world_open(dir, "v1");
    m->rec.active.spec = sk_agent_spec_ref(m->want);
    DONE(sk_agent_start_active(m, &err));
    world_want("v2");
    update();
    assert_int_equal(m->rec.phase, SK_PHASE_PROBATION);
    *world->last_point = '\0';
    return 0;
}

static int end(void **state)
{
    (void)state;
    assert_string_equal(world->bad, "");
    world_close();
    sk_test_dir_free(dir);
    return 0;
}

static void look(void)
{
    SK_OWN(sk_agent_spec_unref) struct sk_agent_spec *want = sk_agent_module_want(m);
    *world->last_point = '\0';
    sk_agent_probation(m, want);
}

static void serves(const char *version)
{
    const struct world_instance *one = NULL;
    assert_int_equal(world_acceptors(&one), 1);
    assert_string_equal(one->version, version);
    assert_string_equal(m->rec.active.spec->tag, version);
    assert_string_equal(m->rec.active.instance.instance, one->name);
    assert_string_equal(world->hub_active, one->name);
}

static void kill_version(const char *version)
{
    for (size_t i = 0; i < world->count; i++)
        if (strcmp(world->instances[i].version, version) == 0)
            world->instances[i].is_alive = world->instances[i].accepts = false;
    world->has_died = true;
}

static void test_commit(void **state)
{
    (void)state;
    serves("v2");
    while (m->rec.phase == SK_PHASE_PROBATION)
        look();
    assert_int_equal(m->rec.phase, SK_PHASE_STEADY);
    serves("v2");
    assert_null(m->rec.old.spec);
    assert_int_equal(world_alive(), 2); /* the old one lingers */
    world_pass(1000);
    sk_agent_linger_tick(m);
    assert_int_equal(world_alive(), 1);
    assert_int_equal(m->rec.deaths, 0);
}

/* Three deaths; the third gives the version up. The old one is loaded, and back at once. */
static void test_deaths(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 3; i++) {
        kill_version("v2");
        uint64_t before = world->now_ms;
        look();
        serves("v1");
        assert_true(world->now_ms - before < 100);
        assert_int_equal(m->rec.deaths, i);
        assert_int_equal(*m->rec.failed != '\0', i == 3);
        assert_int_equal(world_alive(), 1);
        assert_true(m->not_before_ms > world->now_ms);
        if (i < 3)
            update();
    }
    assert_non_null(strstr(m->view.description, "death 3 of 3 in probation: Exited (139)"));
    assert_true(m->view.is_failed);
}

/* The old one died too: it is started anew. */
static void test_both_dead(void **state)
{
    (void)state;
    kill_version("v1");
    kill_version("v2");
    look();
    serves("v1");
    assert_string_equal(m->rec.active.instance.instance, "cats-3");
    assert_int_equal(world_alive(), 1);
}

/* What cannot be asked is neither dead nor good. */
static void test_unknown(void **state)
{
    (void)state;
    while (world->now_ms < m->probation_until_ms)
        world_pass(1000);
    kill_version("v2");
    world_fault("status", FAULT_ERROR);
    look(); /* the first question is lost, and the second says what happened */
    if (m->rec.phase == SK_PHASE_PROBATION)
        look();
    serves("v1");
    assert_int_equal(m->rec.deaths, 1);
}

/* One that does not retire is told again, and ended with the commit. */
static void test_retires_late(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    sk_agent_back(m, "a test");
    serves("v1");
    world_fault("retire v1", FAULT_ERROR);
    update();
    assert_true(m->must_retire);
    assert_int_equal(world_acceptors(NULL), 2);
    look();
    assert_false(m->must_retire);
    serves("v2");
    m->must_retire = true;
    world->instances[world->count - 2].accepts = true;
    *world->last_point = '\0';
    world_fault("retire", FAULT_ERROR);
    DONE(sk_agent_commit(m, &err));
    assert_int_equal(world_acceptors(NULL), 1);
    serves("v2");
}

static void test_worse(void **state)
{
    (void)state;
    sk_agent_spec_unref(m->rec.active.spec);
    m->rec.active.spec = spec_of("cats", "{\"settings\":{\"image\":\"r.test/cats:v2\"},\"env\":{"
                                         "\"SKERRY_ROLLBACK_HUB_LOST_SECONDS\":{\"value\":30}}}");
    world_pass(31000);
    look();
    serves("v1");
    assert_non_null(strstr(m->rec.failed_why, "the hub has been out of reach for 30 s"));
}

/* A newer deployment ends the probation. */
static void test_superseded(void **state)
{
    (void)state;
    world_want("v3");
    look();
    assert_int_equal(m->rec.phase, SK_PHASE_STEADY);
    serves("v2");
}

static void test_enter(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    world->full_until_ms = world->now_ms + 1;
    FAILS(sk_agent_enter(m, SK_PHASE_COMMIT, &err), SK_FULL, "phase commit");
    assert_int_equal(m->rec.phase, SK_PHASE_PROBATION);
    FAILS(sk_agent_commit(m, &err), SK_FULL, "phase commit");
    assert_non_null(m->rec.old.spec); /* nothing was done before it is on the disk */
    world_pass(1);
    DONE(sk_agent_commit(m, &err));
}

/* Undone while the old one does not answer: it is started anew. */
static void test_hand_back(void **state)
{
    (void)state;
    sk_agent_back(m, "a test");
    m->rec.candidate.spec = sk_agent_spec_ref(m->want);
    sk_agent_hand_back(m);
    serves("v1");
    world->instances[0].is_alive = true;
    kill_version("v1");
    sk_agent_hand_back(m);
    assert_false(m->rec.active.is_started);
    assert_int_equal(m->restart_at_ms, 0);
    sk_agent_drop_candidate(m, 0);
    assert_null(m->rec.candidate.spec);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = { ROW(test_commit),       ROW(test_deaths),
                                        ROW(test_both_dead),    ROW(test_unknown),
                                        ROW(test_retires_late), ROW(test_worse),
                                        ROW(test_superseded),   ROW(test_enter),
                                        ROW(test_hand_back) };
    world_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
