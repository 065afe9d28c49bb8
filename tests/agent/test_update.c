/* test_update.c - updates as others see them: what is shown, given up, and tried again when. */
#include "agent/world.h"

#include <stdio.h>
#include <stdlib.h>

static char *dir;
static struct sk_agent_module *m;

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
    return 0;
}

static int end(void **state)
{
    (void)state;
    world_close();
    sk_test_dir_free(dir);
    return 0;
}

static void update(void)
{
    SK_OWN(sk_agent_spec_unref) struct sk_agent_spec *want = sk_agent_module_want(m);
    *world->last_point = '\0';
    sk_agent_update(m, want);
}

static void check_unharmed(void)
{
    const struct world_instance *one = NULL;
    assert_int_equal(world_acceptors(&one), 1);
    assert_string_equal(one->version, "v1");
    assert_int_equal(world_alive(), 1);
    assert_int_equal(m->rec.phase, SK_PHASE_STEADY);
    assert_null(m->rec.candidate.spec);
    assert_string_equal(world->bad, "");
}

static void check_shown(const char *status, bool is_settled, const char *words)
{
    if (strcmp(m->view.status, status) != 0 || m->view.is_settled != is_settled ||
        !strstr(m->view.description, words))
        fail_msg("%s, %d: %s", m->view.status, m->view.is_settled, m->view.description);
}

static void test_good(void **state)
{
    (void)state;
    update();
    assert_int_equal(m->rec.phase, SK_PHASE_PROBATION);
    assert_string_equal(m->rec.active.spec->tag, "v2");
    assert_string_equal(m->rec.old.spec->tag, "v1");
    assert_int_equal(world_alive(), 2);
    assert_int_equal(world_acceptors(NULL), 1);
    assert_string_equal(world->hub_active, m->rec.active.instance.instance);
}

static void test_gate(void **state)
{
    (void)state;
    world->s.fails_gate = true;
    update();
    check_unharmed();
    check_shown("running", true, "version v2 was given up: gate: its test predictions are wrong");
    assert_true(m->view.is_failed);
    assert_string_equal(m->rec.failed, m->want->hash);
    assert_non_null(strstr(m->rec.failed_why, "a fact of the test"));
}

/* What may not be the version's fault gives nothing up: 10, 20, 40 .. 300 s. */
static void test_waits(void **state)
{
    (void)state;
    static const uint64_t waits[] = { 10, 20, 40, 80, 160, 300, 300 };
    for (size_t i = 0; i < COUNT(waits); i++) {
        world_fault("pull", FAULT_ERROR);
        update();
        check_unharmed();
        check_shown("running", false, "prepare: image: a fault of the test; tried again in");
        uint64_t ms = m->not_before_ms - world->now_ms;
        if (ms > waits[i] * 1000 || ms + 1000 < waits[i] * 1000)
            fail_msg("%zu: %llu ms", i, (unsigned long long)ms);
        assert_string_equal(m->waits_for, m->want->hash);
        assert_string_equal(m->rec.failed, "");
    }
    /* Nor do other steps, however often. */
    for (int i = 0; i < 8; i++) {
        world_fault(i % 2 ? "start v2" : "accept v2", FAULT_ERROR);
        update();
        check_unharmed();
        assert_string_equal(m->rec.failed, "");
        assert_int_equal(m->rec.attempts, 0);
    }
    /* Another version begins with the first pause. */
    world_want("v3");
    world->s.wanted = "v3";
    world_fault("pull", FAULT_ERROR);
    update();
    assert_true(m->not_before_ms - world->now_ms <= 10000);
    assert_string_equal(m->waits_for, m->want->hash);
}

/* The world's layer has two bytes, and lies there twice while it is unpacked. */
static void test_budget(void **state)
{
    (void)state;
    m->agent->has_images_room = true;
    m->agent->images_room = 3;
    update();
    check_unharmed();
    check_shown("running", false, "of the disk budget are left for images: raise diskBytes");
    assert_string_equal(m->rec.failed, "");
    m->agent->images_room = 4;
    m->not_before_ms = 0;
    update();
    assert_string_equal(m->rec.active.spec->image, m->want->image);
}

