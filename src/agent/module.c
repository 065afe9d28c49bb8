/*
 * module.c - the thread of a module: looks at what is wanted and what runs, and takes the next
 * step.
 *
 *     wanted           runs              step
 *     nothing          anything          stop it, forget the module
 *     stopped          running           stop it
 *     another spec     the active one    update.c, beside the active one
 *     the same         running           watch it
 *     the same         exited            restartPolicy, with back-off
 *
 * The first restart comes after 100 ms, the next after 10, 20, 40 s and so on up to 5 minutes; ten
 * minutes without an exit make it forget them. It never gives up on what is wanted and has run.
 */
#include "agent/agent_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

enum {
    FIRST_RESTART_MS = 100,
    COOL_OFF_MS = 10000,
    COOL_OFF_MAX_MS = 300000,
    INTENSIVE_CARE_MS = 600000,
    LOOK_MS = 1000,
    DOCKER_LOOK_MS = 5000,
    STOP_GRACE_MS = 30000,
    TURN_MS = 60000
};

/* ---- what the steps share ---- */

static bool has_lingering(const struct sk_agent_record *r)
{
    for (size_t i = 0; i < SK_AGENT_LINGER_MAX; i++)
        if (r->lingering[i].spec)
            return true;
    return false;
}

int sk_agent_module_wait(struct sk_agent_module *m, const struct sk_instance *i, uint64_t ms)
{
    SK_AUTO(sk_close) int pid_fd = i ? sk_runtime_watch(i) : -1;
    struct pollfd fds[] = { { .fd = m->wake_fd, .events = POLLIN },
                            { .fd = pid_fd, .events = POLLIN } };
    uint64_t count;
    if (ms > LOOK_MS && (m->is_unsaved || m->must_tidy || has_lingering(&m->rec)))
        ms = LOOK_MS;
    (void)poll(fds, pid_fd >= 0 ? 2 : 1, ms > INT32_MAX ? INT32_MAX : (int)ms);
    if (fds[0].revents && read(m->wake_fd, &count, sizeof count) == sizeof count)
        return SK_WOKEN_ASKED;
    return pid_fd >= 0 && fds[1].revents ? SK_WOKEN_EXIT : SK_WOKEN_TIME;
}

bool sk_agent_module_stops(const struct sk_agent_module *m)
{
    return atomic_load(&m->agent->stops);
}

int sk_agent_module_keep(struct sk_agent_module *m, struct sk_err *err)
{
    int rc = sk_agent_record_save(m->agent->dir, m->name, &m->rec, err);
    m->is_unsaved = rc < 0;
    m->keep_ms = sk_now_ms() + LOOK_MS;
    return rc;
}

/* What could not be written is written as soon as the disk takes it. */
static void keep_again(struct sk_agent_module *m)
{
    struct sk_err err = SK_ERR_INIT;
    if (m->is_unsaved && sk_now_ms() >= m->keep_ms && sk_agent_module_keep(m, &err) == 0)
        sk_log(SK_INFO, "state_kept", "module=%s", m->name);
}

static bool is_same(const struct sk_agent_record *r, const struct sk_agent_spec *want)
{
    return r->active.spec && strcmp(r->active.spec->hash, want->hash) == 0;
}

static bool is_given_up(const struct sk_agent_record *r, const struct sk_agent_spec *want)
{
    return strcmp(want->hash, r->failed) == 0;
}

/* With the lock held: what runs, or does not, is what the deployment wants now, as far as it can
 * be. A step that began before the deployment changed speaks of the one before. */
static bool is_as_wanted(const struct sk_agent_module *m)
{
    const struct sk_agent_spec *want = m->want;
    return want && (!m->at || m->at == want) &&
           (!want->is_running || is_given_up(&m->rec, want) || is_same(&m->rec, want));
}

