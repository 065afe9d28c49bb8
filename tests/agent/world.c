/* world.c - see world.h. */
#include "agent/world.h"

#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    RUN_MS = 3600 * 1000, /* a run that has not settled then never will */
    FULL_MS = 30000,
    DIES_AFTER_MS = 700,
    LATER_MS = 600
};

struct world *world;
static struct rig *playing; /* in the child */

static const char *const fault_names[FAULT_COUNT] = { "none",        "error", "lost",       "hang",
                                                      "hang-done",   "kill",  "kill-after", "power",
                                                      "power-after", "full",  "torn" };

const char *world_fault_name(enum fault f)
{
    return fault_names[f];
}

void world_begin(void)
{
    world = mmap(NULL, sizeof *world, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(world != MAP_FAILED);
}

/* ---- what is seen ---- */

void world_note(const char *fmt, ...)
{
    va_list args;
    if (*world->bad)
        return;
    va_start(args, fmt);
    (void)vsnprintf(world->bad, sizeof world->bad, fmt, args);
    va_end(args);
}

static bool serves(const struct world_instance *i)
{
    char target[200];
    if (!i->is_alive || world->s.kind == SK_RUNTIME_NATIVE)
        return i->is_alive && i->accepts;
    (void)snprintf(target, sizeof target, "%.150s.address:5001", i->name);
    for (size_t k = 0; k < world->port_count; k++)
        if (strcmp(world->targets[k], target) == 0)
            return true;
    return false;
}

unsigned world_acceptors(const struct world_instance **one)
{
    unsigned n = 0;
    for (size_t i = 0; i < world->count; i++)
        if (serves(&world->instances[i])) {
            n++;
            if (one)
                *one = &world->instances[i];
        }
    return n;
}

unsigned world_alive(void)
{
    unsigned n = 0;
    for (size_t i = 0; i < world->count; i++)
        n += world->instances[i].is_alive;
    return n;
}

/* The agent itself never leaves a moment without one that serves, where two can be. */
static void check_gap(unsigned before, const char *what)
{
    if (before > 0 && world_acceptors(NULL) == 0 && !world->s.cannot_overlap && world->s.wanted &&
        world->s.first)
        world_note("nobody serves after '%s' of the agent", what);
}

void world_pass(uint64_t ms)
{
    uint64_t until = world->now_ms + ms;
    while (world->now_ms < until) {
        uint64_t step = until;
        for (size_t i = 0; i < world->count; i++) {
            const struct world_instance *n = &world->instances[i];
            if (n->is_alive && n->die_at_ms && n->die_at_ms < step)
                step = n->die_at_ms > world->now_ms ? n->die_at_ms : world->now_ms;
        }
        if (world_acceptors(NULL) == 0)
            world->gap_ms += step - world->now_ms;
        world->now_ms = step;
        for (size_t i = 0; i < world->count; i++) {
            struct world_instance *n = &world->instances[i];
            if (n->is_alive && n->die_at_ms && n->die_at_ms <= world->now_ms) {
                n->is_alive = n->accepts = false;
                world->has_died = true;
            }
        }
    }
}

/* ---- faults ---- */

static _Noreturn void die(void)
{
    (void)raise(SIGKILL);
    _exit(98);
}

static void cut_power(void)
{
    for (size_t i = 0; i < world->count; i++)
        world->instances[i].is_alive = world->instances[i].accepts = false;
    world->port_count = 0;
    *world->hub_active = '\0';
    world->has_died = true;
    die();
}

/* The next point; equal ones in a row, as of waiting, count once. */
static enum fault reach(const char *name, int kind)
{
    if (kind == POINT_CALL && strcmp(world->last_point, name) == 0)
        return FAULT_NONE;
    (void)snprintf(world->last_point, sizeof world->last_point, "%s", name);
    unsigned at_point = world->point++;
    if (at_point < WORLD_POINTS) {
        (void)snprintf(world->names[at_point], sizeof world->names[0], "%s", name);
        world->kinds[at_point] = (unsigned char)kind;
    }
    bool is_it = *world->fault_name
                     ? strncmp(name, world->fault_name, strlen(world->fault_name)) == 0
                     : at_point == world->fault_at;
    enum fault f = is_it ? world->fault : FAULT_NONE;
    if (is_it && *world->fault_name) {
        *world->fault_name = '\0';
        world->fault = FAULT_NONE;
    }
    if (f == FAULT_KILL_BEFORE)
        die();
    if (f == FAULT_POWER)
        cut_power();
    return f;
}

static int before(enum fault f, uint64_t timeout_ms, struct sk_err *err)
{
    if (f == FAULT_HANG)
        world_pass(timeout_ms);
    if (f == FAULT_ERROR || f == FAULT_HANG)
        return sk_fail(err, f == FAULT_HANG ? SK_TIMEOUT : SK_IO, "a fault of the test");
    return 0;
}

static int after(enum fault f, uint64_t timeout_ms, struct sk_err *err)
{
    if (f == FAULT_KILL_AFTER)
        die();
    if (f == FAULT_POWER_AFTER)
        cut_power();
    if (f == FAULT_HANG_DONE)
        world_pass(timeout_ms);
    if (f == FAULT_LOST || f == FAULT_HANG_DONE)
        return sk_fail(err, f == FAULT_LOST ? SK_IO : SK_TIMEOUT, "a fault of the test");
    return 0;
}

/* ---- sk_runtime_* ---- */

static struct world_instance *find(const struct sk_instance *i)
{
    for (size_t k = world->count; k-- > 0;) {
        struct world_instance *n = &world->instances[k];
        if (strcmp(n->name, i->instance) != 0)
            continue;
        bool is_named = i->pid == 0 && !*i->container && !world->s.has_no_groups;
        if (is_named || i->pid == n->pid || *i->container)
            return n;
    }
    return NULL;
}

static const char *tag_of(const char *image)
{
    const char *colon = strrchr(image, ':');
    return colon ? colon + 1 : "";
}

int sk_runtime_pull(const struct sk_runtime_host *h, const char *image, const char *wanted,
                    const struct sk_runtime_auth *auth, bool may_pull,
                    bool (*progress)(void *ctx, const char *what, uint64_t done, uint64_t total),
                    void *ctx, struct sk_runtime_image *out, struct sk_err *err)
{
    (void)h, (void)wanted, (void)auth, (void)may_pull;
    enum fault f = reach("pull", POINT_CALL);
    if (before(f, 60000, err) < 0)
        return -1;
    world_pass(200);
    if (!progress(ctx, "layer", 1, 2))
        return sk_fail(err, SK_CANCELLED, "not wanted any more");
    memset(out, 0, sizeof *out);
    out->kind = world->s.kind;
    (void)snprintf(out->digest, sizeof out->digest, "sha256:%s", tag_of(image));
    return after(f, 60000, err);
}

int sk_runtime_check(const struct sk_runtime_host *h, const struct sk_runtime_start *s, char *note,
                     struct sk_err *err)
{
    (void)h, (void)s;
    *note = '\0';
    return before(reach("check", POINT_CALL), 1000, err);
}

bool sk_runtime_can_overlap(enum sk_runtime_kind kind, const char *create_options, char *why)
{
    (void)kind, (void)create_options;
    (void)snprintf(why, 160, "a fact of the test");
    return !world->s.cannot_overlap;
}

static void accept_clients(struct world_instance *n)
{
    n->accepts = true;
    if (world->deaths_left > 0 && !n->die_at_ms && strcmp(n->version, world->s.wanted) == 0) {
        world->deaths_left--;
        n->die_at_ms = world->now_ms + DIES_AFTER_MS;
    }
}

int sk_runtime_start(const struct sk_runtime_host *h, const struct sk_runtime_start *s,
                     struct sk_instance *out, struct sk_err *err)
{
    (void)h;
    char point[48];
    unsigned acceptors = world_acceptors(NULL);
    (void)snprintf(point, sizeof point, "start %s", tag_of(s->image_name));
    enum fault f = reach(point, POINT_CALL);
    if (before(f, 10000, err) < 0)
        return -1;
    for (size_t i = 0; i < world->count; i++)
        if (world->instances[i].is_alive && strcmp(world->instances[i].name, s->instance) == 0)
            world_note("the name '%s' is used twice", s->instance);
    if (world->s.cannot_overlap && world_alive() > 0)
        world_note("'%s' is started beside another one", s->instance);
    if (world->count == WORLD_INSTANCES)
        memmove(world->instances, world->instances + 1, --world->count * sizeof *world->instances);
    struct world_instance *n = &world->instances[world->count++];
    *n = (struct world_instance){ .pid = world->next_pid++, .is_alive = true };
    (void)snprintf(n->name, sizeof n->name, "%s", s->instance);
    (void)snprintf(n->version, sizeof n->version, "%s", tag_of(s->image_name));
    if (!s->is_paused && world->s.kind == SK_RUNTIME_NATIVE)
        accept_clients(n);
    if (world_alive() > world->most_alive)
        world->most_alive = world_alive();
    check_gap(acceptors, "start");
    world_pass(50);
    out->kind = world->s.kind;
    if (out->kind == SK_RUNTIME_NATIVE) {
        out->pid = n->pid;
        (void)snprintf(out->control, sizeof out->control, "/run/%.150s", s->instance);
    } else {
        (void)snprintf(out->container, sizeof out->container, "c%lld", (long long)n->pid);
        (void)snprintf(out->address, sizeof out->address, "%.50s.address", s->instance);
    }
    return after(f, 10000, err);
}

int sk_runtime_status(const struct sk_runtime_host *h, const struct sk_instance *i,
                      struct sk_runtime_status *out, struct sk_err *err)
{
    (void)h;
    const struct world_instance *n = find(i);
    enum fault f = reach("status", POINT_CALL);
    if (before(f, 5000, err) < 0)
        return -1;
    memset(out, 0, sizeof *out);
    out->state = !n ? SK_RUNTIME_GONE : n->is_alive ? SK_RUNTIME_RUNNING : SK_RUNTIME_FAILED;
    out->exit_code = n && !n->is_alive ? 139 : 0;
    (void)snprintf(out->text, sizeof out->text, "%s",
                   n && n->is_alive ? "running" : "Exited (139)");
    if (n && n->is_alive && world->s.kind == SK_RUNTIME_DOCKER)
        (void)snprintf(out->health, sizeof out->health, "%s",
                       world->s.fails_gate && strcmp(n->version, world->s.wanted) == 0 ? "unhealthy"
                                                                                       : "healthy");
    return after(f, 5000, err);
}

int sk_runtime_watch(const struct sk_instance *i)
{
    (void)i;
    return -1;
}

int sk_runtime_stop(const struct sk_runtime_host *h, const struct sk_instance *i, unsigned grace_ms,
                    struct sk_err *err)
{
    (void)h;
    char point[48];
    unsigned acceptors = world_acceptors(NULL);
    struct world_instance *n = find(i);
    (void)snprintf(point, sizeof point, "stop %s", n ? n->version : "none");
    enum fault f = reach(point, POINT_CALL);
    if (before(f, grace_ms + 5000, err) < 0)
        return -1;
    if (n)
        n->is_alive = n->accepts = false;
    world->last_grace_ms = grace_ms;
    check_gap(acceptors, point);
    return after(f, grace_ms + 5000, err);
}

int sk_runtime_remove(const struct sk_runtime_host *h, const struct sk_instance *i,
                      struct sk_err *err)
{
    (void)h, (void)i;
    enum fault f = reach("remove", POINT_CALL);
    return before(f, 1000, err) < 0 ? -1 : after(f, 1000, err);
}

bool sk_runtime_has_process(const struct sk_runtime_host *h, const struct sk_instance *i, pid_t pid,
                            uid_t uid)
{
    (void)h, (void)i, (void)pid, (void)uid;
    return false;
}

static int answer(const char *text, struct sk_json **out, struct sk_err *err)
{
    return out ? sk_json_parse(text, strlen(text), NULL, out, err) : 0;
}

static int act(struct world_instance *n, const char *what, struct sk_json **out, struct sk_err *err)
{
    if (strcmp(what, "accept") == 0) {
        if (world->s.kind == SK_RUNTIME_NATIVE)
            accept_clients(n);
    } else if (strcmp(what, "retire") == 0) {
        n->accepts = false;
    } else if (strcmp(what, "test") == 0) {
        bool is_first = world->s.first && strcmp(n->version, world->s.first) == 0;
        bool is_bad = world->s.fails_gate && strcmp(n->version, world->s.wanted) == 0;
        double ms = world->test_ms[!is_first] > 0 ? world->test_ms[!is_first] : 0.5;
        char text[200];
        (void)snprintf(
            text, sizeof text,
            "{\"ok\":%s,\"why\":\"a fact of the test\",\"medianMs\":%.3f,\"label\":\"%s\"}",
            is_bad ? "false" : "true", ms, world->has_no_classes && !is_first ? "" : "cat");
        return answer(text, out, err);
    } else {
        char text[200];
        (void)snprintf(text, sizeof text,
                       "{\"connections\":%u,\"requests\":%u,\"errors\":%u,\"p99Ms\":%.3f}",
                       world->connections, world->requests, world->errors, world->p99_ms);
        return answer(text, out, err);
    }
    return answer("{}", out, err);
}

void sk_runtime_awake(const struct sk_instance *i)
{
    (void)i; /* what is not there has no priority */
}

int sk_runtime_control(const struct sk_instance *i, const char *what, uint64_t timeout_ms,
                       struct sk_json **out, struct sk_err *err)
{
    char point[48];
    unsigned acceptors = world_acceptors(NULL);
    struct world_instance *n = find(i);
    if (out)
        *out = NULL;
    (void)snprintf(point, sizeof point, "%.16s %s", what, n ? n->version : "none");
    enum fault f = reach(point, POINT_CALL);
    if (before(f, timeout_ms, err) < 0)
        return -1;
    if (!n || !n->is_alive)
        return sk_fail(err, SK_IO, "nobody answers");
    world_pass(1);
    if (act(n, what, out, err) < 0)
        return -1;
    check_gap(acceptors, point);
    if (after(f, timeout_ms, err) == 0)
        return 0;
    if (out) {
        sk_json_free(*out);
        *out = NULL;
    }
    return -1;
}

int sk_runtime_logs(const struct sk_runtime_host *h, const struct sk_instance *i, unsigned tail,
                    int64_t since_s, int64_t until_s, bool follow,
                    int (*sink)(void *ctx, const void *bytes, size_t len, struct sk_err *err),
                    void *ctx, struct sk_err *err)
{
    (void)h, (void)i, (void)tail, (void)since_s, (void)until_s, (void)follow, (void)sink, (void)ctx;
    return sk_fail(err, SK_UNSUPPORTED, "not in this test");
}

int sk_runtime_logs_trim(const struct sk_runtime_host *h, uint64_t *bytes, struct sk_err *err)
{
    (void)h, (void)err;
    *bytes = 0;
    return 0;
}

int sk_runtime_logs_remove(const struct sk_runtime_host *h, const char *module, struct sk_err *err)
{
    (void)h, (void)module, (void)err;
    return 0;
}

int sk_runtime_images_trim(const struct sk_runtime_host *h, const char *const *keep,
                           uint64_t max_bytes, uint64_t *bytes, struct sk_err *err)
{
    (void)h, (void)err;
    world->keep_count = 0;
    while (keep[world->keep_count])
        world->keep_count++;
    world->trim_bytes = max_bytes;
    *bytes = 0;
    return 0;
}

int sk_runtime_sweep(const struct sk_runtime_host *h, const struct sk_instance *known, size_t count,
                     struct sk_err *err)
{
    (void)h;
    unsigned acceptors = world_acceptors(NULL);
    enum fault f = reach("sweep", POINT_CALL);
    if (before(f, 5000, err) < 0)
        return -1;
    for (size_t i = 0; i < world->count; i++) {
        bool is_known = false;
        for (size_t k = 0; k < count; k++)
            is_known = is_known || strcmp(known[k].instance, world->instances[i].name) == 0;
        if (!is_known)
            world->instances[i].is_alive = world->instances[i].accepts = false;
    }
    if (!world->has_died) /* one that was begun after a death, and not kept yet, goes again */
        check_gap(acceptors, "sweep");
    return after(f, 5000, err);
}

int sk_runtime_gateway(const struct sk_runtime_host *h, char address[64], struct sk_err *err)
{
    (void)h, (void)address;
    return sk_fail(err, SK_UNSUPPORTED, "not in this test");
}

/* ---- sk_keeper_* ---- */

int sk_keeper_connect(const char *socket_path, struct sk_keeper **out, struct sk_err *err)
{
    (void)socket_path, (void)err;
    *out = (struct sk_keeper *)world;
    return 0;
}

void sk_keeper_free(struct sk_keeper *k)
{
    (void)k;
}

int sk_keeper_list(struct sk_keeper *k,
                   int (*each)(void *ctx, const struct sk_keeper_port *p, struct sk_err *err),
                   void *ctx, struct sk_err *err)
{
    (void)k;
    enum fault f = reach("list", POINT_CALL);
    if (before(f, 5000, err) < 0)
        return -1;
    for (size_t i = 0; i < world->port_count; i++) {
        struct sk_keeper_port p = { .is_forward = world->s.kind == SK_RUNTIME_DOCKER };
        (void)snprintf(p.name, sizeof p.name, "%s", world->ports[i]);
        if (each(ctx, &p, err) < 0)
            return -1;
    }
    return after(f, 5000, err);
}

int sk_keeper_stop(struct sk_keeper *k, struct sk_err *err)
{
    (void)k, (void)err;
    return 0;
}

static size_t port_at(const char *name)
{
    size_t i = 0;
    while (i < world->port_count && strcmp(world->ports[i], name) != 0)
        i++;
    return i;
}

int sk_keeper_listen(struct sk_keeper *k, const char *name, const char *host, uint16_t port,
                     bool is_forward, int *fd, struct sk_err *err)
{
    (void)k, (void)host, (void)port, (void)is_forward;
    enum fault f = reach("listen", POINT_CALL);
    if (before(f, 5000, err) < 0)
        return -1;
    size_t i = port_at(name);
    if (i == world->port_count && world->is_held && world_alive() > 0)
        return sk_fail(err, SK_EXISTS, "another has that address");
    if (i == world->port_count && i < WORLD_PORTS) {
        world->port_count++;
        (void)snprintf(world->ports[i], sizeof world->ports[i], "%s", name);
        *world->targets[i] = '\0';
    }
    if (after(f, 5000, err) < 0)
        return -1;
    if (fd)
        *fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return 0;
}

int sk_keeper_forward(struct sk_keeper *k, const char *name, const char *target, struct sk_err *err)
{
    (void)k;
    unsigned acceptors = world_acceptors(NULL);
    enum fault f = reach("forward", POINT_CALL);
    if (before(f, 5000, err) < 0)
        return -1;
    size_t i = port_at(name);
    if (i == world->port_count)
        return sk_fail(err, SK_NOT_FOUND, "no port '%s'", name);
    (void)snprintf(world->targets[i], sizeof world->targets[i], "%s", target ? target : "");
    check_gap(acceptors, "forward");
    for (size_t n = 0; n < world->count; n++)
        if (serves(&world->instances[n]))
            accept_clients(&world->instances[n]);
    return after(f, 5000, err);
}

int sk_keeper_close(struct sk_keeper *k, const char *name, struct sk_err *err)
{
    (void)k;
    enum fault f = reach("close", POINT_CALL);
    if (before(f, 5000, err) < 0)
        return -1;
    size_t i = port_at(name);
    if (i < world->port_count) {
        world->port_count--;
        memmove(world->ports[i], world->ports[world->port_count], sizeof world->ports[i]);
        memmove(world->targets[i], world->targets[world->port_count], sizeof world->targets[i]);
    }
    return after(f, 5000, err);
}

/* ---- sk_wire_*: the local hub ---- */

static void take_modules(const struct sk_json *m)
{
    const struct sk_json *list = sk_json_get(m, "modules");
    if (sk_json_count(list) == 0 && world_alive() > 0 && world->s.wanted)
        world_note("the local hub is told that there are no modules");
    const struct sk_json *instances = sk_json_get(sk_json_at(list, 0), "instances");
    *world->hub_active = '\0';
    for (size_t i = 0; i < sk_json_count(instances); i++) {
        const struct sk_json *n = sk_json_at(instances, i);
        if (strcmp(sk_json_get_text(n, "role", ""), "active") == 0)
            (void)snprintf(world->hub_active, sizeof world->hub_active, "%s",
                           sk_json_get_text(n, "instance", ""));
    }
}

int sk_wire_send(struct sk_wire *w, struct sk_view json, struct sk_err *err)
{
    (void)w;
    SK_OWN(sk_json_free) struct sk_json *m = NULL;
    enum fault f = reach("modules", POINT_CALL);
    if (f == FAULT_ERROR || f == FAULT_HANG)
        world->hub_must_hear = true; /* the connection is made anew, and all is told again */
    if (before(f, 100, err) < 0)
        return -1;
    if (sk_json_parse(json.ptr, json.len, NULL, &m, err) < 0)
        return -1;
    if (strcmp(sk_json_get_text(m, "type", ""), "modules") == 0)
        take_modules(m);
    return after(f, 100, err);
}

int sk_wire_call(struct sk_wire *w, struct sk_view json, uint64_t timeout_ms, struct sk_json **out,
                 struct sk_err *err)
{
    (void)w;
    SK_OWN(sk_json_free) struct sk_json *m = NULL;
    enum fault f = reach("promote", POINT_CALL);
    if (before(f, timeout_ms, err) < 0)
        return -1;
    if (sk_json_parse(json.ptr, json.len, NULL, &m, err) < 0)
        return -1;
    (void)snprintf(world->hub_active, sizeof world->hub_active, "%s",
                   sk_json_get_text(m, "instance", ""));
    if (after(f, timeout_ms, err) < 0)
        return -1;
    return answer("{}", out, err);
}

int sk_wire_answer(struct sk_wire *w, int64_t id, struct sk_view members, struct sk_err *err)
{
    (void)w, (void)id, (void)members, (void)err;
    return 0;
}

int sk_wire_refuse(struct sk_wire *w, int64_t id, const struct sk_err *why, struct sk_err *err)
{
    (void)w, (void)id, (void)why, (void)err;
    return 0;
}

int sk_wire_open(int fd, const struct sk_wire_handler *handler, struct sk_wire **out,
                 struct sk_err *err)
{
    (void)fd, (void)handler, (void)out;
    return sk_fail(err, SK_BUSY, "not in this test");
}

int sk_wire_connect(const char *path, const struct sk_wire_handler *handler, struct sk_wire **out,
                    struct sk_err *err)
{
    (void)path, (void)handler, (void)out;
    return sk_fail(err, SK_BUSY, "not in this test");
}

void sk_wire_free(struct sk_wire *w)
{
    (void)w;
}

/* ---- the clock, waiting, files: led here by the linker ---- */

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

uint64_t __wrap_sk_now_ms(void)
{
    static unsigned calls;
    if (++calls % 1000 == 0)
        world_pass(1);
    return world->now_ms;
}

uint64_t __wrap_sk_now_ns(void)
{
    return world->now_ms * 1000000;
}

static struct sk_agent_spec *make_spec(const char *tag)
{
    char module[500];
    (void)snprintf(module, sizeof module,
                   "{\"settings\":{\"image\":\"r.test/cats:%s\",\"createOptions\":{\"HostConfig\":{"
                   "\"PortBindings\":{\"5001/tcp\":[{\"HostPort\":\"%s\"}]}}}},\"restartPolicy\":"
                   "\"%s\"}",
                   tag,
                   world->s.has_other_port && world->s.wanted && strcmp(tag, world->s.wanted) == 0
                       ? "6001"
                       : "5001",
                   world->s.policy ? world->s.policy : "always");
    return spec_of("cats", module);
}

/* Whether the run is over; also what the deployment says next. */
static void look(void)
{
    struct sk_agent_module *m = sk_agent_find(&playing->a, "cats");
    const struct sk_agent_record *r = &m->rec;
    if (world->hub_must_hear) {
        world->hub_must_hear = false;
        sk_agent_send_modules(&playing->a);
    }
    if (world->s.later && r->active.spec && !r->candidate.spec && m->want &&
        strcmp(r->active.spec->tag, world->s.wanted) == 0 &&
        strcmp(m->want->tag, world->s.wanted) == 0) {
        sk_agent_spec_unref(m->want);
        m->want = make_spec(world->s.later);
        m->view.is_settled = false;
        world->want = world->s.later;
    }
    bool has_rest = r->candidate.spec || r->old.spec;
    for (size_t i = 0; i < SK_AGENT_LINGER_MAX; i++)
        has_rest = has_rest || r->lingering[i].spec;
    bool is_settled = m->view.is_settled && r->phase == SK_PHASE_STEADY && !has_rest &&
                      !m->is_unsaved && !m->must_tidy && m->want;
    if (!is_settled && world->now_ms < world->stop_at_ms)
        return;
    world->is_settled = is_settled;
    world->is_failed = m->view.is_failed;
    (void)snprintf(world->why, sizeof world->why, "%s: %s (%s)", m->view.status,
                   m->view.description, sk_agent_phase_name(r->phase));
    atomic_store(&playing->a.stops, true);
}

int __wrap_sk_agent_await_socket(struct sk_agent *a, const char *path, struct sk_err *err);

int __real_poll(struct pollfd *fds, nfds_t count, int ms);

int __wrap_poll(struct pollfd *fds, nfds_t count, int ms)
{
    if (!playing)
        return __real_poll(fds, count, ms);
    for (nfds_t i = 0; i < count; i++)
        fds[i].revents = 0;
    world_pass(ms > 0 ? (uint64_t)ms : 1);
    look();
    return 0;
}

int __wrap___poll_chk(struct pollfd *fds, nfds_t count, int ms, size_t len)
{
    (void)len;
    return __wrap_poll(fds, count, ms);
}

static bool is_record(const char *path)
{
    return playing && strstr(path, "/state/modules/");
}

static const char *phase_in(const char *text)
{
    static char phase[24];
    const char *at_key = strstr(text, "\"phase\":\"");
    (void)snprintf(phase, sizeof phase, "%.*s", at_key ? (int)strcspn(at_key + 9, "\"") : 1,
                   at_key ? at_key + 9 : "?");
    return phase;
}

int __real_sk_file_write(const char *path, const void *bytes, size_t len, unsigned mode,
                         struct sk_err *err);

int __wrap_sk_file_write(const char *path, const void *bytes, size_t len, unsigned mode,
                         struct sk_err *err)
{
    char point[48];
    if (!is_record(path))
        return __real_sk_file_write(path, bytes, len, mode, err);
    (void)snprintf(point, sizeof point, "save %s", phase_in(bytes));
    enum fault f = reach(point, POINT_SAVE);
    if (f == FAULT_FULL)
        world->full_until_ms = world->now_ms + FULL_MS;
    if (world->now_ms < world->full_until_ms)
        return sk_fail(err, SK_FULL, "no space left on the device");
    if (before(f, 5000, err) < 0 || __real_sk_file_write(path, bytes, len, mode, err) < 0)
        return -1;
    if (f == FAULT_TORN) {
        (void)!truncate(path, (off_t)len / 2);
        die();
    }
    return after(f, 5000, err);
}

int __wrap_sk_agent_await_socket(struct sk_agent *a, const char *path, struct sk_err *err)
{
    (void)a, (void)path;
    enum fault f = reach("socket", POINT_CALL);
    return before(f, 10000, err) < 0 ? -1 : after(f, 10000, err);
}

#define WRAP_FILE(name, params, args, path)                                                        \
    int __real_##name params;                                                                      \
    int __wrap_##name params;                                                                      \
    int __wrap_##name params                                                                       \
    {                                                                                              \
        if (is_record(path))                                                                       \
            (void)reach(#name, POINT_FILE);                                                        \
        return __real_##name args;                                                                 \
    }

WRAP_FILE(link, (const char *from, const char *to), (from, to), to)
WRAP_FILE(rename, (const char *from, const char *to), (from, to), to)
WRAP_FILE(unlink, (const char *path), (path), path)

#pragma GCC diagnostic pop

/* ---- a run ---- */

static struct rig r;

static void begin(const char *dir)
{
    rig_open(&r, dir);
    if (getenv("SK_TEST_LOG"))
        sk_log_setup(SK_DEBUG, SK_LOG_TEXT, STDERR_FILENO);
    r.a.config.probation_ms = 3000;
    r.a.config.gate_ms = 20000;
    r.a.wire = (struct sk_wire *)world;
    playing = &r;
    world->stop_at_ms = world->now_ms + RUN_MS;
}

static void play(const char *dir)
{
    struct sk_err err = SK_ERR_INIT;
    begin(dir);
    if (sk_agent_load_modules(&r.a, &err) < 0)
        _exit(4);
    sk_agent_send_modules(&r.a);
    struct sk_agent_module *m = sk_agent_find(&r.a, "cats");
    if (!m && !world->want) {
        world->is_settled = true;
        _exit(0);
    }
    if (!m)
        m = rig_module(&r, "cats", NULL);
    m->want = world->want ? make_spec(world->want) : NULL;
    (void)sk_agent_module_main(m);
    if (!world->want)
        world->is_settled = true;
    _exit(0);
}

int world_run(const char *dir)
{
    int status = 0;
    world->point = 0;
    world->is_settled = world->is_failed = false;
    *world->last_point = *world->why = '\0';
    (void)fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        play(dir);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status))
        return WTERMSIG(status);
    return WEXITSTATUS(status) == 0 ? 0 : 1000 + WEXITSTATUS(status);
}

/* ---- in this process ---- */

struct sk_agent_module *world_open(const char *dir, const char *want)
{
    struct sk_err err = SK_ERR_INIT;
    *world->last_point = '\0';
    begin(dir);
    DONE(sk_agent_load_modules(&r.a, &err));
    struct sk_agent_module *m = sk_agent_find(&r.a, "cats");
    if (!m)
        m = rig_module(&r, "cats", NULL);
    m->want = want ? make_spec(want) : NULL;
    world->want = want;
    if (sk_agent_record_load(dir, "cats", &m->rec, &err) < 0)
        assert_int_equal(err.code, SK_NOT_FOUND);
    return m;
}

void world_close(void)
{
    playing = NULL;
    rig_close(&r);
}

void world_want(const char *tag)
{
    struct sk_agent_module *m = sk_agent_find(&r.a, "cats");
    sk_agent_spec_unref(m->want);
    m->want = tag ? make_spec(tag) : NULL;
    m->view.is_settled = false;
    world->want = tag;
}

void world_fault(const char *name, enum fault f)
{
    (void)snprintf(world->fault_name, sizeof world->fault_name, "%s", name);
    world->fault = f;
}