static void test_final(void **state)
{
    (void)state;
    world_fault("check", FAULT_ERROR); /* an error of the check, no refusal */
    update();
    assert_string_equal(m->rec.failed, "");
    m->rec.attempts = 5;
    (void)snprintf(m->rec.tried, sizeof m->rec.tried, "%s", m->want->hash);
    update();
    check_unharmed();
    check_shown("running", true, "begun 5 times and interrupted each time");
    assert_string_equal(m->rec.failed, m->want->hash);
}

/* A death while it takes over is one of three. */
static void test_dies_in_handover(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 3; i++) {
        world->deaths_left = 1;
        world_fault("promote", FAULT_HANG);
        update();
        check_unharmed();
        assert_int_equal(m->rec.deaths, i);
        assert_int_equal(*m->rec.failed != '\0', i == 3);
    }
    check_shown("running", true, "it ended while it took over, death 3 of 3");
}

static void test_replace(void **state)
{
    (void)state;
    world->s.cannot_overlap = true;
    world->s.fails_gate = true;
    update();
    check_unharmed();
    assert_string_equal(m->rec.active.instance.instance, "cats-3");
    assert_true(m->view.is_failed);
    /* One that cannot be stopped goes on, and nothing is begun beside it. */
    *m->rec.failed = '\0';
    *world->last_point = '\0';
    world_fault("stop v1", FAULT_ERROR);
    update();
    check_unharmed();
    assert_string_equal(m->rec.active.instance.instance, "cats-3");
    world->s.fails_gate = false;
    update();
    assert_int_equal(m->rec.phase, SK_PHASE_PROBATION);
    assert_false(m->rec.old.is_started);
    assert_string_equal(world->bad, "");
}

/* The keeper was killed: it cannot share what the active one listens on, which must go first. */
static void test_keeper_lost(void **state)
{
    (void)state;
    world->port_count = 0;
    world->is_held = true;
    update();
    check_unharmed();
    assert_true(m->must_replace);
    check_shown("running", false, "another has that address");
    update();
    assert_int_equal(m->rec.phase, SK_PHASE_PROBATION);
    assert_false(m->rec.old.is_started);
    assert_false(m->must_replace);
    assert_int_equal(world->port_count, 1);
    /* An address that somebody else has is no reason to stop anything. */
    sk_agent_back(m, "a test");
    world->s.wanted = "v3";
    world->s.has_other_port = true;
    world_want("v3");
    update();
    assert_false(m->must_replace);
}

/* The active one dies during a pull, and is back before the candidate is there. */
static void test_minded(void **state)
{
    (void)state;
    for (size_t i = 0; i < world->count; i++)
        world->instances[i].die_at_ms = world->now_ms + 1;
    world_pass(2);
    assert_int_equal(world_acceptors(NULL), 0);
    for (int i = 0; i < 3 && world_acceptors(NULL) == 0; i++) {
        SK_OWN(sk_agent_spec_unref) struct sk_agent_spec *want = sk_agent_module_want(m);
        struct sk_err err = SK_ERR_INIT;
        m->rec.candidate.spec = sk_agent_spec_ref(want);
        *world->last_point = '\0';
        DONE(sk_agent_pull(m, &m->rec.candidate, true, &err));
        sk_agent_slot_clear(&m->rec.candidate);
    }
    assert_int_equal(world_acceptors(NULL), 1);
    assert_int_equal(m->rec.restarts, 1);
}

static void test_cancelled(void **state)
{
    (void)state;
    SK_OWN(sk_agent_spec_unref) struct sk_agent_spec *want = sk_agent_module_want(m);
    world_want("v3");
    *world->last_point = '\0';
    sk_agent_update(m, want); /* a pull for what nobody wants any more */
    check_unharmed();
    assert_string_equal(m->rec.failed, "");
    assert_int_equal(m->not_before_ms, 0);
}

static void test_full_disk(void **state)
{
    (void)state;
    world->full_until_ms = world->now_ms + 5000;
    update();
    check_unharmed();
    check_shown("running", false, "no space left");
    assert_true(m->is_unsaved || *m->rec.failed == '\0');
    world_pass(10000);
    update();
    assert_int_equal(m->rec.phase, SK_PHASE_PROBATION);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = { ROW(test_good),      ROW(test_gate),
                                        ROW(test_waits),     ROW(test_budget),
                                        ROW(test_final),     ROW(test_dies_in_handover),
                                        ROW(test_replace),   ROW(test_minded),
                                        ROW(test_cancelled), ROW(test_keeper_lost),
                                        ROW(test_full_disk) };
    world_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
