/*
 * update.c - from one spec of a module to the next, without a failed request (DESIGN, section 3).
 *
 *     PREPARE    pull, check, start the candidate beside the active one, gate
 *     (REPLACE   where two cannot be: stop the active one first)
 *     HANDOVER   the candidate accepts, the local hub promotes it, the active one retires
 *     PROBATION  the old one waits, loaded and idle; a death puts it back
 *     COMMIT     the old one is stopped and removed
 *     BACK       the old one accepts again, the new one is removed
 *
 * A phase is kept before what it does; each can be done again from its beginning, which is what
 * sk_agent_recover() does after a kill. An update that was begun five times and interrupted each
 * time is given up, so that a candidate that takes the agent down with it cannot do so for ever.
 */
#include "agent/agent_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    ATTEMPTS_MAX = 5,
    DRAIN_MS = 30000,
    PULL_RETRY_MS = 10000,
    PULL_BUSY_MS = 300,
    PULL_RETRY_MAX_MS = 300000,
    DOUBLINGS = 5,
    BUSY_TIMES = 5 /* for about ten seconds nobody needs to hear of it */
};

void sk_agent_defer(struct sk_agent_module *m, const struct sk_agent_spec *spec, uint64_t ms,
                    const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(m->waits_why, sizeof m->waits_why, fmt, args);
    va_end(args);
    m->not_before_ms = sk_now_ms() + ms;
    (void)snprintf(m->waits_for, sizeof m->waits_for, "%s", spec->hash);
}

void sk_agent_note_failed(struct sk_agent_module *m, const struct sk_agent_spec *spec,
                          const char *why)
{
    (void)snprintf(m->rec.failed, sizeof m->rec.failed, "%s", spec->hash);
    (void)snprintf(m->rec.failed_why, sizeof m->rec.failed_why, "%s", why);
}

void sk_agent_give_up(struct sk_agent_module *m, const struct sk_agent_spec *spec, const char *why)
{
    sk_agent_note_failed(m, spec, why);
    sk_agent_keep(m);
    sk_log(SK_ERROR, "update_failed", "module=%s version=%s reason=\"%s\" what_next=\"%s\"",
           m->name, spec->tag, why,
           m->rec.active.spec ? "the version before it serves; not tried again until the "
                                "deployment changes"
                              : "not tried again until the deployment changes");
}

/* ---- the image ---- */

struct pulling {
    struct sk_agent_module *module;
    const struct sk_agent_slot *slot;
    uint64_t needs, room; /* more bytes than the disk budget has left; 0: not */
};

/* False: it is not wanted any more. What is pulled for the active one is wanted as long as the
 * module is. */
static bool goes_on(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    struct pulling *p = ctx;
    struct sk_agent_module *m = p->module;
    bool is_update = p->slot == &m->rec.candidate;
    if (total > 0)
        sk_log(SK_DEBUG, "pulling", "module=%s what=\"%s\" done=%llu total=%llu", m->name, what,
               (unsigned long long)done, (unsigned long long)total);
    if (is_update)
        sk_agent_module_mind(m);
    SK_LOCK(&m->agent->lock);
    p->room = m->agent->images_room;
    /* A layer lies there twice while it is unpacked. */
    if (m->agent->has_images_room && done < total && total > p->room / 2) {
        p->needs = 2 * total;
        return false;
    }
    return !atomic_load(&m->agent->stops) && m->want &&
           (!is_update || strcmp(m->want->hash, p->slot->spec->hash) == 0);
}

int sk_agent_pull(struct sk_agent_module *m, struct sk_agent_slot *s, bool may_pull,
                  struct sk_err *err)
{
    char wanted[24] = "";
    const char *runtime = sk_agent_spec_env(s->spec, "SKERRY_RUNTIME", wanted, sizeof wanted);
    struct pulling ctx = { .module = m, .slot = s };
    int rc = sk_runtime_pull(&m->agent->host, s->spec->image, runtime, sk_agent_spec_auth(s->spec),
                             may_pull, goes_on, &ctx, &s->image, err);
    if (rc < 0 && ctx.needs > 0)
        return sk_fail(err, SK_FULL,
                       "the image needs %llu MiB, and %llu MiB of the disk budget are left for "
                       "images: raise diskBytes in edge.json, or deploy less",
                       (unsigned long long)ctx.needs >> 20, (unsigned long long)ctx.room >> 20);
    return rc;
}

