/*
 * gate.c - whether a candidate may serve, and whether it does as well as the one before it.
 *
 * Native: it is up, and its own test of the model is good (docs/spec/serve.md, [serve-85]); the
 * median of its test predictions is at most three times that of the active one, both measured in
 * turn on this machine. A container: its HEALTHCHECK says so; without one it has run for 10 s and
 * its published port accepts.
 */
#include "agent/agent_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>

enum {
    LOOK_MS = 50,
    DOCKER_LOOK_MS = 500,
    QUIET_MS = 10000,
    TRY_MS = 2000,
    TEST_MS = 20000,
    SLOWER_TIMES = 3,
    ROUNDS = 3,
    AGAIN_MS = 50,
    FEW_REQUESTS = 20
};

#define SLOW_FLOOR_MS 1.0 /* below it three times as long is noise */

static int check_alive(struct sk_agent_module *m, const struct sk_agent_slot *s,
                       const struct sk_agent_spec *want_was, struct sk_err *err)
{
    struct sk_runtime_status st;
    SK_OWN(sk_agent_spec_unref) struct sk_agent_spec *want = sk_agent_module_want(m);
    sk_agent_module_mind(m);
    if (sk_agent_module_stops(m) || !want || strcmp(want->hash, want_was->hash) != 0)
        return sk_fail(err, SK_CANCELLED, "something else is wanted");
    if (!sk_agent_slot_runs(m, s, &st))
        return sk_fail(err, SK_DENIED, "it ended before it was ready: %s%s", st.text,
                       st.oom_killed ? " (out of memory)" : "");
    return 0;
}

struct test {
    double ms;        /* the median */
    bool has_classes; /* /predict has an answer */
};

/* One test of a native instance. SK_DENIED: the model's answers are wrong. */
static int run_test(const struct sk_agent_slot *s, uint64_t timeout_ms, struct test *t,
                    struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *answer = NULL;
    if (sk_runtime_control(&s->instance, "test", timeout_ms, &answer, err) < 0)
        return -1;
    t->ms = sk_json_num(sk_json_get(answer, "medianMs"), 0);
    t->has_classes = *sk_json_get_text(answer, "label", "") != '\0';
    if (!sk_json_bool(sk_json_get(answer, "ok"), false))
        return sk_fail(err, SK_DENIED, "its test predictions are wrong: %s",
                       sk_json_get_text(answer, "why", "no reason was given"));
    return 0;
}

/* Until it has loaded its model: the control socket answers then. At low priority, but on a device
 * without a free moment that may take for ever: a third of the time is left to patience.
 */
static int await_loaded(struct sk_agent_module *m, const struct sk_agent_slot *s, uint64_t until,
                        struct sk_err *err)
{
    const uint64_t patient_until = until - m->agent->config.gate_ms * 2 / 3;
    bool is_awake = false;
    for (;;) {
        struct sk_err last = SK_ERR_INIT;
        if (check_alive(m, s, s->spec, err) < 0)
            return -1;
        uint64_t now = sk_now_ms();
        if (now >= until)
            return sk_fail(err, SK_DENIED, "not ready after %llu s",
                           (unsigned long long)m->agent->config.gate_ms / 1000);
        if (!is_awake && now >= patient_until) {
            sk_log(SK_INFO, "candidate_hurries", "instance=%s", s->instance.instance);
            sk_runtime_awake(&s->instance);
            is_awake = true;
        }
        if (sk_runtime_control(&s->instance, "state", until - now < TRY_MS ? until - now : TRY_MS,
                               NULL, &last) == 0)
            return 0;
        (void)sk_agent_module_wait(m, &s->instance, LOOK_MS);
    }
}

/* The first test; one that gets no answer is tried again until the time is over. */
static int first_test(struct sk_agent_module *m, const struct sk_agent_slot *s, struct test *t,
                      struct sk_err *err)
{
    const uint64_t until = sk_now_ms() + m->agent->config.gate_ms;
    if (await_loaded(m, s, until, err) < 0)
        return -1;
    for (;;) {
        struct sk_err last = SK_ERR_INIT;
        uint64_t now = sk_now_ms();
        if (check_alive(m, s, s->spec, err) < 0)
            return -1;
        if (now >= until)
            return sk_fail(err, SK_DENIED, "its test predictions got no answer in %llu s",
                           (unsigned long long)m->agent->config.gate_ms / 1000);
        if (run_test(s, until - now < TEST_MS ? until - now : TEST_MS, t, &last) == 0)
            return 0;
        if (last.code == SK_DENIED) {
            *err = last;
            return -1;
        }
        (void)sk_agent_module_wait(m, &s->instance, LOOK_MS);
    }
}

