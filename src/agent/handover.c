/*
 * handover.c - who serves: over to the candidate, probation, and the way back.
 *
 * What a phase does can be done again from its beginning. So a record that could not be written
 * behind a hand-over (a full disk) undoes nothing: the one on the disk leads to the same.
 */
#include "agent/agent_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

enum {
    DEATHS_MAX = 3,
    DRAIN_MS = 30000,
    LOOK_MS = 1000,
    CONTROL_MS = 5000,
    TRIES = 3
};

int sk_agent_enter(struct sk_agent_module *m, enum sk_agent_phase phase, struct sk_err *err)
{
    enum sk_agent_phase before = m->rec.phase;
    m->rec.phase = phase;
    if (sk_agent_module_keep(m, err) < 0) {
        m->rec.phase = before;
        return sk_wrap(err, "phase %s", sk_agent_phase_name(phase));
    }
    sk_log(SK_INFO, "phase", "module=%s phase=%s", m->name, sk_agent_phase_name(phase));
    sk_agent_test_hook(m->agent, m->name, sk_agent_phase_name(phase));
    return 0;
}

/* The same where what it stands for is done already. */
static void pass(struct sk_agent_module *m, enum sk_agent_phase phase)
{
    struct sk_err err = SK_ERR_INIT;
    if (sk_agent_enter(m, phase, &err) == 0)
        return;
    m->rec.phase = phase;
    sk_log(SK_ERROR, "state_not_kept", "module=%s error=\"%s\" what_next=\"tried again\"", m->name,
           err.text);
}

/* `to` serves from now on. Native: it accepts on the socket that both have; a container: the
 * forwards go to its address. */
static int turn_to(struct sk_agent_module *m, struct sk_agent_slot *to, const char *type,
                   struct sk_err *err)
{
    if (sk_runtime_control(&to->instance, "accept", CONTROL_MS, NULL, err) < 0)
        return sk_wrap(err, "accept");
    if (to->image.kind == SK_RUNTIME_DOCKER && sk_agent_aim_ports(m, to, err) < 0)
        return -1;
    struct sk_err hub = SK_ERR_INIT;
    if (sk_agent_promote(m->agent, type, m->name, to->instance.instance, &hub) < 0)
        sk_log(SK_WARN, "promote_failed",
               "module=%s error=\"%s\" what_next=\"the local hub is told with the next list\"",
               m->name, hub.text);
    return 0;
}

/* Back to one that served before; false: it does not run, or cannot be made to serve. */
static bool turn_back(struct sk_agent_module *m, struct sk_agent_slot *to)
{
    struct sk_runtime_status st;
    for (int i = 0; i < TRIES; i++) {
        struct sk_err err = SK_ERR_INIT;
        if (!sk_agent_slot_runs(m, to, &st))
            return false;
        if (turn_to(m, to, "demote", &err) == 0)
            return true;
        sk_log(SK_ERROR, "back_failed", "module=%s error=\"%s\" what_next=\"%s\"", m->name,
               err.text, i + 1 < TRIES ? "tried again" : "it is started anew");
    }
    return false;
}

static bool retire(struct sk_agent_module *m, struct sk_agent_slot *s)
{
    struct sk_runtime_status st;
    struct sk_err err = SK_ERR_INIT;
    if (s->image.kind != SK_RUNTIME_NATIVE || !s->spec || !s->is_started ||
        sk_runtime_control(&s->instance, "retire", CONTROL_MS, NULL, &err) == 0 ||
        !sk_agent_slot_runs(m, s, &st))
        return true;
    sk_log(SK_WARN, "retire_failed", "module=%s instance=%s error=\"%s\"", m->name,
           s->instance.instance, err.text);
    return false;
}

/* Nobody else would answer on a port that only the old one has: there it serves until commit. */
static void retire_old(struct sk_agent_module *m)
{
    struct sk_agent_record *r = &m->rec;
    m->must_retire = sk_agent_ports_differ(m, &r->old, &r->active) || !retire(m, &r->old);
}

/* Runs for certain: what cannot be asked now is not seen. */
static bool is_seen(struct sk_agent_module *m, const struct sk_agent_slot *s,
                    struct sk_runtime_status *st)
{
    struct sk_err err = SK_ERR_INIT;
    memset(st, 0, sizeof *st);
    st->state = SK_RUNTIME_RUNNING; /* as far as is known */
    return sk_runtime_status(&m->agent->host, &s->instance, st, &err) == 0 &&
           st->state == SK_RUNTIME_RUNNING;
}

