/*
 * spool.c - opening, closing, endpoints, the timer.
 *
 * Opening reads the names of the folders, and opens the queues that have something. Endpoints and
 * queues live until the spool is closed or they are dropped: who has a reference may use them
 * without a lock.
 */
#include "spool/spool_priv.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>

enum {
    EXPIRE_AT_ONCE = 10000 /* messages of a queue, in one tick */
};

static const uint64_t default_bytes = UINT64_C(1) << 30;

/* ---- endpoints ---- */

void sk_endpoint_unref(struct sk_endpoint *e)
{
    if (!e || atomic_fetch_sub(&e->refs, 1) != 1)
        return;
    for (unsigned p = 0; p < SK_SPOOL_PRIORITIES; p++)
        sk_queue_free(atomic_load(&e->queues[p]));
    free(e->path);
    free(e);
}

static struct sk_endpoint *find(const struct sk_spool *s, const char *name)
{
    struct sk_endpoint *e = s->endpoints;

    while (e && strcmp(e->name, name) != 0)
        e = e->after;
    return e;
}

static struct sk_endpoint *endpoint_new(const struct sk_spool *s, const char *name,
                                        struct sk_err *err)
{
    SK_OWN(free) char *folder = NULL;
    size_t size = strlen(name) + 1;

    if (sk_spool_name_path(name, &folder, err) < 0)
        return NULL;
    struct sk_endpoint *e = calloc(1, sizeof *e + size);
    char *path = sk_path_join(s->dir, folder);
    if (!e || !path) {
        free(e);
        free(path);
        (void)sk_nomem(err);
        return NULL;
    }
    e->path = path;
    memcpy(e->name, name, size);
    atomic_init(&e->refs, 1); /* the list's */
    return e;
}

int sk_endpoint_get(struct sk_spool *s, const char *name, bool makes, struct sk_endpoint **out,
                    struct sk_err *err)
{
    SK_LOCK(&s->mutex);
    struct sk_endpoint *e = find(s, name);
    if (!e && !makes)
        return sk_fail(err, SK_NOT_FOUND, "spool: there is no endpoint '%s'", name);
    if (e && e->is_dropping)
        return sk_fail(err, SK_BUSY, "spool: '%s' is being removed", name);
    if (!e) {
        e = endpoint_new(s, name, err);
        if (!e)
            return -1;
        e->after = s->endpoints;
        s->endpoints = e;
        s->count++;
    }
    (void)atomic_fetch_add(&e->refs, 1);
    *out = e;
    return 0;
}

static bool is_dropping(struct sk_spool *s, const struct sk_endpoint *e)
{
    SK_LOCK(&s->mutex);
    return e->is_dropping;
}

int sk_endpoint_queue(struct sk_spool *s, struct sk_endpoint *e, unsigned priority,
                      struct sk_queue **out, struct sk_err *err)
{
    struct sk_queue *q = atomic_load(&e->queues[priority]);

    if (!q) {
        SK_LOCK(&s->budget_mutex);
        if (is_dropping(s, e))
            return sk_fail(err, SK_BUSY, "spool: '%s' is being removed", e->name);
        q = atomic_load(&e->queues[priority]);
        if (!q &&
            (sk_budget_queue(s, priority, err) < 0 || sk_queue_new(e, priority, s, &q, err) < 0))
            return -1;
        atomic_store(&e->queues[priority], q);
    }
    *out = q;
    return 0;
}

int sk_spool_all(struct sk_spool *s, struct sk_endpoint ***out, size_t *count, struct sk_err *err)
{
    SK_LOCK(&s->mutex);
    struct sk_endpoint **all = calloc(s->count + 1, sizeof *all);
    size_t n = 0;

    if (!all)
        return sk_nomem(err);
    for (struct sk_endpoint *e = s->endpoints; e; e = e->after) {
        (void)atomic_fetch_add(&e->refs, 1);
        all[n++] = e;
    }
    *out = all;
    *count = n;
    return 0;
}

/* ---- opening ---- */

