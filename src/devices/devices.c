/*
 * devices.c - the writer that all changes go through, and the events that they bring about.
 *
 * An event is put into a list while its change runs, on the writer's thread, and told after the
 * commit, before those are told who wait for the change. A change that is taken back alone cuts the
 * list back to where it began; a transaction that is taken back empties it.
 */
#include "devices/devices_priv.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

struct sk_tx *sk_change_tx(struct sk_change *c)
{
    return c->tx;
}

static const char *put_text(char **at, const char *text)
{
    size_t len = strlen(text) + 1;
    char *copy = *at;
    memcpy(copy, text, len);
    *at += len;
    return copy;
}

int sk_change_tell(struct sk_change *c, const struct sk_device_event *e, struct sk_err *err)
{
    const char *module = sk_module_of(e->module), *generation = e->generation ? e->generation : "";
    if (!c->d->event)
        return 0;
    struct told *t = malloc(sizeof *t + strlen(e->device) + strlen(module) + strlen(generation) +
                            e->body.len + 4);
    if (!t)
        return sk_nomem(err);
    char *at = (char *)(t + 1);
    *t = (struct told){ .event = *e };
    t->event.device = put_text(&at, e->device);
    t->event.module = put_text(&at, module);
    t->event.generation = put_text(&at, generation);
    if (e->body.len > 0)
        memcpy(at, e->body.ptr, e->body.len);
    at[e->body.len] = '\0';
    t->event.body.ptr = at;
    *c->d->end = t;
    c->d->end = &t->next;
    return 0;
}

int sk_change_tell_of(struct sk_change *c, enum sk_device_event_kind kind,
                      const struct sk_identity *i, struct sk_err *err)
{
    const struct sk_device_event e = { .kind = kind,
                                       .identity = i->id,
                                       .device = i->device,
                                       .module = i->module,
                                       .generation = i->generation };
    return sk_change_tell(c, &e, err);
}

static void free_events(struct told *t)
{
    while (t) {
        struct told *next = t->next;
        free(t);
        t = next;
    }
}

static struct told *take_events(struct sk_devices *d)
{
    struct told *first = d->first;
    d->first = NULL;
    d->end = &d->first;
    return first;
}

static void on_committed(void *ctx)
{
    struct sk_devices *d = ctx;
    struct told *first = take_events(d);
    for (const struct told *t = first; t; t = t->next)
        d->event(d->ctx, &t->event);
    free_events(first);
}

static void on_taken_back(void *ctx)
{
    free_events(take_events(ctx));
}

/* ---- changes ---- */

struct change_job {
    struct sk_devices *d;
    int (*run)(struct sk_change *c, void *ctx, struct sk_err *err);
    void (*done)(void *ctx, const struct sk_err *failed);
    void *ctx;
};

static int run_change(struct sk_tx *tx, void *ctx, struct sk_err *err)
{
    struct change_job *job = ctx;
    struct sk_change c = { job->d, tx };
    struct told **mark = c.d->end;
    if (job->run(&c, job->ctx, err) == 0)
        return 0;
    free_events(*mark);
    *mark = NULL;
    c.d->end = mark;
    return -1;
}

int sk_devices_write(struct sk_devices *d,
                     int (*run)(struct sk_change *c, void *ctx, struct sk_err *err), void *ctx,
                     struct sk_err *err)
{
    struct change_job job = { .d = d, .run = run, .ctx = ctx };
    return sk_db_writer_run(d->writer, run_change, &job, err);
}

int sk_devices_shrink(struct sk_devices *d,
                      int (*run)(struct sk_change *c, void *ctx, struct sk_err *err), void *ctx,
                      struct sk_err *err)
{
    struct change_job job = { .d = d, .run = run, .ctx = ctx };
    return sk_db_writer_shrink(d->writer, run_change, &job, err);
}

static void end_change(void *ctx, const struct sk_err *failed)
{
    struct change_job *job = ctx;
    if (job->done)
        job->done(job->ctx, failed);
    free(job);
}

static int push(struct sk_devices *d, bool is_shrinking, const struct change_job *what,
                struct sk_err *err)
{
    SK_OWN(free) struct change_job *copy = malloc(sizeof *copy);
    if (!copy)
        return sk_nomem(err);
    *copy = *what;
    const struct sk_db_job job = { run_change, end_change, copy, is_shrinking };
    if (sk_db_writer_push(d->writer, &job, err) < 0)
        return -1;
    (void)SK_TAKE(copy);
    return 0;
}

int sk_devices_push(struct sk_devices *d,
                    int (*run)(struct sk_change *c, void *ctx, struct sk_err *err),
                    void (*done)(void *ctx, const struct sk_err *failed), void *ctx,
                    struct sk_err *err)
{
    return push(d, false, &(struct change_job){ d, run, done, ctx }, err);
}

int sk_devices_push_shrink(struct sk_devices *d,
                           int (*run)(struct sk_change *c, void *ctx, struct sk_err *err),
                           void (*done)(void *ctx, const struct sk_err *failed), void *ctx,
                           struct sk_err *err)
{
    return push(d, true, &(struct change_job){ d, run, done, ctx }, err);
}

/* ---- beginning and end ---- */

/* On a full disk too: else the hub could not start, and nobody could make room. */
static int forget_connections(struct sk_change *c, void *ctx, struct sk_err *err)
{
    (void)ctx;
    return sk_tx_run(c->tx, err,
                     "UPDATE identity SET is_connected = 0, connection_ms = ?1 "
                     "WHERE is_connected = 1",
                     "i", (int64_t)sk_wall_ms());
}

int sk_devices_new(const struct sk_devices_options *opts, struct sk_devices **out,
                   struct sk_err *err)
{
    SK_OWN(sk_devices_free) struct sk_devices *d = calloc(1, sizeof *d);
    if (!d)
        return sk_nomem(err);
    d->db = sk_store_db(opts->store);
    d->event = opts->event;
    d->ctx = opts->ctx;
    d->end = &d->first;
    d->has_mutex = pthread_mutex_init(&d->mutex, NULL) == 0;
    if (!d->has_mutex)
        return sk_nomem(err);
    const struct sk_db_writer_options writer = { .db = d->db,
                                                 .mode = SK_DB_WRITE,
                                                 .committed = on_committed,
                                                 .taken_back = on_taken_back,
                                                 .ctx = d };
    if (sk_db_writer_new(&writer, &d->writer, err) < 0)
        return -1;
    /* A disk without even the room for this is no reason to stay away: the next start does it. */
    if (sk_devices_shrink(d, forget_connections, NULL, err) < 0 && err->code != SK_FULL)
        return -1;
    *out = SK_TAKE(d);
    return 0;
}

void sk_devices_free(struct sk_devices *d)
{
    if (!d)
        return;
    sk_db_writer_free(d->writer);
    if (d->has_mutex)
        (void)pthread_mutex_destroy(&d->mutex);
    free(d->seen.items);
    free(d->writing.items);
    free(d);
}

struct sk_db *sk_devices_db(struct sk_devices *d)
{
    return d->db;
}