void sk_agent_module_show(struct sk_agent_module *m, const char *status, bool is_settled,
                          const char *fmt, ...)
{
    struct sk_agent_view v = { 0 };
    const struct sk_agent_record *r = &m->rec;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(v.description, sizeof v.description, fmt, args);
    va_end(args);
    (void)snprintf(v.status, sizeof v.status, "%s", status);
    v.is_up = strcmp(status, "running") == 0;
    v.exit_code = r->last_exit;
    v.last_start_ms = r->last_start_ms;
    v.last_exit_ms = r->last_exit_ms;
    v.last_restart_ms = r->last_restart_ms;
    v.restarts = r->restarts;
    if (r->active.spec) {
        (void)snprintf(v.version, sizeof v.version, "%s", r->active.spec->tag);
        (void)snprintf(v.image, sizeof v.image, "%s", r->active.spec->image);
        (void)snprintf(v.hash, sizeof v.hash, "%s", r->active.image.digest);
    }
    SK_LOCK(&m->agent->lock);
    v.is_settled = is_settled && is_as_wanted(m);
    v.is_failed = m->want && m->want->is_running && is_given_up(r, m->want);
    v.is_hindered = m->want && ((m->is_hindered && strcmp(m->want->hash, m->waits_for) == 0) ||
                                (m->cannot_start && is_same(r, m->want)));
    if (strcmp(m->view.status, v.status) != 0 || m->view.is_settled != v.is_settled ||
        strcmp(m->view.description, v.description) != 0) {
        sk_log(SK_INFO, "module", "module=%s status=%s description=\"%s\"", m->name, v.status,
               v.description);
        m->view = v;
        sk_agent_wake(m->agent);
    }
    m->view = v;
}

struct sk_agent_spec *sk_agent_module_want(struct sk_agent_module *m)
{
    SK_LOCK(&m->agent->lock);
    return sk_agent_spec_ref(m->want);
}

static void tell_slot(struct sk_agent_module *m, const struct sk_agent_slot *s, const char *role)
{
    if (!s->spec || !s->is_started)
        return;
    m->told[m->told_count] = s->instance;
    m->roles[m->told_count++] = role;
}

void sk_agent_module_tell_locked(struct sk_agent_module *m, const struct sk_agent_record *r)
{
    m->told_count = 0;
    tell_slot(m, &r->active, "active");
    tell_slot(m, &r->candidate, r->active.is_started ? "candidate" : "active");
    tell_slot(m, &r->old, "old");
    for (size_t i = 0; i < SK_AGENT_LINGER_MAX; i++)
        tell_slot(m, &r->lingering[i], "old");
}

void sk_agent_module_tell(struct sk_agent_module *m)
{
    {
        SK_LOCK(&m->agent->lock);
        sk_agent_module_tell_locked(m, &m->rec);
    }
    sk_agent_send_modules(m->agent);
}

bool sk_agent_slot_runs(struct sk_agent_module *m, const struct sk_agent_slot *s,
                        struct sk_runtime_status *status)
{
    struct sk_err err = SK_ERR_INIT;
    memset(status, 0, sizeof *status);
    status->state = SK_RUNTIME_GONE;
    if (!s->spec || !s->is_started || (s->instance.pid <= 0 && !*s->instance.container))
        return false;
    if (sk_runtime_status(&m->agent->host, &s->instance, status, &err) < 0) {
        /* The Engine does not answer: that is no exit of the module. */
        status->state = SK_RUNTIME_RUNNING;
        (void)snprintf(status->text, sizeof status->text, "unknown: %.140s", err.text);
        return true;
    }
    return status->state == SK_RUNTIME_RUNNING;
}

/* ---- steps ---- */

/* What of the wanted spec may change under a running instance. */
static void take_outside(struct sk_agent_module *m, struct sk_agent_spec *want)
{
    if (strcmp(m->rec.active.spec->text, want->text) == 0)
        return;
    sk_agent_spec_unref(m->rec.active.spec);
    m->rec.active.spec = sk_agent_spec_ref(want);
    sk_agent_keep(m);
}

static void note_exit(struct sk_agent_module *m, const struct sk_runtime_status *st)
{
    m->rec.last_exit = st->exit_code;
    m->rec.last_exit_ms = st->finished_ms > 0 ? st->finished_ms : (int64_t)sk_wall_ms();
}

