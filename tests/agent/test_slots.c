/* test_slots.c - instances are named once, owned until they are gone, and begun without a disk. */
#include "agent/world.h"

#include <stdio.h>
#include <stdlib.h>

static char *dir;
static struct sk_agent_module *m;

static int begin(void **state)
{
    (void)state;
    *world = (struct world){ .now_ms = 1000000, .next_pid = 10000000 };
    dir = sk_test_dir();
    m = world_open(dir, "v1");
    m->rec.active.spec = sk_agent_spec_ref(m->want);
    return 0;
}

static int end(void **state)
{
    (void)state;
    world_close();
    sk_test_dir_free(dir);
    return 0;
}

static void start(void)
{
    struct sk_err err = SK_ERR_INIT;
    DONE(sk_agent_start_active(m, &err));
}

static unsigned count_aside(void)
{
    unsigned n = 0;
    for (size_t i = 0; i < SK_AGENT_LINGER_MAX; i++)
        n += m->rec.lingering[i].spec != NULL;
    return n;
}

static void test_names(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    start();
    assert_string_equal(m->rec.active.instance.instance, "cats-1");
    DONE(sk_agent_stop_slot(m, &m->rec.active, 0, &err));
    assert_false(m->rec.active.is_started);
    DONE(sk_agent_stop_slot(m, &m->rec.active, 0, &err)); /* nothing to stop */
    start();
    assert_string_equal(m->rec.active.instance.instance, "cats-2");
    assert_int_equal(world_alive(), 1);
    assert_string_equal(world->hub_active, "cats-2");
}

/* Every step of a start: when it fails nothing is left, and the next one works. */
static void test_start_fails(void **state)
{
    (void)state;
    static const char *const points[] = { "listen", "start", "start" };

    static const enum fault faults[] = { FAULT_ERROR, FAULT_ERROR, FAULT_LOST };

    for (size_t i = 0; i < COUNT(points); i++) {
        struct sk_err err = SK_ERR_INIT;
        world_fault(points[i], faults[i]);
        *world->last_point = '\0';
        assert_int_equal(sk_agent_start_active(m, &err), -1);
        assert_string_equal(world->fault_name, "");
        assert_false(m->rec.active.is_started);
        assert_int_equal(world_alive(), 0);
    }
    start();
    assert_int_equal(world_alive(), 1);
}

static void test_full_disk(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    world->full_until_ms = UINT64_MAX;
    start(); /* what serves needs no disk */
    assert_int_equal(world_alive(), 1);
    assert_true(m->is_unsaved);
    m->rec.candidate.spec = sk_agent_spec_ref(m->want);
    FAILS(sk_agent_start_slot(m, &m->rec.candidate, true, &err), SK_FULL, "no space");
    assert_false(m->rec.candidate.is_started);
    assert_int_equal(world_alive(), 1);
}

/* What cannot be stopped is kept, and tried again. */
static void test_stuck(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    start();
    world_fault("stop", FAULT_ERROR);
    FAILS(sk_agent_stop_slot(m, &m->rec.active, 0, &err), SK_IO, "stopping 'cats-1'");
    assert_true(m->rec.active.is_started);
    *world->last_point = '\0';
    world_fault("stop", FAULT_HANG);
    sk_agent_end_slot(m, &m->rec.active, 0);
    assert_false(m->rec.active.is_started);
    assert_non_null(m->rec.active.spec);
    assert_int_equal(count_aside(), 1);
    assert_int_equal(world_alive(), 1);
    *world->last_point = '\0';
    world_fault("stop", FAULT_ERROR);
    sk_agent_linger_tick(m);
    assert_int_equal(count_aside(), 1);
    sk_agent_linger_tick(m); /* not at once */
    assert_int_equal(count_aside(), 1);
    world_pass(11000);
    sk_agent_linger_tick(m);
    assert_int_equal(count_aside(), 0);
    assert_int_equal(world_alive(), 0);
}

/* Until its last connection is closed, at most 80 s. */
static void test_linger(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        start();
        world->connections = 3;
        m->rec.old = m->rec.active;
        memset(&m->rec.active, 0, sizeof m->rec.active);
        sk_agent_linger(m, &m->rec.old);
        assert_null(m->rec.old.spec);
        for (int s = 0; s < 60; s++) {
            world_pass(1000);
            *world->last_point = '\0';
            sk_agent_linger_tick(m);
        }
        assert_int_equal(count_aside(), 1);
        if (round == 0)
            world->connections = 0;
        world_pass(round == 0 ? 1000 : 21000);
        *world->last_point = '\0';
        sk_agent_linger_tick(m);
        assert_int_equal(count_aside(), 0);
        assert_int_equal(world_alive(), 0);
        assert_int_equal(world->last_grace_ms, round == 0 ? 30000 : 2000);
        m->rec.active.spec = sk_agent_spec_ref(m->want);
    }
}

/* A fourth one takes the place of the first. */
static void test_many(void **state)
{
    (void)state;
    world->connections = 1;
    for (unsigned i = 0; i < 5; i++) {
        if (!m->rec.active.spec)
            m->rec.active.spec = sk_agent_spec_ref(m->want);
        start();
        world_pass(100);
        sk_agent_linger(m, &m->rec.active);
        assert_int_equal(world_alive(), i < 3 ? i + 1 : 3);
    }
    assert_int_equal(count_aside(), 3);
    m->rec.active.spec = sk_agent_spec_ref(m->want);
}

/* Where two cannot be, those set aside end first; one that does not end lets nothing begin. */
static void test_no_room(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    start();
    world->connections = 1;
    sk_agent_linger(m, &m->rec.active);
    m->rec.active.spec = sk_agent_spec_ref(m->want);
    world->s.cannot_overlap = true;
    *world->last_point = '\0';
    world_fault("stop", FAULT_ERROR);
    FAILS(sk_agent_start_active(m, &err), SK_IO, "two cannot be side by side");
    assert_int_equal(world_alive(), 1);
    *world->last_point = '\0';
    start();
    assert_int_equal(world_alive(), 1);
    assert_string_equal(m->rec.active.instance.instance, "cats-2");
    assert_string_equal(world->bad, "");
}

static void test_docker(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    world->s.kind = SK_RUNTIME_DOCKER;
    start();
    assert_int_equal(world_acceptors(NULL), 1);
    DONE(sk_agent_stop_slot(m, &m->rec.active, 0, &err));
    /* Running without clients is not running. */
    *world->last_point = '\0';
    world_fault("forward", FAULT_ERROR);
    FAILS(sk_agent_start_active(m, &err), SK_IO, "publishing it");
    assert_int_equal(world_alive(), 0);
    world_fault("socket", FAULT_HANG);
    FAILS(sk_agent_start_active(m, &err), SK_TIMEOUT, "a fault");
    assert_int_equal(world_alive(), 0);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = { ROW(test_names),     ROW(test_start_fails),
                                        ROW(test_full_disk), ROW(test_stuck),
                                        ROW(test_linger),    ROW(test_many),
                                        ROW(test_no_room),   ROW(test_docker) };
    world_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
