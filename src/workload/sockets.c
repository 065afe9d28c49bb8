/*
 * sockets.c - a listening socket per module instance, and one thread that accepts on all.
 *
 * Each has a folder of its own, which containers mount: it outlives us, so that they find the next
 * socket in it after a restart. The socket is made beside its name and renamed over it, so what a
 * dead process left is replaced in one step. Folders are reached through descriptors: paths may be
 * longer than an address of the kernel.
 */
#include "workload/workload_priv.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

enum {
    BACKLOG = 64,
    EVENTS = 16,
    ACCEPTS = 32, /* in one go on one socket */
    PAUSE_US = 50000
};

static const char FILE_NAME[] = "workload.sock", TEMP_NAME[] = ".workload.sock.new";
static const uint64_t WAKE = 0; /* in epoll; instances begin at 1 */

/* ---- peers ---- */

static void unref(struct sk_wl_instance *i)
{
    if (!i || atomic_fetch_sub(&i->refs, 1) > 1)
        return;
    free(i->name);
    free(i->module);
    free(i);
}

void sk_wl_peer_drop(void *peer)
{
    struct sk_wl_peer *p = peer;
    sk_close(&p->pidfd);
    (void)atomic_fetch_sub(&p->instance->connections, 1);
    unref(p->instance);
    free(p);
}

/* NULL: out of memory. */
static struct sk_wl_peer *peer_of(int fd, struct sk_wl_instance *i)
{
    struct ucred who = { .pid = 0 };
    socklen_t len = sizeof who;
    struct sk_wl_peer *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
        who.pid = 0;
    atomic_fetch_add(&i->refs, 1);
    atomic_fetch_add(&i->connections, 1);
    p->instance = i;
    p->pid = who.pid;
    p->uid = who.uid;
    p->pidfd = who.pid > 0 ? (int)syscall(SYS_pidfd_open, who.pid, 0) : -1;
    p->has_ended = p->pidfd < 0 && who.pid > 0 && errno == ESRCH;
    return p;
}

/* ---- the thread ---- */

static void refuse_connection(int fd)
{
    static const char answer[] =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: "
        "51\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
        "{\"message\":\"the module has too many connections\"}\r\n";
    (void)send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)close(fd);
}

/* Returns false when descriptors or memory are out. */
static bool accept_one(struct sk_workload *w, struct sk_wl_instance *i, int *fd,
                       struct sk_wl_peer **peer)
{
    *fd = accept4(i->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (*fd < 0)
        return errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM;
    if (atomic_load(&i->connections) >= SK_WORKLOAD_CONNECTIONS || atomic_load(&w->stops))
        return true;
    *peer = peer_of(*fd, i);
    return true;
}

static void accept_some(struct sk_workload *w, uint64_t id)
{
    for (int n = 0; n < ACCEPTS; n++) {
        int fd = -1;
        bool is_well = true;
        struct sk_wl_peer *peer = NULL;
        (void)pthread_mutex_lock(&w->lock);
        struct sk_wl_instance *i = w->instances;
        while (i && i->id != id)
            i = i->next;
        if (i)
            is_well = accept_one(w, i, &fd, &peer);
        (void)pthread_mutex_unlock(&w->lock);
        if (!is_well)
            (void)usleep(PAUSE_US);
        if (fd < 0)
            return;
        if (peer)
            sk_http_adopt(w->http, fd, peer, sk_wl_peer_drop);
        else
            refuse_connection(fd);
    }
}

static void *run(void *arg)
{
    struct sk_workload *w = arg;
    while (!atomic_load(&w->stops)) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(w->epoll_fd, events, EVENTS, sk_wl_calls_sweep(w->calls, sk_now_ms()));
        for (int i = 0; i < n; i++) {
            uint64_t woken = 0;
            if (events[i].data.u64 == WAKE)
                (void)!read(w->wake_fd, &woken, sizeof woken);
            else
                accept_some(w, events[i].data.u64);
        }
    }
    return NULL;
}

int sk_wl_sockets_start(struct sk_workload *w, struct sk_err *err)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = WAKE };
    w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (w->epoll_fd < 0 || epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->wake_fd, &event) < 0)
        return sk_fail_errno(err, "event loop");
    if (sk_thread_start(&w->thread, "workload", run, w, err) < 0)
        return -1;
    w->has_thread = true;
    return 0;
}

/* ---- opening and closing ---- */

/* What an instance may be called: it becomes a file. */
static bool is_name(const char *name)
{
    size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                              "-._$@+:%#*?!(),=;'");
    return len > 0 && len <= SK_WORKLOAD_NAME_BYTES && name[len] == '\0' && name[0] != '.';
}