static bool may_restart(const struct sk_agent_spec *s, const struct sk_runtime_status *st)
{
    switch (s->policy) {
    case SK_POLICY_ALWAYS:
        return true;
    case SK_POLICY_ON_FAILURE:
    case SK_POLICY_ON_UNHEALTHY:
        return st->state == SK_RUNTIME_FAILED || st->state == SK_RUNTIME_GONE;
    default:
        return false;
    }
}

static uint64_t cool_off_ms(uint64_t restarts)
{
    if (restarts == 0)
        return FIRST_RESTART_MS;
    uint64_t ms = restarts > 6 ? COOL_OFF_MAX_MS : (uint64_t)COOL_OFF_MS << (restarts - 1);
    return ms > COOL_OFF_MAX_MS ? COOL_OFF_MAX_MS : ms;
}

/* One step towards a running active one; false: there is none to take now. */
static bool revive(struct sk_agent_module *m, const struct sk_agent_spec *want,
                   const struct sk_runtime_status *st)
{
    struct sk_agent_record *r = &m->rec;
    struct sk_err err = SK_ERR_INIT;
    uint64_t now = sk_now_ms();
    m->up_since_ms = 0;
    if (r->active.is_started) {
        if (!may_restart(want, st))
            return false;
        note_exit(m, st);
        sk_log(SK_WARN, "module_exited", "module=%s instance=%s status=\"%s\"", m->name,
               r->active.instance.instance, st->text);
        /* A machine that was switched off is no fault of its modules. */
        m->restart_at_ms = m->is_first_look ? now : now + cool_off_ms(r->restarts++);
        m->is_first_look = false;
        sk_agent_end_slot(m, &r->active, 0); /* what is left of it: children, cgroup, folder */
        r->last_restart_ms = (int64_t)sk_wall_ms();
        sk_agent_keep(m);
        return true;
    }
    if (now < m->restart_at_ms)
        return false;
    m->cannot_start = sk_agent_start_active(m, &err) < 0;
    if (m->cannot_start) {
        /* A full disk is no fault of the module, and may have room at any moment. */
        m->restart_at_ms = now + (err.code == SK_FULL ? LOOK_MS : cool_off_ms(++r->restarts));
        sk_agent_module_show(m, "backoff", false, "%s", err.text);
    }
    return true;
}

/* The active one has exited, or was never there. */
static void restart(struct sk_agent_module *m, const struct sk_agent_spec *want,
                    const struct sk_runtime_status *st, const char *more)
{
    struct sk_agent_record *r = &m->rec;
    if (revive(m, want, st))
        return;
    if (r->active.is_started) {
        sk_agent_module_show(m, st->state == SK_RUNTIME_STOPPED ? "stopped" : "failed", true,
                             "%s%s%s", st->text, *more ? "; " : "", more);
        (void)sk_agent_module_wait(m, NULL, LOOK_MS * 10);
        return;
    }
    uint64_t left = m->restart_at_ms - sk_now_ms();
    sk_agent_module_show(m, "backoff", false, "Exited (%d); starts again in %llu s%s%s",
                         r->last_exit, (unsigned long long)(left + 999) / 1000, *more ? "; " : "",
                         more);
    (void)sk_agent_module_wait(m, NULL, left < LOOK_MS ? left : LOOK_MS);
}

void sk_agent_module_mind(struct sk_agent_module *m)
{
    struct sk_agent_record *r = &m->rec;
    struct sk_runtime_status st;
    uint64_t now = sk_now_ms();
    bool is_there = r->phase == SK_PHASE_STEADY || r->phase == SK_PHASE_PREPARE;
    if (!is_there || !r->active.spec || now < m->mind_ms)
        return;
    m->mind_ms = now + FIRST_RESTART_MS;
    if (!sk_agent_slot_runs(m, &r->active, &st))
        (void)revive(m, r->active.spec, &st);
    else
        m->is_first_look = false;
}

