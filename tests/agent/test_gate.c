/* test_gate.c - whether a candidate may serve, and whether it then does worse. */
#include "agent/world.h"

#include <stdio.h>
#include <stdlib.h>

static char *dir;
static struct sk_agent_module *m;

static int begin_kind(enum sk_runtime_kind kind)
{
    struct sk_err err = SK_ERR_INIT;
    *world = (struct world){ .s = { .first = "v1", .wanted = "v2", .kind = kind },
                             .now_ms = 1000000,
                             .next_pid = 10000000 };
    dir = sk_test_dir();
    m = world_open(dir, "v1");
    m->rec.active.spec = sk_agent_spec_ref(m->want);
    DONE(sk_agent_start_active(m, &err));
    world_want("v2");
    m->rec.phase = SK_PHASE_PREPARE;
    m->rec.candidate.spec = sk_agent_spec_ref(m->want);
    m->rec.candidate.image.kind = kind;
    DONE(sk_agent_start_slot(m, &m->rec.candidate, true, &err));
    *world->last_point = '\0';
    return 0;
}

static int begin(void **state)
{
    (void)state;
    return begin_kind(SK_RUNTIME_NATIVE);
}

static int begin_docker(void **state)
{
    (void)state;
    return begin_kind(SK_RUNTIME_DOCKER);
}

static int end(void **state)
{
    (void)state;
    world_close();
    sk_test_dir_free(dir);
    return 0;
}

static int gate(struct sk_err *err)
{
    *err = (struct sk_err)SK_ERR_INIT;
    *world->last_point = '\0';
    return sk_agent_gate(m, &m->rec.candidate, &m->rec.active, err);
}

static void test_passes(void **state)
{
    (void)state;
    struct sk_err err;
    assert_int_equal(gate(&err), 0);
    /* Faults of one question are none of the model. */
    static const char *const points[] = { "state v2", "test v2", "test v1", "status" };
    for (size_t i = 0; i < COUNT(points); i++) {
        world_fault(points[i], FAULT_ERROR);
        if (gate(&err) < 0)
            fail_msg("%s: %s", points[i], err.text);
    }
}

static void test_refused(void **state)
{
    (void)state;
    struct sk_err err;
    world->s.fails_gate = true;
    assert_int_equal(gate(&err), -1);
    assert_int_equal(err.code, SK_DENIED);
    assert_non_null(strstr(err.text, "test predictions are wrong: a fact of the test"));
    world->s.fails_gate = false;
    world->instances[1].is_alive = false;
    assert_int_equal(gate(&err), -1);
    assert_int_equal(err.code, SK_DENIED);
    assert_non_null(strstr(err.text, "it ended before it was ready: Exited (139)"));
}

static void test_cancelled(void **state)
{
    (void)state;
    struct sk_err err;
    world_want("v3");
    assert_int_equal(gate(&err), -1);
    assert_int_equal(err.code, SK_CANCELLED);
    world_want("v2");
    atomic_store(&m->agent->stops, true);
    assert_int_equal(gate(&err), -1);
    assert_int_equal(err.code, SK_CANCELLED);
}