/* ---- there ---- */

/* Before the active one retires: the candidate has it all now, and is alive. */
static int check_taken(struct sk_agent_module *m, struct sk_err *err)
{
    struct sk_agent_record *r = &m->rec;
    struct sk_runtime_status st;
    if (is_seen(m, &r->candidate, &st))
        return 0;
    if (st.state == SK_RUNTIME_RUNNING)
        return sk_fail(err, SK_IO, "it cannot be asked whether it runs");
    bool is_last = ++r->deaths >= DEATHS_MAX;
    return sk_fail(err, is_last ? SK_UNSUPPORTED : SK_IO,
                   "it ended while it took over, death %u of %d: %.120s", r->deaths, DEATHS_MAX,
                   st.text);
}

int sk_agent_hand_over(struct sk_agent_module *m, struct sk_err *err)
{
    struct sk_agent_record *r = &m->rec;
    struct sk_err named = SK_ERR_INIT;
    const uint64_t begin_ns = sk_now_ns();
    bool is_first = !r->active.spec;
    if (r->active.is_started && r->active.image.kind == SK_RUNTIME_DOCKER &&
        sk_runtime_control(&r->active.instance, "retire", CONTROL_MS, NULL, &named) < 0)
        sk_log(SK_WARN, "retire_failed", "module=%s error=\"%s\"", m->name, named.text);
    if (turn_to(m, &r->candidate, "promote", err) < 0 || check_taken(m, err) < 0)
        return -1;
    sk_agent_slot_move(&r->old, &r->active);
    sk_agent_slot_move(&r->active, &r->candidate);
    sk_agent_module_tell(m);
    retire_old(m);
    r->probation_left_ms = (int64_t)m->agent->config.probation_ms;
    pass(m, is_first ? SK_PHASE_STEADY : SK_PHASE_PROBATION);
    m->probation_until_ms = sk_now_ms() + m->agent->config.probation_ms;
    m->up_since_ms = sk_now_ms();
    m->not_before_ms = m->restart_at_ms = 0;
    sk_log(SK_INFO, "handed_over", "module=%s from=%s to=%s ms=%.1f", m->name,
           is_first ? "none" : r->old.spec->tag, r->active.spec->tag,
           (double)(sk_now_ns() - begin_ns) / 1e6);
    return 0;
}

void sk_agent_hand_back(struct sk_agent_module *m)
{
    struct sk_agent_slot *s = &m->rec.active;
    if (s->spec && s->is_started && !turn_back(m, s))
        sk_agent_end_slot(m, s, 0);
    if (s->spec && !s->is_started)
        m->restart_at_ms = 0;
}

/* ---- the way back ---- */

/* The ports that only this one has. */
static void shut(struct sk_agent_module *m, const struct sk_agent_slot *s)
{
    struct sk_err err = SK_ERR_INIT;
    if (sk_agent_close_ports(m, s, &m->rec.active, &err) == 0)
        return;
    m->must_tidy = true;
    sk_log(SK_WARN, "close_failed", "module=%s error=\"%s\" what_next=\"tried again\"", m->name,
           err.text);
}

void sk_agent_drop_candidate(struct sk_agent_module *m, unsigned grace_ms)
{
    struct sk_agent_record *r = &m->rec;
    shut(m, &r->candidate);
    sk_agent_end_slot(m, &r->candidate, grace_ms);
    sk_agent_slot_clear(&r->candidate);
    pass(m, SK_PHASE_STEADY);
    sk_agent_module_tell(m);
}

void sk_agent_back(struct sk_agent_module *m, const char *why)
{
    struct sk_agent_record *r = &m->rec;
    struct sk_err err = SK_ERR_INIT;
    const uint64_t begin_ns = sk_now_ns();
    if (r->phase != SK_PHASE_BACK)
        pass(m, SK_PHASE_BACK);
    bool is_warm = turn_back(m, &r->old);
    const double ms = (double)(sk_now_ns() - begin_ns) / 1e6;
    sk_agent_slot_move(&r->candidate, &r->active);
    sk_agent_slot_move(&r->active, &r->old);
    if (is_warm)
        sk_agent_module_tell(m);
    (void)retire(m, &r->candidate);
    m->must_retire = false;
    pass(m, SK_PHASE_STEADY);
    if (!is_warm) {
        if (!r->active.is_started) /* it was stopped, since two cannot be */
            sk_agent_end_slot(m, &r->candidate, DRAIN_MS);
        sk_agent_end_slot(m, &r->active, 0);
        if (sk_agent_start_active(m, &err) < 0)
            sk_log(SK_ERROR, "start_failed", "module=%s error=\"%s\"", m->name, err.text);
    }
    sk_log(SK_WARN, "went_back", "module=%s from=%s to=%s was_loaded=%s ms=%.1f reason=\"%s\"",
           m->name, r->candidate.spec ? r->candidate.spec->tag : "none",
           r->active.spec ? r->active.spec->tag : "none", is_warm ? "true" : "false", ms, why);
    sk_agent_drop_candidate(m, DRAIN_MS);
    m->up_since_ms = sk_now_ms();
}