static bool is_unhealthy(const struct sk_agent_spec *want, const struct sk_runtime_status *st)
{
    return strcmp(st->health, "unhealthy") == 0 &&
           (want->policy == SK_POLICY_ALWAYS || want->policy == SK_POLICY_ON_UNHEALTHY);
}

static void show_running(struct sk_agent_module *m, const struct sk_runtime_status *st,
                         const char *more)
{
    const char *note = m->rec.active.instance.note;
    sk_agent_module_show(m, strcmp(st->health, "unhealthy") == 0 ? "unhealthy" : "running", true,
                         "running%s%s%s%s", *note ? "; " : "", note, *more ? "; " : "", more);
}

/* It runs, and is what is wanted, or the best there is. */
static void watch(struct sk_agent_module *m, const struct sk_agent_spec *want,
                  const struct sk_runtime_status *st, const char *more)
{
    struct sk_agent_record *r = &m->rec;
    m->is_first_look = false;
    if (is_unhealthy(want, st)) {
        sk_log(SK_WARN, "module_unhealthy", "module=%s what_next=\"it is stopped and started\"",
               m->name);
        sk_agent_end_slot(m, &r->active, STOP_GRACE_MS);
        m->restart_at_ms = sk_now_ms() + cool_off_ms(r->restarts++);
        sk_agent_keep(m);
        return;
    }
    if (m->up_since_ms == 0)
        m->up_since_ms = sk_now_ms();
    if (r->restarts > 0 && sk_now_ms() - m->up_since_ms >= INTENSIVE_CARE_MS)
        r->restarts = 0;
    show_running(m, st, more);
    bool is_native = r->active.instance.kind == SK_RUNTIME_NATIVE;
    if (sk_agent_module_wait(m, is_native ? &r->active.instance : NULL,
                             is_native ? 10 * LOOK_MS : DOCKER_LOOK_MS) == SK_WOKEN_EXIT)
        m->up_since_ms = 0;
}

/* True when a restart was asked for, and done. */
static bool restart_asked(struct sk_agent_module *m)
{
    unsigned asked;
    {
        SK_LOCK(&m->agent->lock);
        asked = m->asks_restart;
        m->asks_restart = 0;
    }
    if (asked == 0)
        return false;
    sk_log(SK_INFO, "module_restart", "module=%s reason=\"asked for\"", m->name);
    sk_agent_end_slot(m, &m->rec.active, STOP_GRACE_MS);
    m->rec.last_restart_ms = (int64_t)sk_wall_ms();
    m->restart_at_ms = 0;
    struct sk_err err = SK_ERR_INIT;
    if (m->rec.active.spec && sk_agent_start_active(m, &err) < 0)
        sk_log(SK_ERROR, "start_failed", "module=%s error=\"%s\"", m->name, err.text);
    return true;
}

static void hold(struct sk_agent_module *m)
{
    struct sk_agent_record *r = &m->rec;
    if (r->active.is_started || r->old.is_started || r->phase != SK_PHASE_STEADY) {
        sk_agent_end_slot(m, &r->active, STOP_GRACE_MS);
        sk_agent_end_slot(m, &r->old, 0);
        sk_agent_slot_clear(&r->old);
        m->must_tidy = true;
        r->phase = SK_PHASE_STEADY;
        sk_agent_keep(m);
        sk_agent_module_tell(m);
    }
    sk_agent_module_show(m, "stopped", true, "stopped, as the deployment says");
    (void)sk_agent_module_wait(m, NULL, 10 * LOOK_MS);
}

/* Another spec is wanted: true when there is nothing to do for it now. */
static bool waits_for_update(struct sk_agent_module *m, const struct sk_agent_spec *want,
                             char *more, size_t cap)
{
    *more = '\0';
    if (is_given_up(&m->rec, want)) {
        (void)snprintf(more, cap, "version %.60s was given up: %.250s", want->tag,
                       m->rec.failed_why);
        return true;
    }
    if (strcmp(want->hash, m->waits_for) == 0 && sk_now_ms() < m->not_before_ms) {
        (void)snprintf(more, cap, "%s", m->waits_why);
        return true;
    }
    return false;
}

