/*
 * slots.c - instances of a module: named, started, stopped, and set aside while they still have
 * clients or cannot be stopped.
 *
 * Who is told to stop an instance either sees its end or sets it aside: the record names every
 * instance until it is gone, so that none is left which nobody owns.
 */
#include "agent/agent_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum {
    DRAIN_MS = 30000,
    LINGER_MS = 80000, /* a little more than serve keeps an idle connection */
    LATE_MS = 2000,    /* for who is still connected then: nobody minds the active one meanwhile */
    LOOK_MS = 1000,
    STUCK_MS = 10000, /* between two attempts to stop what cannot be stopped */
    SOCKETS_MAX = 16,
    CONTROL_MS = 5000
};

void sk_agent_keep(struct sk_agent_module *m)
{
    struct sk_err err = SK_ERR_INIT;
    if (sk_agent_module_keep(m, &err) < 0)
        sk_log(SK_ERROR, "state_not_kept", "module=%s error=\"%s\"", m->name, err.text);
}

/* ---- stopping ---- */

int sk_agent_stop_slot(struct sk_agent_module *m, struct sk_agent_slot *s, unsigned grace_ms,
                       struct sk_err *err)
{
    struct sk_err left = SK_ERR_INIT;
    if (!s->spec || !s->is_started)
        return 0;
    if (sk_runtime_stop(&m->agent->host, &s->instance, grace_ms, err) < 0 &&
        err->code != SK_NOT_FOUND)
        return sk_wrap(err, "stopping '%s'", s->instance.instance);
    /* What is left of it runs no more, and the next sweep finds it. */
    if (sk_runtime_remove(&m->agent->host, &s->instance, &left) < 0 && left.code != SK_NOT_FOUND)
        sk_log(SK_WARN, "remove_failed", "module=%s instance=%s error=\"%s\"", m->name,
               s->instance.instance, left.text);
    s->is_started = false;
    memset(&s->instance, 0, sizeof s->instance);
    return 0;
}

/* A place among those set aside: a free one, else that of the oldest, which must end now. */
static struct sk_agent_slot *place_aside(struct sk_agent_module *m)
{
    struct sk_agent_record *r = &m->rec;
    struct sk_err err = SK_ERR_INIT;
    size_t at = 0;
    for (size_t i = 0; i < SK_AGENT_LINGER_MAX; i++) {
        if (!r->lingering[i].spec) {
            at = i;
            break;
        }
        if (m->linger_since_ms[i] < m->linger_since_ms[at])
            at = i;
    }
    struct sk_agent_slot *s = &r->lingering[at];
    if (sk_agent_stop_slot(m, s, 0, &err) < 0)
        sk_log(SK_ERROR, "instance_lost",
               "module=%s error=\"%s\" what_next=\"the agent's next start ends it\"", m->name,
               err.text);
    sk_agent_slot_clear(s);
    m->linger_since_ms[at] = sk_now_ms();
    return s;
}

void sk_agent_end_slot(struct sk_agent_module *m, struct sk_agent_slot *s, unsigned grace_ms)
{
    struct sk_err err = SK_ERR_INIT;
    if (sk_agent_stop_slot(m, s, grace_ms, &err) == 0)
        return;
    sk_log(SK_WARN, "stop_failed", "module=%s error=\"%s\" what_next=\"tried again\"", m->name,
           err.text);
    struct sk_agent_slot *aside = place_aside(m);
    *aside = *s;
    aside->spec = sk_agent_spec_ref(s->spec);
    m->linger_since_ms[aside - m->rec.lingering] = 0; /* it has no clients to wait for */
    s->is_started = false;
    memset(&s->instance, 0, sizeof s->instance);
}

/* ---- what is past, but may still have clients ---- */

void sk_agent_linger(struct sk_agent_module *m, struct sk_agent_slot *s)
{
    if (s->spec && s->is_started)
        sk_agent_slot_move(place_aside(m), s);
    sk_agent_slot_clear(s);
}

/* Connections that a retired instance still has; -1: it cannot be asked. */
static int64_t connections_of(const struct sk_agent_slot *s)
{
    SK_OWN(sk_json_free) struct sk_json *state = NULL;
    struct sk_err err = SK_ERR_INIT;
    if (s->image.kind != SK_RUNTIME_NATIVE ||
        sk_runtime_control(&s->instance, "state", CONTROL_MS, &state, &err) < 0)
        return -1;
    return sk_json_int(sk_json_get(state, "connections"), -1);
}