static int find_queues(struct sk_spool *s, const char *name, const char *path, struct sk_err *err)
{
    SK_OWN(sk_endpoint_unref) struct sk_endpoint *e = NULL;
    SK_AUTO(sk_dir_done) struct sk_dir names = { 0 };

    if (sk_dir_read(path, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        const char *n = names.names[i];
        struct sk_queue *q;
        if (n[0] < '0' || n[0] > '9' || n[1] != 0)
            continue;
        unsigned priority = (unsigned)(n[0] - '0');
        if (!e && sk_endpoint_get(s, name, true, &e, err) < 0)
            return -1;
        /* A folder that reads as this name and was not made for it. */
        if (strcmp(e->path, path) != 0)
            return 0;
        if (sk_queue_new(e, priority, s, &q, err) < 0)
            return -1;
        atomic_store(&e->queues[priority], q);
        if (sk_queue_look(q, err) < 0)
            return -1;
    }
    return 0;
}

/* Folders whose names are no endpoint's are left alone. */
static int find_endpoints(struct sk_spool *s, const char *path, char *name, struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir names = { 0 };
    size_t len = strlen(name);

    if (sk_dir_read(path, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        bool goes_on;
        name[len] = 0;
        SK_OWN(free) char *folder = sk_path_join(path, names.names[i]);
        if (!folder)
            return sk_nomem(err);
        if (!sk_spool_name_read(names.names[i], name, &goes_on) || !sk_is_dir(folder))
            continue;
        if ((goes_on ? find_endpoints(s, folder, name, err) : find_queues(s, name, folder, err)) <
            0)
            return -1;
    }
    return 0;
}

static int set_options(struct sk_spool *s, const struct sk_spool_options *opts, struct sk_err *err)
{
    struct sk_spool_options *o = &s->opts;
    const uint64_t block = SK_SPOOL_BLOCK;

    *o = *opts;
    if (!o->max_bytes)
        o->max_bytes = default_bytes;
    if (!o->segment_bytes) {
        uint64_t some = o->max_bytes / 32 / block * block;
        o->segment_bytes = some < SK_SPOOL_SEGMENT ? some : SK_SPOOL_SEGMENT;
        if (o->segment_bytes < SK_SPOOL_SEGMENT_LEAST)
            o->segment_bytes = SK_SPOOL_SEGMENT_LEAST;
    }
    if (o->segment_bytes < SK_SPOOL_SEGMENT_LEAST || o->segment_bytes > SK_SPOOL_SEGMENT_MOST)
        return sk_fail(err, SK_INVALID,
                       "spool: segments of %" PRIu64 " bytes; %d to %d are possible",
                       o->segment_bytes, SK_SPOOL_SEGMENT_LEAST, SK_SPOOL_SEGMENT_MOST);
    if (o->max_bytes < 4 * o->segment_bytes)
        return sk_fail(err, SK_INVALID,
                       "spool: %" PRIu64 " bytes are too few; at least %" PRIu64
                       ", four segments, are needed",
                       o->max_bytes, 4 * o->segment_bytes);
    s->dir = strdup(opts->dir);
    if (!s->dir)
        return sk_nomem(err);
    for (size_t len = strlen(s->dir); len > 1 && s->dir[len - 1] == '/'; len--)
        s->dir[len - 1] = 0;
    o->dir = s->dir;
    return 0;
}

static int lock_dir(struct sk_spool *s, struct sk_err *err)
{
    if (sk_mkdirs(s->dir, 0700, err) < 0)
        return sk_wrap(err, "spool");
    s->lock = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->lock < 0)
        return sk_fail_errno(err, "spool '%s'", s->dir);
    if (flock(s->lock, LOCK_EX | LOCK_NB) < 0)
        return sk_fail(err, SK_BUSY, "spool '%s': in use by another process", s->dir);
    return 0;
}

static int init_mutexes(struct sk_spool *s, struct sk_err *err)
{
    int rc = pthread_mutex_init(&s->mutex, NULL);

    if (rc == 0 && (rc = pthread_mutex_init(&s->budget_mutex, NULL)) != 0)
        (void)pthread_mutex_destroy(&s->mutex);
    errno = rc;
    if (rc != 0)
        return sk_fail_errno(err, "spool: mutex");
    s->has_mutexes = true;
    return 0;
}

int sk_spool_open(const struct sk_spool_options *opts, struct sk_spool **out, struct sk_err *err)
{
    SK_OWN(sk_spool_close) struct sk_spool *s = calloc(1, sizeof *s);
    char name[SK_SPOOL_ENDPOINT_MAX + 1] = "";

    if (!s)
        return sk_nomem(err);
    s->lock = -1;
    if (init_mutexes(s, err) < 0 || set_options(s, opts, err) < 0 || lock_dir(s, err) < 0)
        return -1;
    if (find_endpoints(s, s->dir, name, err) < 0)
        return sk_wrap(err, "spool '%s'", s->dir);
    *out = SK_TAKE(s);
    return 0;
}

static void close_queues(struct sk_endpoint *e)
{
    for (unsigned p = 0; p < SK_SPOOL_PRIORITIES; p++) {
        struct sk_queue *q = atomic_load(&e->queues[p]);
        if (!q)
            continue;
        sk_queue_save(q, true);
        sk_queue_close(q, true); /* if it is empty */
        sk_queue_close(q, false);
    }
}

void sk_spool_close(struct sk_spool *s)
{
    if (!s)
        return;
    /* All journals first: their threads may ask for room until they end. */
    for (struct sk_endpoint *e = s->endpoints; e; e = e->after)
        close_queues(e);
    while (s->endpoints) {
        struct sk_endpoint *e = s->endpoints;
        s->endpoints = e->after;
        sk_endpoint_unref(e);
    }
    sk_close(&s->lock);
    if (s->has_mutexes) {
        (void)pthread_mutex_destroy(&s->mutex);
        (void)pthread_mutex_destroy(&s->budget_mutex);
    }
    free(s->dir);
    free(s);
}

/* ---- dropping ---- */

static int begin_drop(struct sk_spool *s, const char *endpoint, struct sk_endpoint **out,
                      struct sk_err *err)
{
    SK_LOCK(&s->mutex);
    struct sk_endpoint *e = find(s, endpoint);

    if (!e)
        return sk_fail(err, SK_NOT_FOUND, "spool: there is no endpoint '%s'", endpoint);
    if (e->has_reader || e->is_dropping)
        return sk_fail(err, SK_BUSY, "spool '%s': %s", endpoint,
                       e->has_reader ? "it has a reader" : "it is being removed");
    e->is_dropping = true;
    (void)atomic_fetch_add(&e->refs, 1);
    *out = e;
    return 0;
}

/* The marks first: what is there after a crash is sent, not skipped. */
static int remove_folder(struct sk_spool *s, struct sk_endpoint *e, struct sk_err *err)
{
    size_t top = strlen(s->dir);

    for (unsigned p = 0; p < SK_SPOOL_PRIORITIES; p++) {
        char mark[PATH_MAX];
        (void)snprintf(mark, sizeof mark, "%s/%u/mark", e->path, p);
        (void)unlink(mark);
    }
    if (sk_remove_tree(e->path, err) < 0)
        return sk_wrap(err, "spool '%s'", e->name);
    for (char *p = strrchr(e->path, '/'); p && (size_t)(p - e->path) > top;
         p = strrchr(e->path, '/')) {
        *p = 0;
        if (rmdir(e->path) < 0) /* others are in it */
            break;
    }
    return 0;
}

static void unlist(struct sk_spool *s, struct sk_endpoint *e)
{
    struct sk_endpoint **at = &s->endpoints;

    SK_LOCK(&s->mutex);
    while (*at != e)
        at = &(*at)->after;
    *at = e->after;
    s->count--;
    sk_endpoint_unref(e);
}

int sk_spool_drop(struct sk_spool *s, const char *endpoint, struct sk_err *err)
{
    SK_OWN(sk_endpoint_unref) struct sk_endpoint *e = NULL;

    if (begin_drop(s, endpoint, &e, err) < 0)
        return -1;
    /* A put that was under way may be adding a queue. */
    (void)pthread_mutex_lock(&s->budget_mutex);
    for (unsigned p = 0; p < SK_SPOOL_PRIORITIES; p++) {
        struct sk_queue *q = atomic_load(&e->queues[p]);
        if (q)
            sk_queue_kill(q, true);
    }
    (void)pthread_mutex_unlock(&s->budget_mutex);
    for (unsigned p = 0; p < SK_SPOOL_PRIORITIES; p++) {
        struct sk_queue *q = atomic_load(&e->queues[p]);
        if (q)
            sk_queue_close(q, false);
    }
    int rc = remove_folder(s, e, err);
    if (rc == 0) {
        unlist(s, e);
        return 0;
    }
    for (unsigned p = 0; p < SK_SPOOL_PRIORITIES; p++) {
        struct sk_queue *q = atomic_load(&e->queues[p]);
        if (q)
            sk_queue_kill(q, false);
    }
    SK_LOCK(&s->mutex);
    e->is_dropping = false;
    return -1;
}

/* ---- looking ---- */

void sk_spool_state(struct sk_spool *s, struct sk_spool_state *out)
{
    struct sk_err ignored = SK_ERR_INIT;
    struct sk_endpoint **all = NULL;
    size_t count = 0;

    *out = (struct sk_spool_state){
        .bytes = sk_budget_bytes(s),
        .max_bytes = s->opts.max_bytes,
        .expired = atomic_load(&s->expired),
        .evicted = atomic_load(&s->evicted),
        .refused = atomic_load(&s->refused),
        .damaged = atomic_load(&s->damaged),
    };
    if (sk_spool_all(s, &all, &count, &ignored) < 0)
        return;
    for (size_t i = 0; i < count; i++) {
        for (unsigned p = 0; p < SK_SPOOL_PRIORITIES; p++) {
            struct sk_queue *q = atomic_load(&all[i]->queues[p]);
            if (q)
                sk_queue_add_state(q, out);
        }
        sk_endpoint_unref(all[i]);
    }
    free(all);
}

/* Its queue, while *e is held; or NULL. */
static struct sk_queue *look_up(struct sk_spool *s, const char *endpoint, unsigned priority,
                                struct sk_endpoint **e)
{
    struct sk_err ignored = SK_ERR_INIT;

    if (priority >= SK_SPOOL_PRIORITIES || sk_endpoint_get(s, endpoint, false, e, &ignored) < 0)
        return NULL;
    return atomic_load(&(*e)->queues[priority]);
}

uint64_t sk_spool_length(struct sk_spool *s, const char *endpoint, unsigned priority)
{
    SK_OWN(sk_endpoint_unref) struct sk_endpoint *e = NULL;
    struct sk_queue *q = look_up(s, endpoint, priority, &e);

    return q ? sk_queue_length(q) : 0;
}

void sk_spool_range(struct sk_spool *s, const char *endpoint, unsigned priority,
                    struct sk_spool_range *out)
{
    SK_OWN(sk_endpoint_unref) struct sk_endpoint *e = NULL;
    struct sk_queue *q = look_up(s, endpoint, priority, &e);

    *out = (struct sk_spool_range){ 0, 0 };
    if (q)
        sk_queue_range(q, out);
}

static bool has_queue(struct sk_endpoint *e)
{
    for (unsigned p = 0; p < SK_SPOOL_PRIORITIES; p++) {
        if (atomic_load(&e->queues[p]))
            return true;
    }
    return false;
}

int sk_spool_endpoints(struct sk_spool *s,
                       int (*each)(void *ctx, const char *endpoint, struct sk_err *err), void *ctx,
                       struct sk_err *err)
{
    struct sk_endpoint **all = NULL;
    size_t count = 0;
    int rc = sk_spool_all(s, &all, &count, err);

    for (size_t i = 0; i < count; i++) {
        if (rc == 0 && has_queue(all[i]))
            rc = each(ctx, all[i]->name, err);
        sk_endpoint_unref(all[i]);
    }
    free(all);
    return rc;
}

void sk_spool_tick(struct sk_spool *s, int64_t now_ms)
{
    struct sk_spool_now now = sk_spool_now(now_ms);
    struct sk_err ignored = SK_ERR_INIT;
    struct sk_endpoint **all = NULL;
    size_t count = 0;

    if (sk_spool_all(s, &all, &count, &ignored) < 0)
        return; /* the next one does it */
    for (size_t i = 0; i < count; i++) {
        for (unsigned p = 0; p < SK_SPOOL_PRIORITIES; p++) {
            struct sk_queue *q = atomic_load(&all[i]->queues[p]);
            if (q)
                sk_queue_tick(q, &now, EXPIRE_AT_ONCE);
        }
        sk_endpoint_unref(all[i]);
    }
    free(all);
}