/* ---- the update ---- */

/* Not the version's fault, or not for certain: tried again later, the active one goes on. */
static void retry_later(struct sk_agent_module *m, const struct sk_agent_spec *want,
                        const char *what, const struct sk_err *err)
{
    if (strcmp(m->waits_for, want->hash) != 0)
        m->pull_failures = 0;
    unsigned n = m->pull_failures > DOUBLINGS ? DOUBLINGS : m->pull_failures;
    /* Busy: another module pulls the same image, or the Engine is being started. */
    uint64_t ms = (uint64_t)(err->code == SK_BUSY ? PULL_BUSY_MS : PULL_RETRY_MS) << n;
    if (ms > PULL_RETRY_MAX_MS)
        ms = PULL_RETRY_MAX_MS;
    m->is_hindered = err->code != SK_BUSY || m->pull_failures >= BUSY_TIMES;
    m->pull_failures++;
    sk_agent_defer(m, want, ms, "%s: %.300s; tried again in %llu s", what, err->text,
                   (unsigned long long)ms / 1000);
    sk_log(SK_WARN, "update_waits", "module=%s what=%s error=\"%s\" retry_s=%llu", m->name, what,
           err->text, (unsigned long long)ms / 1000);
    sk_agent_module_show(m, m->rec.active.is_started ? "running" : "backoff", false, "%s",
                         m->waits_why);
}

static bool is_final(const struct sk_err *err)
{
    return err->code == SK_UNSUPPORTED || err->code == SK_INVALID || err->code == SK_LIMIT;
}

/* The candidate could not be started, or may not serve; the active one does, as before. */
static void refuse(struct sk_agent_module *m, struct sk_agent_spec *want, const char *what,
                   const struct sk_err *err)
{
    struct sk_agent_record *r = &m->rec;
    struct sk_runtime_status st;
    char why[300];
    bool is_gate = err->code == SK_DENIED && strcmp(what, "gate") == 0 && r->active.spec;
    bool is_given_up = is_final(err) || is_gate;
    if (r->phase == SK_PHASE_HANDOVER)
        sk_agent_hand_back(m);
    if (r->attempts > 0)
        r->attempts--; /* it was not interrupted */
    (void)snprintf(why, sizeof why, "%s: %.270s", what, err->text);
    if (is_given_up)
        sk_agent_note_failed(m, want, why); /* in one record with the candidate's end */
    sk_agent_drop_candidate(m, 0);
    if (is_given_up)
        sk_agent_give_up(m, want, why);
    else if (err->code != SK_CANCELLED)
        retry_later(m, want, what, err);
    if (m->made_way && !sk_agent_slot_runs(m, &r->active, &st)) {
        struct sk_err again = SK_ERR_INIT;
        sk_agent_end_slot(m, &r->active, 0); /* stopped, but that was not to be seen */
        if (sk_agent_start_active(m, &again) < 0)
            sk_log(SK_ERROR, "start_failed", "module=%s error=\"%s\"", m->name, again.text);
    }
    m->made_way = false;
    if (is_given_up && r->active.spec)
        sk_agent_module_show(m, "running", true, "running; version %.60s was given up: %.250s",
                             want->tag, why);
    else if (is_given_up)
        sk_agent_module_show(m, "failed", true, "%s", why);
}

static bool can_overlap(struct sk_agent_module *m, const struct sk_agent_slot *next, char *why)
{
    const struct sk_agent_slot *now = &m->rec.active;
    if (m->must_replace) {
        (void)snprintf(why, 160, "its port is held by what serves, since the keeper was lost");
        return false;
    }
    return sk_runtime_can_overlap(next->image.kind, next->spec->create_options, why) &&
           sk_runtime_can_overlap(now->image.kind, now->spec->create_options, why) &&
           sk_agent_has_memory(&now->instance, why);
}