/* Time and classes, against the version that serves. */
static void test_compared(void **state)
{
    (void)state;

    static const struct {
        double ours, theirs;
        bool has_classes, passes;
        const char *words;
    } rows[] = {
        { 5, 5, true, true, NULL },
        { 15, 5, true, true, NULL },
        { 16, 5, true, false, "a prediction takes 16.0 ms, more than 3 times the 5.0 ms" },
        { 0.9, 0.1, true, true, NULL }, /* noise */
        { 5, 5, false, false, "no class scores" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err;
        world->test_ms[0] = rows[i].theirs;
        world->test_ms[1] = rows[i].ours;
        world->has_no_classes = !rows[i].has_classes;
        int rc = gate(&err);
        if ((rc == 0) != rows[i].passes || (rc < 0 && !strstr(err.text, rows[i].words)))
            fail_msg("row %zu: %s", i, err.text);
    }
}

static void test_docker(void **state)
{
    (void)state;
    struct sk_err err;
    assert_int_equal(gate(&err), 0);
    world->s.fails_gate = true;
    assert_int_equal(gate(&err), -1);
    assert_non_null(strstr(err.text, "HEALTHCHECK says unhealthy"));
}

/* ---- probation ---- */

static void want_env(const char *env)
{
    char module[300];
    (void)snprintf(module, sizeof module,
                   "{\"settings\":{\"image\":\"r.test/cats:v2\"},\"env\":{%s}}", env);
    sk_agent_spec_unref(m->rec.active.spec);
    m->rec.active.spec = spec_of("cats", module);
}

static void test_worse(void **state)
{
    (void)state;

    static const struct {
        const char *name, *env;
        unsigned requests, errors;
        double p99, rate_before, p99_before;
        const char *words;
    } rows[] = {
        { "no option", "", 100, 100, 1000, 0, 1, NULL },
        { "errors", "\"SKERRY_ROLLBACK_ERROR_RATE\":{\"value\":0.1}", 100, 11, 0, 0, 0,
          "11.0 % of its requests failed, 0.0 % of the version before" },
        { "at the rate", "\"SKERRY_ROLLBACK_ERROR_RATE\":{\"value\":\"0.11\"}", 100, 11, 0, 0, 0,
          NULL },
        { "few requests", "\"SKERRY_ROLLBACK_ERROR_RATE\":{\"value\":0.1}", 19, 19, 0, 0, 0, NULL },
        { "no worse than before", "\"SKERRY_ROLLBACK_ERROR_RATE\":{\"value\":0.1}", 100, 20, 0, 0.5,
          0, NULL },
        { "p99", "\"SKERRY_ROLLBACK_P99_RATIO\":{\"value\":2}", 100, 0, 21, 0, 10,
          "p99 latency is 21.0 ms, 10.0 ms of the version before it" },
        { "p99 within", "\"SKERRY_ROLLBACK_P99_RATIO\":{\"value\":2}", 100, 0, 20, 0, 10, NULL },
        { "p99, none before", "\"SKERRY_ROLLBACK_P99_RATIO\":{\"value\":2}", 100, 0, 20, 0, 0,
          NULL },
        { "no number", "\"SKERRY_ROLLBACK_ERROR_RATE\":{\"value\":\"much\"}", 100, 99, 0, 0, 0,
          NULL },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char why[200] = "";
        want_env(rows[i].env);
        world->requests = rows[i].requests;
        world->errors = rows[i].errors;
        world->p99_ms = rows[i].p99;
        m->error_rate_before = rows[i].rate_before;
        m->p99_before = rows[i].p99_before;
        bool is = sk_agent_is_worse(m, why);
        if (is != (rows[i].words != NULL) || (is && !strstr(why, rows[i].words)))
            fail_msg("%s: %s", rows[i].name, why);
    }
}

static void test_hub_lost(void **state)
{
    (void)state;
    char why[200] = "";
    want_env("\"SKERRY_ROLLBACK_HUB_LOST_SECONDS\":{\"value\":30}");
    sk_agent_note_before(m);
    world_pass(29000);
    assert_false(sk_agent_is_worse(m, why));
    m->agent->is_uplink = true;
    assert_false(sk_agent_is_worse(m, why));
    m->agent->is_uplink = false;
    world_pass(29000);
    assert_false(sk_agent_is_worse(m, why));
    world_pass(1000);
    assert_true(sk_agent_is_worse(m, why));
    assert_non_null(strstr(why, "30 s since"));
}

static void test_note_before(void **state)
{
    (void)state;
    world->requests = 200;
    world->errors = 50;
    world->p99_ms = 7;
    sk_agent_note_before(m);
    assert_true(m->error_rate_before == 0.25 && m->p99_before == 7);
    world_fault("state", FAULT_ERROR);
    *world->last_point = '\0';
    sk_agent_note_before(m);
    assert_true(m->error_rate_before == 0 && m->p99_before == 0);
}

static void test_memory(void **state)
{
    (void)state;
    char why[160];
    const struct sk_instance none = { .pid = 0 };
    assert_true(sk_agent_has_memory(&none, why));
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        ROW(test_passes),
        ROW(test_refused),
        ROW(test_cancelled),
        ROW(test_compared),
        cmocka_unit_test_setup_teardown(test_docker, begin_docker, end),
        ROW(test_worse),
        ROW(test_hub_lost),
        ROW(test_note_before),
        ROW(test_memory),
    };
    world_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
