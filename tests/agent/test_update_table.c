/*
 * test_update_table.c - every point of an update x every fault (F6): the end is the old version,
 * the new one, or a failure that is reported; never a mixture, never two, never nobody.
 *
 * For each scenario the update runs once without a fault, and the points it passes are written
 * down: each call of runtime, keeper and local hub, each write of the record, each change of its
 * files. Then it runs once for each point and each fault that the point can have; an agent that was
 * killed is started again, in some cases to be killed again on its way. At the end, and once more
 * after another start, all of check() must hold.
 *
 * A step that repeats an earlier one, behind the same step, is left out, and of some scenarios
 * every third case taken, unless SK_ALL=1; under AddressSanitizer, ten times slower here, every
 * fourth of the rest. SK_CASE="native-good/12" runs the cases whose name begins so, SK_TEST_LOG=1
 * with the agent's log.
 */
#include "agent/world.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mix64.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SLOW 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define IS_SLOW 1
#endif
#ifndef IS_SLOW
#define IS_SLOW 0
#endif

enum {
    FEWEST_CASES = 500,
    SAMPLED_EVERY = 3,
    SLOW_EVERY = 4,
    DOWN_MS = 1000 /* between a kill and the next start */
};

static const struct scenario scenarios[] = {
    { .name = "native-good", .first = "v1", .wanted = "v2", .end = "v2" },
    { .name = "native-gate",
      .is_sampled = true,
      .first = "v1",
      .wanted = "v2",
      .end = "v1",
      .fails_gate = true },
    { .name = "native-dies-once",
      .is_sampled = true,
      .first = "v1",
      .wanted = "v2",
      .end = "v2",
      .deaths = 1 },
    { .name = "native-dies",
      .is_sampled = true,
      .first = "v1",
      .wanted = "v2",
      .end = "v1",
      .deaths = 50 },
    { .name = "native-no-groups",
      .is_sampled = true,
      .first = "v1",
      .wanted = "v2",
      .end = "v2",
      .has_no_groups = true },
    { .name = "native-never",
      .is_sampled = true,
      .first = "v1",
      .wanted = "v2",
      .end = "v2",
      .policy = "never" },
    { .name = "native-other-port",
      .is_sampled = true,
      .first = "v1",
      .wanted = "v2",
      .end = "v2",
      .has_other_port = true },
    { .name = "native-other-port-gate",
      .is_sampled = true,
      .first = "v1",
      .wanted = "v2",
      .end = "v1",
      .fails_gate = true,
      .has_other_port = true },
    { .name = "native-superseded",
      .is_sampled = true,
      .first = "v1",
      .wanted = "v2",
      .later = "v3",
      .end = "v3" },
    { .name = "native-first", .is_sampled = true, .wanted = "v1", .end = "v1" },
    { .name = "native-removed", .is_sampled = true, .first = "v1" },
    { .name = "replace-good", .first = "v1", .wanted = "v2", .end = "v2", .cannot_overlap = true },
    { .name = "replace-gate",
      .is_sampled = true,
      .first = "v1",
      .wanted = "v2",
      .end = "v1",
      .cannot_overlap = true,
      .fails_gate = true },
    { .name = "replace-gate-never",
      .is_sampled = true,
      .first = "v1",
      .wanted = "v2",
      .end = "v1",
      .cannot_overlap = true,
      .fails_gate = true,
      .policy = "never" },
    { .name = "replace-dies",
      .is_sampled = true,
      .first = "v1",
      .wanted = "v2",
      .end = "v1",
      .cannot_overlap = true,
      .deaths = 50 },
    { .name = "docker-good",
      .kind = SK_RUNTIME_DOCKER,
      .first = "v1",
      .wanted = "v2",
      .end = "v2" },
    { .name = "docker-gate",
      .is_sampled = true,
      .kind = SK_RUNTIME_DOCKER,
      .first = "v1",
      .wanted = "v2",
      .end = "v1",
      .fails_gate = true },
    { .name = "docker-dies",
      .is_sampled = true,
      .kind = SK_RUNTIME_DOCKER,
      .first = "v1",
      .wanted = "v2",
      .end = "v1",
      .deaths = 50 },
    { .name = "docker-first",
      .is_sampled = true,
      .kind = SK_RUNTIME_DOCKER,
      .wanted = "v1",
      .end = "v1" },
    { .name = "docker-replace",
      .is_sampled = true,
      .kind = SK_RUNTIME_DOCKER,
      .first = "v1",
      .wanted = "v2",
      .end = "v2",
      .cannot_overlap = true },
};

