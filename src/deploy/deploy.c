/*
 * deploy.c - the thread that evaluates, and what wakes it.
 *
 *     configurations change -> wants_work     devices change -> marked     time -> wants_all
 *
 * What is wanted is taken under the mutex and then done; what comes meanwhile is there the next
 * time round, and a pass gives up for newer work. So after the last change all is looked at once
 * with the newest state, in whatever order things came. A failure puts back what was taken.
 */
#include "deploy/deploy_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    INTERVAL_MS = 5 * 60 * 1000,
    RETRY_MS = 1000
};

/* What the thread has taken for one round. */
struct round {
    bool work, all;
    struct sk_ids marked, agents;
};

/* ---- waking ---- */

void sk_deploy_wake(struct sk_deploy *d)
{
    SK_LOCK(&d->mutex);
    d->wants_work = true;
    d->has_any = true;
    (void)pthread_cond_broadcast(&d->changed);
}

bool sk_deploy_is_stale(struct sk_deploy *d)
{
    SK_LOCK(&d->mutex);
    return d->is_stopping || d->wants_work;
}

static bool add_id(struct sk_ids *ids, int64_t id)
{
    if (ids->count > 0 && ids->items[ids->count - 1] == id)
        return true;
    if (ids->count == SK_DEPLOY_MARKED_MAX)
        return false;
    ids->items[ids->count++] = id;
    return true;
}

static void mark(struct sk_deploy *d, int64_t identity)
{
    if (!d->has_any || d->wants_all)
        return;
    if (!add_id(&d->marked, identity))
        d->wants_all = true;
    (void)pthread_cond_broadcast(&d->changed);
}

static void note_report(struct sk_deploy *d, const struct sk_device_event *e)
{
    static const char word[] = "\"lastDesired";
    if (strcmp(e->module, "$edgeAgent") != 0 || !d->progress ||
        !memmem(e->body.ptr, e->body.len, word, sizeof word - 1))
        return;
    if (!add_id(&d->agents, e->identity) && !d->is_losing) {
        d->is_losing = true;
        sk_log(SK_WARN, "deployment_reports_lost", "device=\"%s\" next=\"not told of\"", e->device);
    }
    (void)pthread_cond_broadcast(&d->changed);
}

void sk_deploy_event(struct sk_deploy *d, const struct sk_device_event *e)
{
    if (!d)
        return;
    SK_LOCK(&d->mutex);
    if (d->is_stopping)
        return;
    switch (e->kind) {
    case SK_EVENT_CREATED:
    case SK_EVENT_CHANGED:
    case SK_EVENT_TAGS:
        mark(d, e->identity);
        break;
    case SK_EVENT_REPORTED:
        if (d->uses_reported)
            mark(d, e->identity);
        note_report(d, e);
        break;
    case SK_EVENT_DELETED:
    case SK_EVENT_DESIRED:
    case SK_EVENT_DOWN:
        break;
    }
}

/* ---- reports of agents ---- */

static void tell_report(const struct sk_deploy *d, const char *device, const char *id, bool is_good)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1024);
    sk_buf_str(&b, "{\"deployment\":");
    sk_buf_json_str(&b, id);
    sk_buf_fmt(&b, ",\"status\":\"%s\"}", is_good ? "reportedSuccessful" : "reportedFailed");
    if (sk_buf_ok(&b))
        d->progress(d->ctx, device, b.data);
}

/* The agent has got to the newest version, and says how it went. */
static int look_at_report(const struct sk_deploy *d, struct sk_tx *tx, int64_t identity,
                          struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    SK_OWN(sk_json_free) struct sk_json *marks = NULL;
    if (sk_tx_query(tx, &s, err,
                    "SELECT i.device, t.configurations, "
                    "json_extract(t.reported, '$.lastDesiredStatus.code') FROM twin t "
                    "JOIN identity i ON i.id = t.identity WHERE t.identity = ?1 AND "
                    "json_extract(t.reported, '$.lastDesiredVersion') = t.desired_version",
                    "i", identity) < 0)
        return -1;
    int found = sk_stmt_next(s, err);
    if (found <= 0 || sk_stmt_is_null(s, 2))
        return found < 0 ? -1 : 0;
    const struct sk_view text = sk_stmt_view(s, 1);
    if (sk_json_parse(text.ptr, text.len, NULL, &marks, err) < 0)
        return -1;
    for (void *it = sk_json_first(marks); it; it = sk_json_next(marks, it))
        if (strcmp(sk_json_get_text(sk_json_value(it), "status", ""), "Applied") == 0)
            tell_report(d, sk_stmt_text(s, 0), sk_json_key(it), sk_stmt_int(s, 2) == 200);
    return 0;
}

static int look_at_reports(const struct sk_deploy *d, const struct sk_ids *agents,
                           struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    if (agents->count == 0)
        return 0;
    if (sk_db_begin(d->db, SK_DB_READ, &tx, err) < 0)
        return -1;
    for (size_t i = 0; i < agents->count; i++)
        if (look_at_report(d, tx, agents->items[i], err) < 0)
            return -1;
    return 0;
}

