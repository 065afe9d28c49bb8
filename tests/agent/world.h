/*
 * world.h - a device in memory, on which the real agent's code runs: instances, the keeper's ports,
 * the local hub's roles, a clock, and one fault at a numbered point.
 *
 * It lies in memory that processes share: a child that plays the agent may be killed, and leaves
 * the world as it was. Linked in front of the agent's library, its functions stand for
 * sk_runtime_*, sk_keeper_* and sk_wire_*; the clock, poll() and the writing of records are led
 * here by the linker (meson.build). Waiting costs nothing: the clock jumps.
 */
#ifndef SK_TESTS_AGENT_WORLD_H
#define SK_TESTS_AGENT_WORLD_H

#include "agent/agent_util.h"

enum fault {
    FAULT_NONE,
    FAULT_ERROR,       /* fails, nothing was done */
    FAULT_LOST,        /* fails, but was done */
    FAULT_HANG,        /* fails after its time, nothing was done */
    FAULT_HANG_DONE,   /* fails after its time, but was done */
    FAULT_KILL_BEFORE, /* the agent is killed before it */
    FAULT_KILL_AFTER,
    FAULT_POWER, /* everything ends before it, but what lies on the disk */
    FAULT_POWER_AFTER,
    FAULT_FULL, /* records: this one and all of the next half a minute */
    FAULT_TORN, /* records: the agent is killed, and the file is cut off */
    FAULT_COUNT
};

enum { /* what a point is */
    POINT_CALL,
    POINT_SAVE,
    POINT_FILE /* link, rename, unlink of a record's file */
};

enum {
    WORLD_INSTANCES = 64,
    WORLD_POINTS = 600,
    WORLD_PORTS = 8
};

/* What is to happen, the same for all cases of it. */
struct scenario {
    const char *name;
    enum sk_runtime_kind kind;
    const char *first, *wanted, *later; /* tags; NULL: nothing. later: once the second one serves */
    const char *end;                    /* the tag that serves at the end */
    bool cannot_overlap, fails_gate, has_no_groups, has_other_port;
    bool is_sampled;    /* every third case is enough for every day */
    unsigned deaths;    /* of the wanted version, each soon after it began to serve */
    const char *policy; /* restartPolicy; NULL: always */
};

struct world_instance {
    char name[160], version[16];
    int64_t pid;
    uint64_t die_at_ms;
    bool is_alive, accepts;
};

struct world {
    struct scenario s;
    uint64_t now_ms;
    unsigned last_grace_ms; /* of the last stop */
    struct world_instance instances[WORLD_INSTANCES];
    size_t count;
    int64_t next_pid;
    char ports[WORLD_PORTS][SK_KEEPER_NAME_MAX + 1], targets[WORLD_PORTS][96];
    size_t port_count;
    bool is_held; /* a native instance holds what the keeper has not */
    char hub_active[160];
    unsigned connections; /* that an instance says it has */
    unsigned requests, errors;
    double p99_ms, test_ms[2]; /* of the first version, of others; 0: half a millisecond */
    size_t keep_count;         /* digests that a trim was to keep, and its room */
    uint64_t trim_bytes;
    bool has_no_classes; /* others than the first version */
    bool hub_must_hear;
    unsigned deaths_left;
    const char *want; /* tag */
    /* faults */
    unsigned point, fault_at;
    enum fault fault;
    char fault_name[48]; /* instead of fault_at: the next point whose name begins so; "": none */
    uint64_t full_until_ms;
    char last_point[48];
    char names[WORLD_POINTS][48]; /* of the points of this run */
    unsigned char kinds[WORLD_POINTS];
    /* the run */
    uint64_t stop_at_ms;
    bool is_settled, is_failed, has_died;
    char why[500];
    /* what was seen */
    char bad[300]; /* the first promise that was broken; "" */
    uint64_t gap_ms;
    unsigned most_alive;
};

extern struct world *world;

/* A world of its own, shared with children. */
void world_begin(void);
/* Plays the agent in a child until it has settled, was killed, or a while has passed: 0, SIGKILL,
 * or an exit status. */
int world_run(const char *dir);
/* The same agent in this process, without a thread: its module "cats". want: a tag; NULL: none. */
struct sk_agent_module *world_open(const char *dir, const char *want);
void world_close(void);
/* From now on `tag` is wanted, NULL: nothing. */
void world_want(const char *tag);
/* The next point whose name begins so has the fault. */
void world_fault(const char *name, enum fault f);
void world_note(const char *fmt, ...) SK_PRINTF(1, 2);
void world_pass(uint64_t ms);
unsigned world_acceptors(const struct world_instance **one);
unsigned world_alive(void);
const char *world_fault_name(enum fault f);

#endif
