/*
 * recover.c - after a start of the agent: what the phase of a module's record left half done.
 *
 * What was not handed over yet is thrown away and begun anew; a hand-over is done again, or undone
 * when its candidate has died; the rest is done again. A start that ends here is recovered by the
 * next one in the same way.
 */
#include "agent/agent_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <limits.h>

static void finish_handover(struct sk_agent_module *m)
{
    struct sk_agent_record *r = &m->rec;
    struct sk_runtime_status st;
    struct sk_err err = SK_ERR_INIT;
    if (sk_agent_slot_runs(m, &r->candidate, &st)) {
        if (sk_agent_hand_over(m, &err) == 0)
            return;
        sk_log(SK_WARN, "handover_failed", "module=%s error=\"%s\" what_next=\"it is undone\"",
               m->name, err.text);
    }
    sk_agent_hand_back(m);
    sk_agent_drop_candidate(m, 0);
}

/* The version that served was, or may have been, stopped: it is to be started, whatever the
 * module's restartPolicy says of exits. */
static void count_as_never_started(struct sk_agent_module *m)
{
    struct sk_runtime_status st;
    if (!sk_agent_slot_runs(m, &m->rec.active, &st))
        sk_agent_end_slot(m, &m->rec.active, 0);
}

static void drop_rest(struct sk_agent_module *m)
{
    struct sk_agent_record *r = &m->rec;
    sk_agent_end_slot(m, &r->old, 0);
    sk_agent_slot_clear(&r->old);
    sk_agent_drop_candidate(m, 0);
}

/* One that was being started when the agent ended may be there or not. */
static void end_begun(struct sk_agent_module *m)
{
    struct sk_agent_slot *s = &m->rec.active;
    if (s->is_started && s->instance.pid <= 0 && !*s->instance.container)
        sk_agent_end_slot(m, s, 0);
}

/* A machine that was switched off in a probation, or `edge stop --all`: both versions have ended,
 * which says nothing of the new one. It is started, and its probation goes on. */
static void count_no_death(struct sk_agent_module *m)
{
    struct sk_agent_record *r = &m->rec;
    struct sk_err err = SK_ERR_INIT;
    if (r->active.is_started && !r->is_of_other_boot)
        return;
    sk_agent_end_slot(m, &r->old, 0);
    sk_agent_end_slot(m, &r->active, 0);
    if (sk_agent_start_active(m, &err) < 0)
        sk_log(SK_ERROR, "start_failed", "module=%s error=\"%s\"", m->name, err.text);
}

/* A record of ours never lacks these; one that does is read as far as it goes. */
static bool is_whole(const struct sk_agent_record *r)
{
    switch (r->phase) {
    case SK_PHASE_PROBATION:
    case SK_PHASE_BACK:
        return r->active.spec && r->old.spec;
    case SK_PHASE_COMMIT:
        return r->active.spec;
    default:
        return true;
    }
}

void sk_agent_recover(struct sk_agent_module *m)
{
    struct sk_agent_record *r = &m->rec;
    struct sk_err err = SK_ERR_INIT;
    const uint64_t now = sk_now_ms();
    if (r->phase != SK_PHASE_STEADY)
        sk_log(SK_INFO, "recovering", "module=%s phase=%s", m->name, sk_agent_phase_name(r->phase));
    for (size_t i = 0; i < SK_AGENT_LINGER_MAX; i++)
        m->linger_since_ms[i] = now;
    m->must_tidy = m->is_first_look = true;
    m->keeper_starts = UINT_MAX; /* whoever keeps the ports: they are looked at */
    end_begun(m);
    switch (is_whole(r) ? r->phase : SK_PHASE_REPLACE) {
    case SK_PHASE_HANDOVER:
        finish_handover(m);
        break;
    case SK_PHASE_PROBATION:
        m->must_retire = true; /* it may have been killed in between; again does no harm */
        m->probation_until_ms = now + (uint64_t)r->probation_left_ms;
        count_no_death(m);
        break;
    case SK_PHASE_COMMIT:
        m->must_retire = true;
        if (sk_agent_commit(m, &err) < 0)
            sk_log(SK_ERROR, "commit_failed", "module=%s error=\"%s\"", m->name, err.text);
        break;
    case SK_PHASE_BACK:
        sk_agent_back(m, "the agent had ended while it went back");
        break;
    case SK_PHASE_REPLACE:
    case SK_PHASE_REMOVE:
        count_as_never_started(m);
        drop_rest(m);
        break;
    default:
        if (r->candidate.spec || r->old.spec || r->phase != SK_PHASE_STEADY)
            drop_rest(m);
    }
    sk_agent_module_tell(m);
}