/* What else the device does may have been in the way of one of the two. */
static int rest(struct sk_agent_module *m, const struct sk_agent_slot *candidate, uint64_t ms,
                struct sk_err *err)
{
    const uint64_t until = sk_now_ms() + ms;
    for (uint64_t now; (now = sk_now_ms()) < until;) {
        (void)sk_agent_module_wait(m, &candidate->instance,
                                   until - now < LOOK_MS ? until - now : LOOK_MS);
        if (check_alive(m, candidate, candidate->spec, err) < 0)
            return -1;
    }
    return 0;
}

static int gate_native(struct sk_agent_module *m, const struct sk_agent_slot *candidate,
                       const struct sk_agent_slot *old, struct sk_err *err)
{
    struct test ours = { .ms = 0 }, theirs = { .ms = 0 };
    if (first_test(m, candidate, &ours, err) < 0)
        return -1;
    if (!old || old->image.kind != SK_RUNTIME_NATIVE)
        return 0;
    bool is_measured = false;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct sk_err ignored = SK_ERR_INIT;
        if (round > 0 && rest(m, candidate, (uint64_t)AGAIN_MS << 2 * round, err) < 0)
            return -1;
        if (check_alive(m, candidate, candidate->spec, err) < 0)
            return -1;
        if (run_test(old, m->agent->config.gate_ms, &theirs, &ignored) < 0)
            return 0; /* nothing to compare with: the old one does not pass itself */
        if (run_test(candidate, m->agent->config.gate_ms, &ours, err) < 0) {
            if (err->code == SK_DENIED)
                return -1;
            continue;
        }
        is_measured = true;
        if (theirs.has_classes && !ours.has_classes)
            return sk_fail(err, SK_DENIED,
                           "its outputs are no class scores, so /predict would have no answer; the "
                           "version that serves has them");
        if (ours.ms <= SLOWER_TIMES * theirs.ms || ours.ms < SLOW_FLOOR_MS)
            return 0;
        sk_log(SK_INFO, "gate_slow", "module=%s round=%u ms=%.1f before_ms=%.1f", m->name,
               round + 1, ours.ms, theirs.ms);
    }
    if (!is_measured)
        return sk_fail(err, SK_DENIED, "test predictions got no answer");
    return sk_fail(err, SK_DENIED,
                   "a prediction takes %.1f ms, more than %d times the %.1f ms of the version that "
                   "serves",
                   ours.ms, SLOWER_TIMES, theirs.ms);
}

/* ---- containers ---- */

static bool accepts(const char *address, uint16_t port)
{
    SK_AUTO(sk_close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
    if (fd < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1)
        return false;
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return true;
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    int failed = 0;
    socklen_t len = sizeof failed;
    return errno == EINPROGRESS && poll(&p, 1, LOOK_MS * 10) == 1 &&
           getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len) == 0 && failed == 0;
}