void sk_agent_linger_tick(struct sk_agent_module *m)
{
    struct sk_agent_record *r = &m->rec;
    bool has_changed = false;
    uint64_t now = sk_now_ms();
    if (now < m->linger_look_ms)
        return;
    m->linger_look_ms = now + LOOK_MS;
    for (size_t i = 0; i < SK_AGENT_LINGER_MAX; i++) {
        struct sk_agent_slot *s = &r->lingering[i];
        struct sk_err err = SK_ERR_INIT;
        if (!s->spec)
            continue;
        bool is_stuck = m->linger_since_ms[i] == 0;
        bool is_late = now - m->linger_since_ms[i] >= LINGER_MS;
        if (!is_stuck && !is_late && connections_of(s) > 0)
            continue;
        if (sk_agent_stop_slot(m, s, is_stuck ? 0 : is_late ? LATE_MS : DRAIN_MS, &err) < 0) {
            sk_log(SK_WARN, "stop_failed", "module=%s error=\"%s\" what_next=\"tried again\"",
                   m->name, err.text);
            m->linger_since_ms[i] = 0;
            m->linger_look_ms = sk_now_ms() + STUCK_MS;
            continue;
        }
        sk_agent_slot_clear(s);
        has_changed = true;
    }
    if (!has_changed)
        return;
    sk_agent_keep(m);
    sk_agent_module_tell(m);
}

/* ---- starting ---- */

/* The number is kept before it is used: no instance's name is used twice. Only the one that serves
 * may do without (a full disk): after a kill the sweep would end it, and another would be begun. */
static int name_instance(struct sk_agent_module *m, struct sk_agent_slot *s, struct sk_err *err)
{
    struct sk_instance *i = &s->instance;
    memset(i, 0, sizeof *i);
    i->kind = s->image.kind;
    (void)snprintf(i->module, sizeof i->module, "%s", m->name);
    (void)snprintf(i->instance, sizeof i->instance, "%s-%llu", m->name,
                   (unsigned long long)m->rec.next++);
    s->is_started = true;
    if (s == &m->rec.active) {
        sk_agent_keep(m);
        return 0;
    }
    int rc = sk_agent_module_keep(m, err);
    if (rc < 0)
        s->is_started = false;
    return rc;
}

static void close_sockets(struct sk_runtime_socket *sockets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sk_close(&sockets[i].fd);
}

static int launch(struct sk_agent_module *m, struct sk_agent_slot *s, bool is_paused,
                  const char *workload, char **env, struct sk_err *err)
{
    struct sk_agent *a = m->agent;
    struct sk_runtime_socket sockets[SOCKETS_MAX];
    char names[SOCKETS_MAX][24];
    char host[600];
    unsigned char raw[24];
    bool is_name = inet_pton(AF_INET, a->config.gateway, raw) != 1 &&
                   inet_pton(AF_INET6, a->config.gateway, raw) != 1;
    const char *hosts[] = { is_name ? host : NULL, NULL };
    size_t count = 0;
    (void)snprintf(host, sizeof host, "%s:host-gateway", a->config.gateway);
    const struct sk_runtime_start start = {
        .module = m->name,
        .instance = s->instance.instance,
        .image = &s->image,
        .image_name = s->spec->image,
        .create_options = s->spec->create_options,
        .env = (const char *const *)env,
        .workload_socket = workload,
        .sockets = sockets,
        .hosts = hosts,
        .is_paused = is_paused,
        .is_low_priority = is_paused,
        .uid = a->host.first_uid > 0 ? a->host.first_uid + m->rec.uid_index : 0,
    };
    struct sk_runtime_start with = start;
    struct sk_instance got = s->instance;
    if (sk_agent_open_ports(m, s, sockets, names, SOCKETS_MAX, &count, err) < 0)
        return -1;
    with.socket_count = count;
    int rc = sk_runtime_start(&a->host, &with, &got, err);
    close_sockets(sockets, count);
    if (rc < 0)
        return -1;
    s->instance = got;
    m->rec.last_start_ms = (int64_t)sk_wall_ms();
    m->keeper_starts = atomic_load(&a->keeper_starts);
    if (s != &m->rec.active)
        return sk_agent_module_keep(m, err);
    sk_agent_keep(m);
    return 0;
}

