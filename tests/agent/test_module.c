/* test_module.c - the thread of a module: policies, pauses, holding, forgetting, what is told. */
#include "agent/world.h"

#include "base/file.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char *dir;

/* The module's thread in a child, until it has settled. */
static void run(void)
{
    int rc = world_run(dir);
    if (rc != 0 || !world->is_settled)
        fail_msg("%d: %s", rc, world->why);
    if (*world->bad)
        fail_msg("%s", world->bad);
}

static int begin(void **state)
{
    (void)state;
    *world = (struct world){ .now_ms = 1000000, .next_pid = 10000000 };
    dir = sk_test_dir();
    struct rig r;
    rig_open(&r, dir);
    rig_close(&r);
    world->want = "v1";
    return 0;
}

static int end(void **state)
{
    (void)state;
    sk_test_dir_free(dir);
    return 0;
}

static void all_die(void)
{
    for (size_t i = 0; i < world->count; i++)
        world->instances[i].is_alive = world->instances[i].accepts = false;
}

static struct sk_agent_record record(void)
{
    struct sk_agent_record r = { .next = 1 };
    struct sk_err err = SK_ERR_INIT;
    DONE(sk_agent_record_load(dir, "cats", &r, &err));
    return r;
}

static void test_policies(void **state)
{
    (void)state;

    static const struct {
        const char *policy;
        unsigned alive;
    } rows[] = { { "always", 1 }, { "on-failure", 1 }, { "on-unhealthy", 1 }, { "never", 0 } };

    for (size_t i = 0; i < COUNT(rows); i++) {
        if (i > 0) {
            end(NULL);
            begin(NULL);
        }
        world->s.policy = rows[i].policy;
        run();
        assert_int_equal(world_alive(), 1);
        all_die();
        run();
        if (world_alive() != rows[i].alive)
            fail_msg("%s: %u run: %s", rows[i].policy, world_alive(), world->why);
        if (rows[i].alive == 0)
            assert_true(strncmp(world->why, "failed: Exited (139)", 20) == 0);
    }
}

/* 100 ms, then 10, 20 .. 300 s. */
static void test_pauses(void **state)
{
    (void)state;
    static const uint64_t pauses_ms[] = { 100, 10000, 20000, 40000, 80000, 160000, 300000, 300000 };
    struct sk_err err = SK_ERR_INIT;
    struct sk_agent_module *m = world_open(dir, "v1");
    m->rec.active.spec = sk_agent_spec_ref(m->want);
    DONE(sk_agent_start_active(m, &err));
    for (size_t i = 0; i < COUNT(pauses_ms); i++) {
        all_die();
        world->gap_ms = 0;
        while (world_alive() == 0 && world->gap_ms < 1000000) {
            sk_agent_module_mind(m);
            world_pass(100);
        }
        if (world->gap_ms < pauses_ms[i] || world->gap_ms > pauses_ms[i] + 1000)
            fail_msg("restart %zu came after %llu ms", i, (unsigned long long)world->gap_ms);
        assert_int_equal(m->rec.restarts, i + 1);
        assert_int_equal(m->rec.last_exit, 139);
    }
    world_close();
}

/* What had ended before the agent came is no fault of the module: at once, and not counted. */
static void test_reboots(void **state)
{
    (void)state;
    run();
    for (int i = 0; i < 5; i++) {
        all_die();
        world->gap_ms = 0;
        run();
        assert_in_range(world->gap_ms, 0, 1000);
        struct sk_agent_record r = record();
        assert_int_equal(r.restarts, 0);
        sk_agent_record_clear(&r);
    }
}

static void test_removed(void **state)
{
    (void)state;
    run();
    world->want = NULL;
    world_fault("stop v1", FAULT_ERROR); /* not at once */
    run();
    assert_int_equal(world_alive(), 0);
    assert_int_equal(world->port_count, 0);
    assert_false(sk_is_file(at(dir, "state/modules/cats.json")));
    run(); /* and again, when there is none */
}

/* Wanted again while a kill had left it half removed. */
static void test_wanted_again(void **state)
{
    (void)state;
    run();
    world->want = NULL;
    world_fault("stop v1", FAULT_KILL_AFTER);
    assert_int_equal(world_run(dir), SIGKILL);
    world->want = "v1";
    world->s.policy = "never";
    run();
    assert_int_equal(world_alive(), 1);
    assert_int_equal(world_acceptors(NULL), 1);
}

/* A record that is lost: what runs is found by the sweep, and begun anew. */
static void test_lost(void **state)
{
    (void)state;
    run();
    write_text(at(dir, "state/modules/cats.json"), "x");
    (void)unlink(at(dir, "state/modules/cats.bak"));
    run();
    assert_int_equal(world_alive(), 1);
    assert_int_equal(world_acceptors(NULL), 1);
}

/* ---- without its loop ---- */