static int ports_accept(struct sk_agent_module *m, const struct sk_agent_slot *s, bool *all,
                        struct sk_err *err)
{
    struct sk_agent_port ports[16];
    size_t count;
    *all = true;
    if (sk_agent_ports(m->name, s->spec->create_options, m->agent->config.publish, ports,
                       sizeof ports / sizeof *ports, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        uint64_t port = 0;
        char number[16];
        (void)snprintf(number, sizeof number, "%.*s", (int)strcspn(ports[i].container, "/"),
                       ports[i].container);
        if (sk_parse_u64("port", number, 1, 65535, &port, err) < 0)
            return -1;
        if (ports[i].is_tcp && *s->instance.address &&
            !accepts(s->instance.address, (uint16_t)port))
            *all = false;
    }
    return 0;
}

static int gate_docker(struct sk_agent_module *m, const struct sk_agent_slot *s, struct sk_err *err)
{
    const uint64_t begin = sk_now_ms(), until = begin + m->agent->config.gate_ms;
    for (;;) {
        struct sk_runtime_status st;
        bool all = false;
        if (check_alive(m, s, s->spec, err) < 0)
            return -1;
        (void)sk_agent_slot_runs(m, s, &st);
        if (strcmp(st.health, "healthy") == 0)
            return 0;
        if (strcmp(st.health, "unhealthy") == 0)
            return sk_fail(err, SK_DENIED, "its HEALTHCHECK says unhealthy");
        uint64_t now = sk_now_ms();
        if (!*st.health && now - begin >= QUIET_MS && ports_accept(m, s, &all, err) < 0)
            return -1;
        if (all)
            return 0;
        if (now >= until)
            return sk_fail(err, SK_DENIED, "%s after %llu s",
                           *st.health ? "its HEALTHCHECK is not healthy"
                                      : "its published port does not accept",
                           (unsigned long long)m->agent->config.gate_ms / 1000);
        (void)sk_agent_module_wait(m, NULL, DOCKER_LOOK_MS);
    }
}

int sk_agent_gate(struct sk_agent_module *m, const struct sk_agent_slot *candidate,
                  const struct sk_agent_slot *old, struct sk_err *err)
{
    const uint64_t begin = sk_now_ms();
    int rc = candidate->image.kind == SK_RUNTIME_NATIVE ? gate_native(m, candidate, old, err)
                                                        : gate_docker(m, candidate, err);
    const unsigned long long ms = sk_now_ms() - begin;
    if (rc < 0)
        sk_log(SK_WARN, "gate", "module=%s version=%s result=refused ms=%llu reason=\"%s\"",
               m->name, candidate->spec->tag, ms, err->text);
    else
        sk_log(SK_INFO, "gate", "module=%s version=%s result=passed ms=%llu", m->name,
               candidate->spec->tag, ms);
    return rc;
}

/* ---- probation: by option, worse than the version before ---- */

/* A module's option as a number; 0: it is not there. */
static double option_of(const struct sk_agent_spec *s, const char *name)
{
    char text[32];
    double value = 0;
    struct sk_err err = SK_ERR_INIT;
    if (!sk_agent_spec_env(s, name, text, sizeof text) ||
        sk_parse_f64(name, text, 0, 1e9, &value, &err) < 0)
        return 0;
    return value;
}

static bool read_state(const struct sk_agent_slot *s, double *requests, double *errors, double *p99)
{
    SK_OWN(sk_json_free) struct sk_json *state = NULL;
    struct sk_err err = SK_ERR_INIT;
    if (s->image.kind != SK_RUNTIME_NATIVE || !s->is_started ||
        sk_runtime_control(&s->instance, "state", TRY_MS, &state, &err) < 0)
        return false;
    *requests = sk_json_num(sk_json_get(state, "requests"), 0);
    *errors = sk_json_num(sk_json_get(state, "errors"), 0);
    *p99 = sk_json_num(sk_json_get(state, "p99Ms"), 0);
    return true;
}

bool sk_agent_is_worse(struct sk_agent_module *m, char why[200])
{
    const struct sk_agent_slot *now = &m->rec.active;
    double max_errors = option_of(now->spec, "SKERRY_ROLLBACK_ERROR_RATE");
    double max_p99 = option_of(now->spec, "SKERRY_ROLLBACK_P99_RATIO");
    double lost_s = option_of(now->spec, "SKERRY_ROLLBACK_HUB_LOST_SECONDS");
    double requests = 0, errors = 0, p99 = 0;
    bool is_uplink;
    {
        SK_LOCK(&m->agent->lock);
        is_uplink = m->agent->is_uplink;
    }
    if (is_uplink)
        m->hub_seen_ms = sk_now_ms();
    if (lost_s > 0 && m->hub_seen_ms > 0 &&
        (double)(sk_now_ms() - m->hub_seen_ms) / 1000 >= lost_s) {
        (void)snprintf(why, 200, "the hub has been out of reach for %.0f s since the hand-over",
                       lost_s);
        return true;
    }
    if ((max_errors <= 0 && max_p99 <= 0) || !read_state(now, &requests, &errors, &p99) ||
        requests < FEW_REQUESTS)
        return false;
    if (max_errors > 0 && errors / requests > max_errors &&
        errors / requests > m->error_rate_before) {
        (void)snprintf(why, 200, "%.1f %% of its requests failed, %.1f %% of the version before it",
                       100 * errors / requests, 100 * m->error_rate_before);
        return true;
    }
    if (max_p99 > 0 && m->p99_before > 0 && p99 > max_p99 * m->p99_before) {
        (void)snprintf(why, 200, "p99 latency is %.1f ms, %.1f ms of the version before it", p99,
                       m->p99_before);
        return true;
    }
    return false;
}

void sk_agent_note_before(struct sk_agent_module *m)
{
    double requests = 0, errors = 0;
    m->p99_before = m->error_rate_before = 0;
    m->hub_seen_ms = sk_now_ms();
    if (read_state(&m->rec.active, &requests, &errors, &m->p99_before) && requests > 0)
        m->error_rate_before = errors / requests;
}

/* ---- memory ---- */

/* A figure of /proc in KiB, such as "MemAvailable:". */
static uint64_t read_kib(const char *path, const char *label)
{
    SK_OWN(fclose) FILE *f = fopen(path, "re");
    char line[256];
    unsigned long long kib = 0;
    while (f && fgets(line, sizeof line, f))
        if (sk_starts_with(line, label) && sscanf(line + strlen(label), " %llu", &kib) == 1)
            return kib;
    return 0;
}

bool sk_agent_has_memory(const struct sk_instance *running, char *why)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%lld/status", (long long)running->pid);
    uint64_t used = running->pid > 0 ? read_kib(path, "VmRSS:") : 0;
    uint64_t free_kib = read_kib("/proc/meminfo", "MemAvailable:");
    if (free_kib == 0 || free_kib > used + used / 4 + (32 << 10))
        return true;
    (void)snprintf(why, 160, "%llu MiB of memory are free, and the running one uses %llu MiB",
                   (unsigned long long)free_kib >> 10, (unsigned long long)used >> 10);
    return false;
}