/* Where two cannot be, those set aside go first. */
static int make_room(struct sk_agent_module *m, const struct sk_agent_slot *s, struct sk_err *err)
{
    char why[160];
    if (sk_runtime_can_overlap(s->image.kind, s->spec->create_options, why))
        return 0;
    for (size_t i = 0; i < SK_AGENT_LINGER_MAX; i++) {
        if (sk_agent_stop_slot(m, &m->rec.lingering[i], DRAIN_MS, err) < 0)
            return sk_wrap(err, "two cannot be side by side (%s)", why);
        sk_agent_slot_clear(&m->rec.lingering[i]);
    }
    return 0;
}

int sk_agent_start_slot(struct sk_agent_module *m, struct sk_agent_slot *s, bool is_paused,
                        struct sk_err *err)
{
    struct sk_agent *a = m->agent;
    char generation[64], workload[200];
    char **env = NULL;
    bool is_registered;
    if (make_room(m, s, err) < 0 || name_instance(m, s, err) < 0)
        return -1;
    (void)snprintf(workload, sizeof workload, "%s/workload/%s/workload.sock", a->run_dir,
                   s->instance.instance);
    sk_agent_module_tell(m);
    sk_agent_generation(a, m->name, generation, &is_registered);
    int rc = sk_agent_env(a, s->spec, &s->image, workload, generation, &env, err);
    if (rc == 0 && s->image.kind == SK_RUNTIME_DOCKER)
        rc = sk_agent_await_socket(a, workload, err);
    if (rc == 0)
        rc = launch(m, s, is_paused, workload, env, err);
    sk_agent_env_done(env);
    if (rc < 0) {
        sk_agent_end_slot(m, s, 0);
        sk_agent_keep(m);
        sk_agent_module_tell(m);
        return -1;
    }
    sk_agent_module_tell(m);
    sk_log(SK_INFO, "module_started", "module=%s instance=%s runtime=%s image=%s pid=%lld", m->name,
           s->instance.instance, s->image.kind == SK_RUNTIME_NATIVE ? "native" : "docker",
           s->spec->image, (long long)s->instance.pid);
    return 0;
}

/* What it ran before is here already; only what was removed by hand is fetched again. Where both
 * fail (no network, and a note of the store is damaged), the record still says where the model is.
 */
static int find_image(struct sk_agent_module *m, struct sk_agent_slot *s, struct sk_err *err)
{
    const struct sk_runtime_image before = s->image;
    if (sk_agent_pull(m, s, false, err) == 0 || sk_agent_pull(m, s, s->spec->may_pull, err) == 0)
        return 0;
    if (before.kind != SK_RUNTIME_NATIVE || !sk_is_dir(before.model_path))
        return -1;
    sk_log(SK_WARN, "image_of_the_record", "module=%s error=\"%s\" what_next=\"its model is here\"",
           m->name, err->text);
    s->image = before;
    return 0;
}

int sk_agent_start_active(struct sk_agent_module *m, struct sk_err *err)
{
    struct sk_agent_slot *s = &m->rec.active;
    struct sk_runtime_status st;
    m->is_first_look = false; /* an exit from now on is its own */
    if (find_image(m, s, err) < 0)
        return sk_wrap(err, "image");
    if (sk_agent_start_slot(m, s, false, err) < 0)
        return -1;
    if (s->image.kind == SK_RUNTIME_DOCKER) {
        if (sk_runtime_control(&s->instance, "accept", CONTROL_MS, NULL, err) < 0 ||
            sk_agent_aim_ports(m, s, err) < 0) {
            /* Running without clients is not running: it is begun anew, after its pause. */
            sk_agent_end_slot(m, s, 0);
            sk_agent_keep(m);
            sk_agent_module_tell(m);
            return sk_wrap(err, "publishing it");
        }
    }
    m->up_since_ms = sk_now_ms();
    if (!sk_agent_slot_runs(m, s, &st))
        sk_log(SK_WARN, "module_exited", "module=%s status=\"%s\"", m->name, st.text);
    return 0;
}