/* Whether another process answers there. */
static bool is_alive(int folder)
{
    SK_AUTO(sk_close) int at = openat(folder, FILE_NAME, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    SK_AUTO(sk_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    (void)snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d", at);
    if (at < 0 || fd < 0)
        return false;
    return connect(fd, (const struct sockaddr *)&addr, sizeof addr) == 0 || errno == EAGAIN;
}

static int listen_in(int folder, int *out, struct sk_err *err)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    if (is_alive(folder))
        return sk_fail(err, SK_EXISTS, "another process listens there; end it first");
    SK_AUTO(sk_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return sk_fail_errno(err, "socket");
    (void)snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/%s", folder, TEMP_NAME);
    (void)unlinkat(folder, TEMP_NAME, 0);
    if (bind(fd, (const struct sockaddr *)&addr, sizeof addr) < 0)
        return sk_fail_errno(err, "bind");
    if (fchmodat(folder, TEMP_NAME, 0666, 0) < 0 || listen(fd, BACKLOG) < 0 ||
        renameat(folder, TEMP_NAME, folder, FILE_NAME) < 0) {
        (void)sk_fail_errno(err, "listen");
        (void)unlinkat(folder, TEMP_NAME, 0);
        return -1;
    }
    *out = sk_take_fd(&fd);
    return 0;
}

static int open_folder(const struct sk_workload *w, const char *instance)
{
    return openat(w->dir_fd, instance, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Makes the folder if it is not there yet. */
static int listen_at(const struct sk_workload *w, const char *instance, int *out,
                     struct sk_err *err)
{
    if (mkdirat(w->dir_fd, instance, 0755) < 0 && errno != EEXIST)
        return sk_fail_errno(err, "its folder");
    SK_AUTO(sk_close) int folder = open_folder(w, instance);
    if (folder < 0 || fchmod(folder, 0755) < 0) /* whatever the mask was */
        return sk_fail_errno(err, "its folder");
    return listen_in(folder, out, err);
}

static void remove_file(const struct sk_workload *w, const char *instance)
{
    SK_AUTO(sk_close) int folder = open_folder(w, instance);
    if (folder >= 0)
        (void)unlinkat(folder, FILE_NAME, 0);
}

/* With the lock held. */
static int add(struct sk_workload *w, const char *instance, const char *module, struct sk_err *err)
{
    struct sk_wl_instance *i = calloc(1, sizeof *i);
    if (!i)
        return sk_nomem(err);
    atomic_init(&i->refs, 1);
    i->id = ++w->next_id;
    i->name = strdup(instance);
    i->module = strdup(module);
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = i->id };
    if (!i->name || !i->module) {
        unref(i);
        return sk_nomem(err);
    }
    if (listen_at(w, instance, &i->fd, err) < 0) {
        unref(i);
        return -1;
    }
    if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, i->fd, &event) < 0) {
        (void)sk_fail_errno(err, "event loop");
        remove_file(w, instance);
        sk_close(&i->fd);
        unref(i);
        return -1;
    }
    i->next = w->instances;
    w->instances = i;
    return 0;
}

static struct sk_wl_instance **find(struct sk_workload *w, const char *instance)
{
    struct sk_wl_instance **at = &w->instances;
    while (*at && strcmp((*at)->name, instance) != 0)
        at = &(*at)->next;
    return at;
}

/* With the lock held. */
static void remove_at(struct sk_workload *w, struct sk_wl_instance **at)
{
    struct sk_wl_instance *i = *at;
    *at = i->next;
    remove_file(w, i->name);
    (void)epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, i->fd, NULL);
    sk_close(&i->fd);
    atomic_store(&i->is_closed, true);
    unref(i);
}

int sk_workload_open(struct sk_workload *w, const char *instance, const char *module,
                     struct sk_err *err)
{
    if (!is_name(instance))
        return sk_fail(err, SK_INVALID, "'%s' is no name that a socket can have", instance);
    SK_LOCK(&w->lock);
    const struct sk_wl_instance *there = *find(w, instance);
    if (there && strcmp(there->module, module) == 0)
        return 0;
    if (there)
        return sk_fail(err, SK_EXISTS, "the socket '%s' is that of module '%s' already", instance,
                       there->module);
    if (add(w, instance, module, err) < 0)
        return sk_wrap(err, "%s/%s/%s", w->dir, instance, FILE_NAME);
    return 0;
}

void sk_workload_close(struct sk_workload *w, const char *instance)
{
    SK_LOCK(&w->lock);
    struct sk_wl_instance **at = find(w, instance);
    if (!*at)
        return;
    remove_at(w, at);
    (void)unlinkat(w->dir_fd, instance, AT_REMOVEDIR);
}

void sk_wl_sockets_stop(struct sk_workload *w)
{
    const uint64_t one = 1;
    atomic_store(&w->stops, true);
    if (w->has_thread) {
        (void)!write(w->wake_fd, &one, sizeof one);
        (void)pthread_join(w->thread, NULL);
        w->has_thread = false;
    }
    SK_LOCK(&w->lock);
    while (w->instances)
        remove_at(w, &w->instances);
}
