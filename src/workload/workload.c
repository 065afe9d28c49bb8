/*
 * workload.c - the life of the workload API.
 *
 * It ends from the outside in: no connection is accepted, no worker asks, every call that waits is
 * refused, and only then the server drains and stops, which needs each request answered.
 */
#include "workload/workload_priv.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>

enum {
    DRAIN_MS = 2000
};

static int copy_options(struct sk_workload *w, const struct sk_workload_options *opts,
                        struct sk_err *err)
{
    w->opts = *opts;
    w->dir = strdup(opts->dir);
    w->trust_bundle_file = opts->trust_bundle_file ? strdup(opts->trust_bundle_file) : NULL;
    if (!w->dir || (opts->trust_bundle_file && !w->trust_bundle_file))
        return sk_nomem(err);
    w->opts.dir = w->dir;
    w->opts.trust_bundle_file = w->trust_bundle_file;
    return 0;
}

static int start(struct sk_workload *w, const struct sk_workload_options *opts, struct sk_err *err)
{
    if (copy_options(w, opts, err) < 0 || sk_mkdirs(w->dir, 0755, err) < 0)
        return -1;
    w->dir_fd = open(w->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (w->dir_fd < 0)
        return sk_fail_errno(err, "%s", w->dir);
    w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->wake_fd < 0)
        return sk_fail_errno(err, "event loop");
    w->calls = sk_wl_calls_new(w->wake_fd);
    if (!w->calls)
        return sk_nomem(err);
    const struct sk_http_options http = {
        .listen_fd = -1,
        .only_adopts = true,
        .threads = 1,
        .max_body_bytes = SK_WORKLOAD_BODY_BYTES,
        .max_connections = SK_WORKLOAD_CONNECTIONS_ALL,
        .routes = sk_wl_routes,
        .ctx = w,
    };
    if (sk_http_start(&http, &w->http, err) < 0 || sk_wl_workers_start(w, err) < 0)
        return -1;
    return sk_wl_sockets_start(w, err);
}

int sk_workload_new(const struct sk_workload_options *opts, struct sk_workload **out,
                    struct sk_err *err)
{
    SK_OWN(sk_workload_free) struct sk_workload *w = calloc(1, sizeof *w);
    if (!w)
        return sk_nomem(err);
    w->dir_fd = w->epoll_fd = w->wake_fd = -1;
    w->queue_end = &w->queue;
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_mutex_init(&w->queue_lock, NULL);
    (void)pthread_cond_init(&w->queued, NULL);
    if (start(w, opts, err) < 0)
        return sk_wrap(err, "workload API");
    *out = SK_TAKE(w);
    return 0;
}

void sk_workload_free(struct sk_workload *w)
{
    if (!w)
        return;
    sk_wl_sockets_stop(w);
    sk_wl_workers_stop(w);
    if (w->calls)
        sk_wl_calls_end(w->calls);
    if (w->http)
        (void)sk_http_drain(w->http, DRAIN_MS); /* so that refusals arrive */
    sk_http_stop(w->http);
    sk_wl_calls_unref(w->calls);
    sk_close(&w->epoll_fd);
    sk_close(&w->wake_fd);
    sk_close(&w->dir_fd);
    (void)pthread_mutex_destroy(&w->lock);
    (void)pthread_mutex_destroy(&w->queue_lock);
    (void)pthread_cond_destroy(&w->queued);
    free(w->dir);
    free(w->trust_bundle_file);
    free(w);
}