/* Ports that nothing needs any more are closed as soon as the keeper answers. */
static void tidy(struct sk_agent_module *m, const struct sk_agent_spec *want)
{
    const struct sk_agent_record *r = &m->rec;
    struct sk_err err = SK_ERR_INIT;
    if (!m->must_tidy || r->phase != SK_PHASE_STEADY || sk_now_ms() < m->tidy_ms)
        return;
    m->tidy_ms = sk_now_ms() + LOOK_MS;
    if (sk_agent_tidy_ports(m, want->is_running ? &r->active : NULL, &err) == 0)
        m->must_tidy = false;
    else
        sk_log(SK_DEBUG, "close_failed", "module=%s error=\"%s\"", m->name, err.text);
}

/* Another keeper knows nothing of a container's forwards. Native modules have their sockets. */
static void open_again(struct sk_agent_module *m)
{
    const struct sk_agent_slot *s = &m->rec.active;
    const unsigned starts = atomic_load(&m->agent->keeper_starts);
    struct sk_err err = SK_ERR_INIT;
    size_t count;
    if (m->keeper_starts == starts || s->image.kind != SK_RUNTIME_DOCKER || !s->is_started)
        return;
    if (sk_agent_open_ports(m, s, NULL, NULL, SIZE_MAX, &count, &err) < 0 ||
        sk_agent_aim_ports(m, s, &err) < 0) {
        sk_log(SK_ERROR, "ports_lost", "module=%s error=\"%s\" what_next=\"tried again\"", m->name,
               err.text);
        return;
    }
    m->keeper_starts = starts;
    sk_log(SK_WARN, "ports_opened_again", "module=%s reason=\"the keeper is another one\"",
           m->name);
}

static void step(struct sk_agent_module *m, struct sk_agent_spec *want)
{
    struct sk_agent_record *r = &m->rec;
    struct sk_runtime_status st;
    char more[400] = "";
    if (!want->is_running) {
        hold(m);
        return;
    }
    if (restart_asked(m))
        return;
    const bool is_there = is_same(r, want);
    if (r->phase == SK_PHASE_PROBATION) {
        sk_agent_probation(m, want);
        return;
    }
    if (is_there)
        take_outside(m, want);
    if (!is_there && !waits_for_update(m, want, more, sizeof more)) {
        sk_agent_update(m, want);
        return;
    }
    bool runs = sk_agent_slot_runs(m, &r->active, &st);
    if (!r->active.spec) {
        if (is_given_up(r, want))
            sk_agent_module_show(m, "failed", true, "%s", r->failed_why);
        else
            sk_agent_module_show(m, "backoff", false, "%s", more);
        (void)sk_agent_module_wait(m, NULL, LOOK_MS);
    } else if (!runs) {
        restart(m, want, &st, more);
    } else if (is_there || is_given_up(r, want)) {
        watch(m, want, &st, more);
    } else {
        sk_agent_module_show(m, "running", false, "%s", more);
        (void)sk_agent_module_wait(m, &r->active.instance, LOOK_MS);
    }
}

/* Another deployment of the module: what stood in the way of the one before may be mended. */
static void take_wanted(struct sk_agent_module *m, struct sk_agent_spec *want)
{
    struct sk_agent_record *r = &m->rec;
    if (m->at == want)
        return;
    if (m->at) {
        *m->waits_for = '\0';
        m->is_hindered = m->cannot_start = false;
    }
    sk_agent_spec_unref(m->at);
    m->at = sk_agent_spec_ref(want);
    if (!*r->failed || is_given_up(r, want))
        return;
    *r->failed = *r->failed_why = *r->tried = '\0';
    r->attempts = r->deaths = 0;
    sk_agent_keep(m);
}