/* ---- for good ---- */

int sk_agent_commit(struct sk_agent_module *m, struct sk_err *err)
{
    struct sk_agent_record *r = &m->rec;
    if (r->phase != SK_PHASE_COMMIT && sk_agent_enter(m, SK_PHASE_COMMIT, err) < 0)
        return -1;
    shut(m, &r->old);
    if (m->must_retire && !retire(m, &r->old))
        sk_agent_end_slot(m, &r->old, DRAIN_MS); /* it would go on accepting */
    m->must_retire = false;
    sk_agent_linger(m, &r->old);
    r->deaths = r->attempts = 0;
    *r->failed = *r->failed_why = '\0';
    pass(m, SK_PHASE_STEADY);
    sk_agent_module_tell(m);
    sk_agent_identity_wake(m->agent);
    sk_log(SK_INFO, "committed", "module=%s version=%s", m->name, r->active.spec->tag);
    return 0;
}

/* ---- probation ---- */

static uint64_t pause_after(unsigned deaths)
{
    return deaths <= 1 ? 100 : (uint64_t)10000 << (deaths - 2);
}

static void died(struct sk_agent_module *m, const struct sk_runtime_status *st)
{
    struct sk_agent_record *r = &m->rec;
    char why[300];
    r->deaths++;
    r->last_exit = st->exit_code;
    r->last_exit_ms = (int64_t)sk_wall_ms();
    (void)snprintf(why, sizeof why, "death %u of %d in probation: %.150s", r->deaths, DEATHS_MAX,
                   st->text);
    sk_agent_defer(m, r->active.spec, pause_after(r->deaths), "running; version %.60s: %s",
                   r->active.spec->tag, why);
    SK_OWN(sk_agent_spec_unref) struct sk_agent_spec *spec = sk_agent_spec_ref(r->active.spec);
    if (r->deaths >= DEATHS_MAX)
        sk_agent_note_failed(m, spec, why); /* in the same record as the way back */
    r->attempts = 0;
    sk_agent_back(m, why);
    if (r->deaths >= DEATHS_MAX)
        sk_agent_give_up(m, spec, why);
    sk_agent_module_show(m, "running", r->deaths >= DEATHS_MAX, "running; version %.60s: %s",
                         spec->tag, why);
}

void sk_agent_probation(struct sk_agent_module *m, const struct sk_agent_spec *want)
{
    struct sk_agent_record *r = &m->rec;
    struct sk_runtime_status st;
    struct sk_err err = SK_ERR_INIT;
    char why[200];
    if (!sk_agent_slot_runs(m, &r->active, &st)) {
        died(m, &st);
        return;
    }
    if (m->must_retire)
        retire_old(m);
    if (sk_agent_is_worse(m, why)) {
        SK_OWN(sk_agent_spec_unref) struct sk_agent_spec *spec = sk_agent_spec_ref(r->active.spec);
        sk_agent_note_failed(m, spec, why);
        sk_agent_back(m, why);
        sk_agent_give_up(m, spec, why);
        return;
    }
    uint64_t now = sk_now_ms();
    bool is_superseded = strcmp(want->hash, r->active.spec->hash) != 0;
    if (now >= m->probation_until_ms || is_superseded) {
        if (!is_seen(m, &r->active, &st)) { /* only what is seen to run is committed */
            (void)sk_agent_module_wait(m, &r->active.instance, LOOK_MS);
        } else if (sk_agent_commit(m, &err) < 0) {
            sk_log(SK_ERROR, "commit_failed", "module=%s error=\"%s\"", m->name, err.text);
            (void)sk_agent_module_wait(m, &r->active.instance, LOOK_MS);
        }
        return;
    }
    sk_agent_module_show(m, "running", true, "running; on probation");
    uint64_t left = m->probation_until_ms - now;
    (void)sk_agent_module_wait(m, &r->active.instance, left < LOOK_MS ? left : LOOK_MS);
}