static void test_tells(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_agent_module *m = world_open(dir, "v1");
    m->rec.active.spec = sk_agent_spec_ref(m->want);
    DONE(sk_agent_start_active(m, &err));
    assert_int_equal(m->told_count, 1);
    assert_string_equal(m->roles[0], "active");
    m->rec.candidate = m->rec.active;
    (void)sk_agent_spec_ref(m->want);
    m->rec.old = m->rec.active;
    (void)sk_agent_spec_ref(m->want);
    m->rec.lingering[2] = m->rec.active;
    (void)sk_agent_spec_ref(m->want);
    sk_agent_module_tell(m);
    static const char *const roles[] = { "active", "candidate", "old", "old" };
    assert_int_equal(m->told_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(m->roles[i], roles[i]);
    /* Without an active one the candidate is it, so that it can be reached. */
    m->rec.active.is_started = false;
    sk_agent_module_tell(m);
    assert_string_equal(m->roles[0], "active");
    assert_int_equal(m->told_count, 3);
    world_close();
}

static void test_shows(void **state)
{
    (void)state;
    struct sk_agent_module *m = world_open(dir, "v1");
    m->rec.restarts = 7;
    m->rec.last_exit = 3;
    (void)snprintf(m->rec.failed, sizeof m->rec.failed, "%s", m->want->hash);
    sk_agent_module_show(m, "running", true, "a %s", "text");
    assert_string_equal(m->view.status, "running");
    assert_string_equal(m->view.description, "a text");
    assert_true(m->view.is_settled && m->view.is_up && m->view.is_failed);
    assert_int_equal(m->view.restarts, 7);
    assert_int_equal(m->view.exit_code, 3);
    world_want("v2");
    sk_agent_module_show(m, "backoff", false, "x");
    assert_false(m->view.is_failed || m->view.is_up || m->view.is_settled);
    world_close();
}

/* What cannot be written now is marked. */
static void test_keeps(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_agent_module *m = world_open(dir, "v1");
    world->full_until_ms = world->now_ms + 1;
    FAILS(sk_agent_module_keep(m, &err), SK_FULL, "no space");
    assert_true(m->is_unsaved);
    world_pass(1);
    DONE(sk_agent_module_keep(m, &err));
    assert_false(m->is_unsaved);
    world_close();
}

/* Another keeper knows nothing of forwards. */
static void test_keeper_lost(void **state)
{
    (void)state;
    world->s.kind = SK_RUNTIME_DOCKER;
    run();
    assert_int_equal(world_acceptors(NULL), 1);
    world->port_count = 0;
    assert_int_equal(world_acceptors(NULL), 0);
    run();
    assert_int_equal(world_acceptors(NULL), 1);
    assert_int_equal(world_alive(), 1);
}

static void test_minds(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;

    static const struct {
        enum sk_agent_phase phase;
        bool revives;
    } rows[] = { { SK_PHASE_STEADY, true },     { SK_PHASE_PREPARE, true },
                 { SK_PHASE_REPLACE, false },   { SK_PHASE_HANDOVER, false },
                 { SK_PHASE_PROBATION, false }, { SK_PHASE_BACK, false } };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_agent_module *m = world_open(dir, "v1");
        if (!m->rec.active.spec)
            m->rec.active.spec = sk_agent_spec_ref(m->want);
        DONE(sk_agent_start_active(m, &err));
        all_die();
        m->rec.phase = rows[i].phase;
        m->rec.restarts = 0;
        for (int k = 0; k < 5; k++) {
            world_pass(1000);
            sk_agent_module_mind(m);
        }
        if ((world_alive() == 1) != rows[i].revives)
            fail_msg("%s: %u run", sk_agent_phase_name(rows[i].phase), world_alive());
        world_close();
        all_die();
    }
}

#define IMAGE "{\"settings\":{\"image\":\"127.0.0.1/a:v1\"},\"startupOrder\":%s}"

/* A view as it is shown at each step of a first start, and whether the next module begins. */
static void test_turns(void **state)
{
    (void)state;

    static const struct {
        const char *order, *status, *version;
        bool is_settled, is_hindered, has_turn;
    } rows[] = { { "1", "", "", false, false, false },
                 { "1", "stopped", "", false, false, false }, /* prepares */
                 { "1", "stopped", "v1", false, false, false },
                 { "1", "backoff", "", false, false, false }, /* another pulls its image */
                 { "1", "backoff", "", false, true, true },
                 { "1", "backoff", "v1", false, false, true }, /* it died */
                 { "1", "running", "v1", true, false, true },
                 { "1", "running", "v1", false, false, true },
                 { "1", "failed", "", true, false, true },
                 { "1", "stopped", "v1", true, false, true },
                 { "2", "", "", false, false, true },
                 { "3", "", "", false, false, true } };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[200];
        struct rig r;
        rig_open(&r, dir);
        (void)snprintf(text, sizeof text, IMAGE, rows[i].order);
        struct sk_agent_module *first = rig_module(&r, "first", spec_of("first", text));
        (void)snprintf(text, sizeof text, IMAGE, "2");
        struct sk_agent_module *second = rig_module(&r, "second", spec_of("second", text));
        (void)snprintf(first->view.status, sizeof first->view.status, "%s", rows[i].status);
        (void)snprintf(first->view.version, sizeof first->view.version, "%s", rows[i].version);
        first->view.is_settled = rows[i].is_settled;
        first->view.is_hindered = rows[i].is_hindered;
        if (sk_agent_module_has_turn(second) != rows[i].has_turn)
            fail_msg("row %zu: behind order %s, '%s'", i, rows[i].order, rows[i].status);
        rig_close(&r);
    }
}