/* False: something cannot be stopped now. */
static bool end_all(struct sk_agent_module *m)
{
    struct sk_agent_slot *slots[SK_AGENT_TOLD_MAX];
    struct sk_err err = SK_ERR_INIT;
    size_t n = sk_agent_record_slots(&m->rec, slots);
    bool is_done = true;
    for (size_t i = n; i-- > 0;) { /* the active one last */
        if (sk_agent_stop_slot(m, slots[i], i == 0 ? STOP_GRACE_MS : 0, &err) < 0) {
            sk_log(SK_WARN, "stop_failed", "module=%s error=\"%s\" what_next=\"tried again\"",
                   m->name, err.text);
            is_done = false;
        }
    }
    if (sk_agent_tidy_ports(m, NULL, &err) < 0)
        is_done = false;
    if (!is_done)
        sk_agent_module_show(m, "backoff", false, "cannot be removed: %s", err.text);
    return is_done;
}

/* False: not yet. */
static bool forget(struct sk_agent_module *m)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_agent_record *r = &m->rec;
    r->phase = SK_PHASE_REMOVE;
    sk_agent_keep(m);
    if (!end_all(m))
        return false;
    if (sk_agent_record_delete(m->agent->dir, m->name, &err) < 0)
        sk_log(SK_ERROR, "state_not_kept", "module=%s error=\"%s\"", m->name, err.text);
    if (sk_runtime_logs_remove(&m->agent->host, m->name, &err) < 0)
        sk_log(SK_WARN, "logs_left", "module=%s error=\"%s\"", m->name, err.text);
    sk_agent_record_clear(r);
    sk_agent_module_tell(m);
    sk_log(SK_INFO, "module_removed", "module=%s", m->name);
    return true;
}

bool sk_agent_module_has_turn(struct sk_agent_module *m)
{
    SK_LOCK(&m->agent->lock);
    for (size_t i = 0; m->want && i < m->agent->module_count; i++) {
        const struct sk_agent_module *o = m->agent->modules[i];
        const struct sk_agent_view *v = &o->view;
        const bool is_begun = v->is_settled || v->is_hindered ||
                              (*v->version && strcmp(v->status, "stopped") != 0);
        if (o->want && o->want->is_running && o->want->order < m->want->order && !is_begun)
            return false;
    }
    return true;
}

static void await_turn(struct sk_agent_module *m)
{
    const uint64_t until = sk_now_ms() + TURN_MS;
    struct sk_runtime_status st;
    if (sk_agent_slot_runs(m, &m->rec.active, &st))
        return; /* only the agent was started anew: it is looked after */
    while (!sk_agent_module_stops(m) && sk_now_ms() < until && !sk_agent_module_has_turn(m))
        (void)sk_agent_module_wait(m, NULL, FIRST_RESTART_MS);
}

void *sk_agent_module_main(void *arg)
{
    struct sk_agent_module *m = arg;
    struct sk_err err = SK_ERR_INIT;
    while (!sk_agent_module_stops(m) &&
           sk_agent_record_load(m->agent->dir, m->name, &m->rec, &err) < 0 &&
           err.code != SK_NOT_FOUND) {
        sk_log(SK_ERROR, "state_lost", "module=%s error=\"%s\"", m->name, err.text);
        if (err.code == SK_CORRUPT)
            break;
        (void)sk_agent_module_wait(m, NULL, LOOK_MS); /* it is there, and may be read later */
    }
    sk_agent_module_user(m);
    if (!sk_agent_module_stops(m)) {
        sk_agent_recover(m);
        await_turn(m);
    }
    while (!sk_agent_module_stops(m)) {
        SK_OWN(sk_agent_spec_unref) struct sk_agent_spec *want = sk_agent_module_want(m);
        if (!want) {
            if (forget(m))
                break;
            (void)sk_agent_module_wait(m, NULL, LOOK_MS);
            continue;
        }
        if (m->rec.phase == SK_PHASE_REMOVE)
            sk_agent_recover(m); /* it is wanted again */
        keep_again(m);
        tidy(m, want);
        if (want->is_running)
            open_again(m);
        sk_agent_linger_tick(m);
        take_wanted(m, want);
        step(m, want);
    }
    sk_agent_spec_unref(SK_TAKE(m->at));
    sk_agent_record_clear(&m->rec);
    SK_LOCK(&m->agent->lock);
    m->is_ended = true;
    sk_agent_wake(m->agent);
    return NULL;
}