static struct table {
    char dir[64];
    struct world before;
    char *record, *record_before; /* files; NULL: none */
    unsigned cases, failed, kills, reported;
    uint64_t worst_gap_ms, worst_gap_of_none_ms;
    char worst[160];
} t;

/* ---- the state before each case ---- */

static char *take_file(const char *name)
{
    return sk_is_file(at(t.dir, name)) ? text_of(at(t.dir, name)) : NULL;
}

static void put_file(const char *name, const char *text)
{
    (void)unlink(at(t.dir, name));
    if (!text)
        return;
    FILE *f = fopen(at(t.dir, name), "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static void empty_folder(void)
{
    struct sk_dir dir = { .count = 0 };
    struct sk_err err = SK_ERR_INIT;
    DONE(sk_dir_read(at(t.dir, "state/modules"), &dir, &err));
    for (size_t i = 0; i < dir.count; i++) {
        char name[300];
        (void)snprintf(name, sizeof name, "state/modules/%s", dir.names[i]);
        (void)unlink(at(t.dir, name));
    }
    sk_dir_done(&dir);
}

static void restore(void)
{
    empty_folder();
    *world = t.before;
    put_file("state/modules/cats.json", t.record);
    put_file("state/modules/cats.bak", t.record_before);
}

/* The first version serves, committed. */
static void set_up(const struct scenario *s)
{
    free(t.record);
    free(t.record_before);
    t.record = t.record_before = NULL;
    empty_folder();
    *world = (struct world){ .s = *s, .now_ms = 1000000, .next_pid = 10000000 };
    world->want = s->first;
    if (s->first) {
        int rc = world_run(t.dir);
        if (rc != 0 || !world->is_settled || *world->bad)
            fail_msg("%s: the first version: %d, %s %s", s->name, rc, world->why, world->bad);
    }
    world->want = s->wanted;
    world->deaths_left = s->deaths;
    world->gap_ms = 0;
    world->most_alive = 0;
    world->has_died = false;
    t.before = *world;
    t.record = take_file("state/modules/cats.json");
    t.record_before = take_file("state/modules/cats.bak");
}

/* ---- what must hold ---- */

static const char *check_record(const struct world_instance *one)
{
    static char why[200];
    struct sk_agent_record r = { .next = 1 };
    struct sk_err err = SK_ERR_INIT;
    *why = '\0';
    if (sk_agent_record_load(t.dir, "cats", &r, &err) < 0)
        (void)snprintf(why, sizeof why, "the record: %.150s", err.text);
    else if (r.phase != SK_PHASE_STEADY || r.candidate.spec || r.old.spec || !r.active.spec)
        (void)snprintf(why, sizeof why, "the record is in phase %s", sk_agent_phase_name(r.phase));
    else if (strcmp(r.active.instance.instance, one->name) != 0 ||
             strcmp(r.active.spec->tag, one->version) != 0)
        (void)snprintf(why, sizeof why, "the record says %.50s of %.50s, %.20s of %.20s serves",
                       r.active.instance.instance, r.active.spec->tag, one->name, one->version);
    sk_agent_record_clear(&r);
    return *why ? why : NULL;
}

static const char *check_removed(void)
{
    if (world_alive() > 0)
        return "an instance is left";
    if (world->port_count > 0)
        return "a port is left";
    return sk_is_file(at(t.dir, "state/modules/cats.json")) ? "the record is left" : NULL;
}

/* NULL: all holds. is_restarted: a start without faults came behind it. */
static const char *check(int rc, bool is_restarted)
{
    static char why[700];
    const struct world_instance *one = NULL;
    const struct scenario *s = &world->s;
    if (*world->bad)
        return world->bad;
    if (rc != 0 || !world->is_settled) {
        (void)snprintf(why, sizeof why, "it has not settled (%d): %s", rc, world->why);
        return why;
    }
    if (!world->want)
        return check_removed();
    unsigned n = world_acceptors(&one);
    if (n == 0 && s->policy && world->has_died && strncmp(world->why, "failed", 6) == 0)
        return NULL; /* restartPolicy never: a death is for good, and told */
    if (n != 1) {
        (void)snprintf(why, sizeof why, "%u instances serve: %s", n, world->why);
        return why;
    }
    bool is_reported = s->first && strcmp(one->version, world->want) != 0 && world->is_failed;
    if (strcmp(one->version, s->end) != 0 && is_reported)
        t.reported += !is_restarted; /* such as for a gate that never answered */
    else if (strcmp(one->version, s->end) != 0) {
        (void)snprintf(why, sizeof why, "%s serves, not %s: %s", one->version, s->end, world->why);
        return why;
    }
    if (s->first && strcmp(s->end, s->first) == 0 && !world->is_failed)
        return "the old version serves, and no failure is reported";
    if (world_alive() != 1 && (is_restarted || !s->has_no_groups))
        return "an instance is left that nobody owns";
    if (strcmp(world->hub_active, one->name) != 0)
        return "the local hub takes another instance for the active one";
    const char *port = s->has_other_port && strcmp(one->version, s->wanted) == 0 ? ":6001/"
                                                                                 : ":5001/";
    if (world->port_count != 1 || !strstr(world->ports[0], port))
        return "other ports are open than those of what serves";
    return check_record(one);
}

/* ---- a case ---- */

struct one_case {
    char name[120];
    unsigned point;
    enum fault fault;
    unsigned again[2]; /* points of the next starts at which they are killed too; 0: none */
};

static void fail_case(const struct one_case *c, const char *when, const char *why)
{
    t.failed++;
    print_message("# %s: %s%s\n", c->name, when, why);
}

static void note_gap(const struct one_case *c)
{
    if (world->s.cannot_overlap || !world->s.wanted || !world->s.first)
        return;
    if (!world->has_died && world->gap_ms > t.worst_gap_of_none_ms)
        t.worst_gap_of_none_ms = world->gap_ms;
    if (world->gap_ms > t.worst_gap_ms) {
        t.worst_gap_ms = world->gap_ms;
        (void)snprintf(t.worst, sizeof t.worst, "%s", c->name);
    }
}

static bool is_taken(const struct one_case *c)
{
    static unsigned sampled, taken;
    const char *only = getenv("SK_CASE");
    if (only)
        return strncmp(c->name, only, strlen(only)) == 0;
    if (getenv("SK_ALL"))
        return true;
    if (world->s.is_sampled && ++sampled % SAMPLED_EVERY != 0)
        return false;
    return !IS_SLOW || ++taken % SLOW_EVERY == 0;
}

static void run_case(const struct one_case *c)
{
    if (!is_taken(c))
        return;
    t.cases++;
    restore();
    world->fault = c->fault;
    world->fault_at = c->point;
    int rc = world_run(t.dir);
    for (int i = 0; rc == SIGKILL && i < 4; i++) {
        t.kills++;
        world_pass(DOWN_MS);
        world->fault = i < 2 && c->again[i] ? FAULT_KILL_BEFORE : FAULT_NONE;
        world->fault_at = i < 2 ? c->again[i] : 0;
        rc = world_run(t.dir);
    }
    const char *why = check(rc, false);
    if (why) {
        fail_case(c, "", why);
        return;
    }
    note_gap(c);
    world->fault = FAULT_NONE;
    world_pass(DOWN_MS);
    rc = world_run(t.dir);
    why = check(rc, true);
    if (why)
        fail_case(c, "after another start: ", why);
}

static bool applies(enum fault f, int kind, const char *point)
{
    static const unsigned calls = 1u << FAULT_ERROR | 1u << FAULT_LOST | 1u << FAULT_HANG |
                                  1u << FAULT_HANG_DONE | 1u << FAULT_KILL_BEFORE |
                                  1u << FAULT_KILL_AFTER | 1u << FAULT_POWER |
                                  1u << FAULT_POWER_AFTER;
    static const unsigned saves = 1u << FAULT_ERROR | 1u << FAULT_LOST | 1u << FAULT_KILL_BEFORE |
                                  1u << FAULT_KILL_AFTER | 1u << FAULT_POWER |
                                  1u << FAULT_POWER_AFTER | 1u << FAULT_FULL | 1u << FAULT_TORN;
    static const unsigned files = 1u << FAULT_KILL_BEFORE;
    /* Without control groups what a start leaves is found by the next start of the agent. */
    if (world->s.has_no_groups && strncmp(point, "start", 5) == 0 &&
        (f == FAULT_LOST || f == FAULT_HANG_DONE))
        return false;
    return (kind == POINT_SAVE ? saves : kind == POINT_FILE ? files : calls) & 1u << f;
}

/* Whether the same step behind the same step came before: deaths repeat the whole way. */
static bool is_repeated(char names[][48], unsigned p)
{
    for (unsigned i = 1; i < p; i++)
        if (strcmp(names[i], names[p]) == 0 && strcmp(names[i - 1], names[p - 1]) == 0)
            return true;
    return false;
}

static void run_scenario(const struct scenario *s)
{
    static char names[WORLD_POINTS][48];
    static unsigned char kinds[WORLD_POINTS];
    const char *only = getenv("SK_CASE");
    const bool takes_all = only || getenv("SK_ALL");
    if (only && strncmp(only, s->name, strcspn(only, "/")) != 0)
        return;
    set_up(s);
    restore();
    int rc = world_run(t.dir);
    unsigned points = world->point;
    const char *why = check(rc, false);
    if (why)
        fail_msg("%s without a fault: %s", s->name, why);
    assert_in_range(points, 10, WORLD_POINTS - 1);
    memcpy(names, world->names, sizeof names);
    memcpy(kinds, world->kinds, sizeof kinds);
    unsigned before = t.cases;
    for (unsigned p = 0; p < points; p++)
        for (int f = FAULT_ERROR; f < FAULT_COUNT; f++) {
            if (!applies((enum fault)f, kinds[p], names[p]) ||
                (!takes_all && is_repeated(names, p)))
                continue;
            struct one_case c = { .point = p, .fault = (enum fault)f };
            (void)snprintf(c.name, sizeof c.name, "%s/%u:%s/%s", s->name, p, names[p],
                           world_fault_name((enum fault)f));
            run_case(&c);
            if (f != FAULT_KILL_AFTER && f != FAULT_POWER_AFTER)
                continue;
            uint64_t r = sk_mix64(p * 31 + (unsigned)f);
            c.again[0] = 1 + (unsigned)(r % 16);
            c.again[1] = 1 + (unsigned)(r / 16 % 16);
            (void)snprintf(c.name, sizeof c.name, "%s/%u:%s/%s-%u-%u", s->name, p, names[p],
                           world_fault_name((enum fault)f), c.again[0], c.again[1]);
            run_case(&c);
        }
    print_message("# %s: %u points, %u cases\n", s->name, points, t.cases - before);
}

static void test_table(void **state)
{
    (void)state;
    const uint64_t begin = sk_wall_ms();
    for (size_t i = 0; i < COUNT(scenarios); i++)
        run_scenario(&scenarios[i]);
    print_message(
        "# %u cases, %u kills, %u ended in a failure that is reported, %u failed, %llu ms\n",
        t.cases, t.kills, t.reported, t.failed, (unsigned long long)(sk_wall_ms() - begin));
    print_message("# longest without one that serves: %llu ms (%s), %llu ms where none had died\n",
                  (unsigned long long)t.worst_gap_ms, t.worst,
                  (unsigned long long)t.worst_gap_of_none_ms);
    assert_int_equal(t.failed, 0);
    assert_int_equal(t.worst_gap_of_none_ms, 0);
    if (!getenv("SK_CASE"))
        assert_true(t.cases >= FEWEST_CASES);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_table) };
    struct rig r;
    world_begin();
    /* Thousands of records are synced: in memory that costs nothing. */
    (void)snprintf(t.dir, sizeof t.dir, "%s/skerry-test-XXXXXX",
                   sk_is_dir("/dev/shm") ? "/dev/shm" : "/tmp");
    if (!mkdtemp(t.dir))
        return 1;
    rig_open(&r, t.dir);
    rig_close(&r);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    struct sk_err err = SK_ERR_INIT;
    free(t.record);
    free(t.record_before);
    return sk_remove_tree(t.dir, &err) < 0 ? 1 : rc;
}