/* What is shown is settled, or hindered, only as far as it is about what is wanted now. */
static void test_is_about_what_is_wanted(void **state)
{
    (void)state;

    static const struct {
        const char *what, *active, *failed, *waits_for, *at;
        bool is_running, cannot_start, is_settled, is_hindered;
    } rows[] = { { "it runs", "v2", "", "", "v2", true, false, true, false },
                 { "the one before", "v1", "", "v2", "v2", true, false, false, true },
                 { "given up", "v1", "v2", "", "v2", true, false, true, false },
                 { "another was given up", "v1", "v3", "", "v2", true, false, false, false },
                 { "nothing runs", "", "", "v2", "v2", true, false, false, true },
                 { "it cannot be started", "v2", "", "", "v2", true, true, true, true },
                 { "the one before cannot", "v1", "", "", "v2", true, true, false, false },
                 { "to be stopped", "v1", "", "", "v2", false, false, true, false },
                 { "given up, and stopped", "v1", "v2", "", "v2", false, false, true, false },
                 { "of the deployment before", "v2", "", "v1", "v1", true, false, false, false } };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct rig r;
        rig_open(&r, dir);
        struct sk_agent_spec *specs[4] = { NULL };
        for (int k = 1; k <= 3; k++) {
            char text[200];
            (void)snprintf(text, sizeof text,
                           "{\"settings\":{\"image\":\"127.0.0.1/a:v%d\"},\"status\":\"%s\"}", k,
                           rows[i].is_running ? "running" : "stopped");
            specs[k] = spec_of("cats", text);
        }
#define HASH(tag) (*(tag) ? specs[(tag)[1] - '0']->hash : "")
        struct sk_agent_module *m = rig_module(&r, "cats", sk_agent_spec_ref(specs[2]));
        if (*rows[i].active)
            m->rec.active.spec = sk_agent_spec_ref(specs[rows[i].active[1] - '0']);
        (void)snprintf(m->rec.failed, sizeof m->rec.failed, "%s", HASH(rows[i].failed));
        (void)snprintf(m->waits_for, sizeof m->waits_for, "%s", HASH(rows[i].waits_for));
        m->is_hindered = *rows[i].waits_for;
        m->cannot_start = rows[i].cannot_start;
        m->at = specs[rows[i].at[1] - '0'];
        sk_agent_module_show(m, "running", true, "as it is");
        if (m->view.is_settled != rows[i].is_settled ||
            m->view.is_hindered != rows[i].is_hindered ||
            m->view.is_failed != (rows[i].is_running && strcmp(rows[i].failed, "v2") == 0))
            fail_msg("%s: %d %d", rows[i].what, m->view.is_settled, m->view.is_hindered);
        m->at = NULL;
        for (int k = 1; k <= 3; k++)
            sk_agent_spec_unref(specs[k]);
        rig_close(&r);
    }
}

/* A version that was given up is tried again once another one was wanted meanwhile. */
static void test_given_up_and_wanted_again(void **state)
{
    (void)state;
    world->s.first = "v1";
    world->s.wanted = "v2";
    run();
    world->s.fails_gate = true;
    world->want = "v2";
    run();
    assert_non_null(strstr(world->why, "given up"));
    world->s.fails_gate = false;
    run(); /* the same deployment */
    assert_non_null(strstr(world->why, "given up"));
    world->want = "v1";
    run();
    struct sk_agent_record r = record();
    assert_string_equal(r.failed, "");
    sk_agent_record_clear(&r);
    world->want = "v2";
    run();
    assert_int_equal(world_alive(), 1);
    r = record();
    assert_string_equal(r.active.spec->tag, "v2");
    sk_agent_record_clear(&r);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = { ROW(test_policies),
                                        ROW(test_pauses),
                                        ROW(test_reboots),
                                        ROW(test_removed),
                                        ROW(test_wanted_again),
                                        ROW(test_lost),
                                        ROW(test_tells),
                                        ROW(test_shows),
                                        ROW(test_keeps),
                                        ROW(test_keeper_lost),
                                        ROW(test_minds),
                                        ROW(test_turns),
                                        ROW(test_is_about_what_is_wanted),
                                        ROW(test_given_up_and_wanted_again) };
    world_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