/* Stop, then start: announced, and reported as an interruption. */
static int make_way(struct sk_agent_module *m, const char *why, struct sk_err *err)
{
    sk_log(SK_WARN, "update_interrupts", "module=%s reason=\"%s\"", m->name, why);
    sk_agent_module_show(m, "running", false,
                         "is about to be stopped for its new version, since two cannot run: %s",
                         why);
    if (sk_agent_enter(m, SK_PHASE_REPLACE, err) < 0)
        return -1;
    m->made_way = true;
    if (sk_agent_stop_slot(m, &m->rec.active, DRAIN_MS, err) < 0)
        return -1;
    return sk_agent_module_keep(m, err);
}

static int prepare(struct sk_agent_module *m, struct sk_agent_spec *want, struct sk_err *err)
{
    struct sk_agent_record *r = &m->rec;
    char note[256] = "";
    r->candidate.spec = sk_agent_spec_ref(want);
    if (sk_agent_pull(m, &r->candidate, want->may_pull, err) < 0)
        return sk_wrap(err, "image");
    m->pull_failures = 0;
    char **env = NULL;
    if (sk_agent_env(m->agent, want, &r->candidate.image, "/", "", &env, err) < 0)
        return -1;
    const struct sk_runtime_start start = {
        .module = m->name,
        .instance = m->name,
        .image = &r->candidate.image,
        .image_name = want->image,
        .create_options = want->create_options,
        .env = (const char *const *)env,
        .workload_socket = "/",
    };
    int rc = sk_runtime_check(&m->agent->host, &start, note, err);
    sk_agent_env_done(env);
    return rc;
}

static void note_attempt(struct sk_agent_record *r, const struct sk_agent_spec *want)
{
    if (strcmp(r->tried, want->hash) != 0) {
        (void)snprintf(r->tried, sizeof r->tried, "%s", want->hash);
        r->attempts = r->deaths = 0;
    }
    r->attempts++;
}

void sk_agent_update(struct sk_agent_module *m, struct sk_agent_spec *want)
{
    struct sk_agent_record *r = &m->rec;
    struct sk_err err = SK_ERR_INIT;
    struct sk_runtime_status st;
    char why[200] = "";
    m->is_hindered = false;
    sk_agent_module_show(m, r->active.is_started ? "running" : "stopped", false,
                         "version %.60s: preparing", want->tag);
    if (prepare(m, want, &err) < 0) {
        refuse(m, want, "prepare", &err);
        return;
    }
    note_attempt(r, want);
    if (r->attempts > ATTEMPTS_MAX) {
        (void)sk_fail(&err, SK_UNSUPPORTED, "begun %d times and interrupted each time",
                      ATTEMPTS_MAX);
        refuse(m, want, "update", &err);
        return;
    }
    bool has_active = sk_agent_slot_runs(m, &r->active, &st);
    bool is_beside = !has_active || can_overlap(m, &r->candidate, why);
    const uint64_t stopped_ns = sk_now_ns();
    if (is_beside ? sk_agent_enter(m, SK_PHASE_PREPARE, &err) < 0 : make_way(m, why, &err) < 0) {
        refuse(m, want, "update", &err);
        return;
    }
    if (sk_agent_start_slot(m, &r->candidate, true, &err) < 0) {
        /* A keeper that was lost cannot share what a native module listens on: it must go first. */
        m->must_replace = err.code == SK_EXISTS && is_beside && has_active &&
                          sk_agent_ports_lost(m, &r->active);
        refuse(m, want, "start", &err);
        return;
    }
    m->must_replace = false;
    if (sk_agent_gate(m, &r->candidate, is_beside && has_active ? &r->active : NULL, &err) < 0) {
        refuse(m, want, "gate", &err);
        return;
    }
    sk_agent_note_before(m);
    if (sk_agent_enter(m, SK_PHASE_HANDOVER, &err) < 0 || sk_agent_hand_over(m, &err) < 0) {
        refuse(m, want, "hand-over", &err);
        return;
    }
    m->made_way = false;
    if (!is_beside)
        sk_log(SK_WARN, "interrupted", "module=%s ms=%llu", m->name,
               (unsigned long long)((sk_now_ns() - stopped_ns) / 1000000));
}
