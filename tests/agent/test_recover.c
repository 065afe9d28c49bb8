/* test_recover.c - records as a kill may leave them, and odd ones: what serves afterwards. */
#include "agent/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { /* what a slot holds, and how its instance is */
    NONE,
    ALIVE,
    DEAD,
    BEGUN /* named; no process is known of it */
};

static char *dir;

static void fill(struct sk_agent_slot *s, const char *tag, int how, bool accepts)
{
    char module[200];
    if (how == NONE)
        return;
    struct world_instance *n = &world->instances[world->count++];
    (void)snprintf(module, sizeof module, "{\"settings\":{\"image\":\"r.test/cats:%s\"}}", tag);
    s->spec = spec_of("cats", module);
    s->is_started = true;
    *n = (struct world_instance){ .pid = world->next_pid++,
                                  .is_alive = how == ALIVE,
                                  .accepts = how == ALIVE && accepts };
    (void)snprintf(n->version, sizeof n->version, "%s", tag);
    (void)snprintf(n->name, sizeof n->name, "cats-%u", (unsigned)world->count);
    (void)snprintf(s->instance.instance, sizeof s->instance.instance, "%s", n->name);
    s->instance.pid = how == BEGUN ? 0 : n->pid;
}

static void test_phases(void **state)
{
    (void)state;

    static const struct {
        const char *name;
        enum sk_agent_phase phase;
        int active, candidate, old;
        enum sk_agent_phase then;
        const char *serves; /* version that accepts; "": the next step starts one */
        unsigned alive;
    } rows[] = {
        { "steady", SK_PHASE_STEADY, ALIVE, NONE, NONE, SK_PHASE_STEADY, "v1", 1 },
        { "nothing", SK_PHASE_STEADY, NONE, NONE, NONE, SK_PHASE_STEADY, "", 0 },
        { "begun", SK_PHASE_STEADY, BEGUN, NONE, NONE, SK_PHASE_STEADY, "", 0 },
        { "back, not cleaned up", SK_PHASE_STEADY, ALIVE, ALIVE, NONE, SK_PHASE_STEADY, "v1", 1 },
        { "prepare", SK_PHASE_PREPARE, ALIVE, ALIVE, NONE, SK_PHASE_STEADY, "v1", 1 },
        { "prepare, begun", SK_PHASE_PREPARE, ALIVE, BEGUN, NONE, SK_PHASE_STEADY, "v1", 1 },
        { "replace", SK_PHASE_REPLACE, DEAD, ALIVE, NONE, SK_PHASE_STEADY, "", 0 },
        { "replace, not stopped", SK_PHASE_REPLACE, ALIVE, NONE, NONE, SK_PHASE_STEADY, "v1", 1 },
        { "hand-over", SK_PHASE_HANDOVER, ALIVE, ALIVE, NONE, SK_PHASE_PROBATION, "v2", 2 },
        { "hand-over, it died", SK_PHASE_HANDOVER, ALIVE, DEAD, NONE, SK_PHASE_STEADY, "v1", 1 },
        { "hand-over, both died", SK_PHASE_HANDOVER, DEAD, DEAD, NONE, SK_PHASE_STEADY, "", 0 },
        { "hand-over, the first", SK_PHASE_HANDOVER, NONE, ALIVE, NONE, SK_PHASE_STEADY, "v2", 1 },
        { "probation", SK_PHASE_PROBATION, ALIVE, NONE, ALIVE, SK_PHASE_PROBATION, "v1", 2 },
        { "probation without an old one", SK_PHASE_PROBATION, ALIVE, NONE, NONE, SK_PHASE_STEADY,
          "v1", 1 },
        { "probation of nothing", SK_PHASE_PROBATION, NONE, NONE, ALIVE, SK_PHASE_STEADY, "", 0 },
        { "commit", SK_PHASE_COMMIT, ALIVE, NONE, ALIVE, SK_PHASE_STEADY, "v1", 2 },
        { "commit, done", SK_PHASE_COMMIT, ALIVE, NONE, NONE, SK_PHASE_STEADY, "v1", 1 },
        { "commit of nothing", SK_PHASE_COMMIT, NONE, NONE, ALIVE, SK_PHASE_STEADY, "", 0 },
        { "back", SK_PHASE_BACK, DEAD, NONE, ALIVE, SK_PHASE_STEADY, "v0", 1 },
        { "back, both died", SK_PHASE_BACK, DEAD, NONE, DEAD, SK_PHASE_STEADY, "v0", 1 },
        { "back to nothing", SK_PHASE_BACK, ALIVE, NONE, NONE, SK_PHASE_STEADY, "v1", 1 },
        { "remove", SK_PHASE_REMOVE, DEAD, ALIVE, ALIVE, SK_PHASE_STEADY, "", 0 },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct world_instance *one = NULL;
        *world = (struct world){ .now_ms = 1000000, .next_pid = 10000000 };
        (void)unlink(at(dir, "state/modules/cats.json"));
        (void)unlink(at(dir, "state/modules/cats.bak"));
        struct sk_agent_module *m = world_open(dir, "v1");
        m->rec.phase = rows[i].phase;
        m->rec.probation_left_ms = 5000;
        bool over = rows[i].phase == SK_PHASE_HANDOVER;
        fill(&m->rec.active, "v1", rows[i].active, true);
        fill(&m->rec.candidate, "v2", rows[i].candidate, over);
        fill(&m->rec.old, "v0", rows[i].old, false);
        m->rec.next = world->count + 1;
        sk_agent_recover(m);
        unsigned n = world_acceptors(&one);
        if (m->rec.phase != rows[i].then || n != (*rows[i].serves != '\0') ||
            (one && strcmp(one->version, rows[i].serves) != 0) || world_alive() != rows[i].alive)
            fail_msg("%s: phase %s, %u serve, %s, %u run", rows[i].name,
                     sk_agent_phase_name(m->rec.phase), n, one ? one->version : "none",
                     world_alive());
        if (n == 0 && m->rec.active.is_started)
            fail_msg("%s: a dead one passes for one that was started", rows[i].name);
        if (*world->bad && rows[i].then == SK_PHASE_STEADY)
            fail_msg("%s: %s", rows[i].name, world->bad);
        for (size_t k = 0; k < SK_AGENT_LINGER_MAX; k++) /* its time begins anew */
            if (m->rec.lingering[k].spec)
                assert_true(m->linger_since_ms[k] >= 1000000);
        world_close();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_phases) };
    world_begin();
    dir = sk_test_dir();
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    sk_test_dir_free(dir);
    return rc;
}