/* ---- the thread ---- */

static bool is_wanted(const struct sk_deploy *d)
{
    return d->wants_work || d->wants_all || d->marked.count > 0 || d->agents.count > 0;
}

/* False: it ends. */
static bool take(struct sk_deploy *d, uint64_t due_ms, struct round *out)
{
    SK_LOCK(&d->mutex);
    d->in_hand = 0;
    d->is_counted = false;
    while (!d->is_stopping && !is_wanted(d) && sk_now_ms() < due_ms)
        (void)sk_cond_wait_until(&d->changed, &d->mutex, due_ms * 1000000);
    out->work = d->wants_work;
    out->all = d->wants_all || sk_now_ms() >= due_ms;
    out->marked = d->marked;
    out->agents = d->agents;
    d->wants_work = d->wants_all = d->is_losing = false;
    d->marked.count = d->agents.count = 0;
    d->in_hand = 1 + out->marked.count;
    return !d->is_stopping;
}

static int do_round(struct sk_deploy *d, const struct round *r, struct sk_err *err)
{
    if (r->work && sk_pass_run(d, SK_PASS_WORK, NULL, 0, err) < 0)
        return -1;
    if (r->all && sk_pass_run(d, SK_PASS_ALL, NULL, 0, err) < 0)
        return -1;
    if (!r->all && r->marked.count > 0 &&
        sk_pass_run(d, SK_PASS_SOME, r->marked.items, r->marked.count, err) < 0)
        return -1;
    return look_at_reports(d, &r->agents, err);
}

static void pause_after(struct sk_deploy *d, const struct sk_err *why)
{
    const uint64_t until_ns = sk_now_ns() + RETRY_MS * 1000000ull;
    sk_log(SK_ERROR, "deployments_delayed", "error=\"%s\" retry_ms=%d", why->text, RETRY_MS);
    SK_LOCK(&d->mutex);
    d->in_hand = 1;
    d->is_counted = false;
    while (!d->is_stopping && sk_now_ns() < until_ns)
        (void)sk_cond_wait_until(&d->changed, &d->mutex, until_ns);
    d->wants_work = d->wants_all = true;
}

static void *work(void *arg)
{
    struct sk_deploy *d = arg;
    struct round r;
    uint64_t due_ms = sk_now_ms() + d->interval_ms;
    while (take(d, due_ms, &r)) {
        struct sk_err err = SK_ERR_INIT;
        if (do_round(d, &r, &err) < 0) {
            pause_after(d, &err);
            continue;
        }
        if (r.all)
            due_ms = sk_now_ms() + d->interval_ms;
    }
    return NULL;
}

/* ---- beginning and end ---- */

static int copy_names(struct sk_deploy *d, const char *const *names, struct sk_err *err)
{
    for (; names && *names; names++)
        if (sk_names_add(&d->hub_names, *names, strlen(*names), err) < 0)
            return -1;
    return 0;
}

int sk_deploy_new(const struct sk_deploy_options *opts, struct sk_deploy **out, struct sk_err *err)
{
    SK_OWN(sk_deploy_free) struct sk_deploy *d = calloc(1, sizeof *d);
    if (!d)
        return sk_nomem(err);
    d->devices = opts->devices;
    d->db = sk_devices_db(opts->devices);
    d->has_image = opts->has_image;
    d->progress = opts->progress;
    d->ctx = opts->ctx;
    d->interval_ms = opts->interval_ms ? opts->interval_ms : INTERVAL_MS;
    /* What was left, and then what happened while nobody looked. */
    d->wants_work = d->wants_all = true;
    d->has_any = d->uses_reported = true;
    d->has_mutex = pthread_mutex_init(&d->mutex, NULL) == 0;
    if (!d->has_mutex)
        return sk_nomem(err);
    if (copy_names(d, opts->hub_names, err) < 0 || sk_cond_init(&d->changed, err) < 0)
        return -1;
    d->has_cond = true;
    /* Set before the thread runs: events of what it changes come back to *out at once. */
    *out = d;
    if (sk_thread_start(&d->thread, "sk-deploy", work, d, err) < 0) {
        *out = NULL;
        return -1;
    }
    d->has_thread = true;
    (void)SK_TAKE(d);
    return 0;
}

void sk_deploy_stop(struct sk_deploy *d)
{
    if (!d || !d->has_thread)
        return;
    {
        SK_LOCK(&d->mutex);
        d->is_stopping = true;
        (void)pthread_cond_broadcast(&d->changed);
    }
    (void)pthread_join(d->thread, NULL);
    d->has_thread = false;
}

void sk_deploy_free(struct sk_deploy *d)
{
    if (!d)
        return;
    sk_deploy_stop(d);
    if (d->has_cond)
        (void)pthread_cond_destroy(&d->changed);
    if (d->has_mutex)
        (void)pthread_mutex_destroy(&d->mutex);
    sk_names_done(&d->hub_names);
    free(d);
}
