/*
 * control.c - <run_dir>/agent.sock: what `skerry edge list`, `logs`, `restart`, `exec` and others
 * ask the running agent, over the same wire as the local hub's. Only root and the agent's user may.
 *
 *     list      {"modules":[{name,status,description,image,version,restarts,...}]}
 *     status    device, hub, uplink, deployment, local hub's state
 *     logs      module, tail, since, until -> {"text"}
 *     restart   module
 *     exec      module, pid -> {"env":[..]}
 */
#include "agent/agent_priv.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum {
    CLIENTS_MAX = 16,
    ANSWER_MAX = 2 << 20,
    STATUS_MS = 2000
};

struct client {
    struct sk_wire *wire;
    struct sk_agent *agent;
    atomic_bool is_closed;
};

struct sk_agent_control {
    struct sk_agent *agent;
    int listen_fd, wake_fd;
    pthread_t thread;
    bool has_thread;
    struct client clients[CLIENTS_MAX];
    char path[108];
};

/* ---- answers ---- */

static void put_field(struct sk_buf *out, const char *key, const char *value)
{
    sk_buf_fmt(out, ",\"%s\":", key);
    sk_buf_json_str(out, value);
}

static void put_time(struct sk_buf *out, const char *key, int64_t ms)
{
    char text[SK_TIME_TEXT];
    if (ms <= 0)
        return;
    sk_time_text((uint64_t)ms, text);
    put_field(out, key, text);
}

static void put_modules(struct sk_agent *a, struct sk_buf *out)
{
    SK_LOCK(&a->lock);
    sk_buf_str(out, "\"modules\":[");
    for (size_t i = 0; i < a->module_count; i++) {
        const struct sk_agent_module *m = a->modules[i];
        const struct sk_agent_view *v = &m->view;
        sk_buf_str(out, i > 0 ? ",{\"name\":" : "{\"name\":");
        sk_buf_json_str(out, m->name);
        put_field(out, "status", *v->status ? v->status : "unknown");
        put_field(out, "description", v->description);
        put_field(out, "image", *v->image ? v->image : m->want ? m->want->image : "");
        put_field(out, "version", v->version);
        if (m->want)
            put_field(out, "wanted", m->want->tag);
        sk_buf_fmt(out, ",\"isSettled\":%s,\"isFailed\":%s,\"exitCode\":%d,\"restarts\":%llu",
                   v->is_settled ? "true" : "false", v->is_failed ? "true" : "false", v->exit_code,
                   (unsigned long long)v->restarts);
        put_time(out, "lastStart", v->last_start_ms);
        put_time(out, "lastExit", v->last_exit_ms);
        sk_buf_str(out, ",\"instances\":[");
        for (size_t k = 0; k < m->told_count; k++) {
            const struct sk_instance *n = &m->told[k];
            sk_buf_str(out, k > 0 ? ",{\"name\":" : "{\"name\":");
            sk_buf_json_str(out, n->instance);
            put_field(out, "role", m->roles[k]);
            put_field(out, "runtime", n->kind == SK_RUNTIME_NATIVE ? "native" : "docker");
            put_field(out, "container", n->container);
            sk_buf_fmt(out, ",\"pid\":%lld}", (long long)n->pid);
        }
        sk_buf_str(out, "]}");
    }
    sk_buf_chr(out, ']');
}

static void put_status(struct sk_agent *a, struct sk_buf *out)
{
    SK_OWN(sk_json_free) struct sk_json *hub = NULL;

    struct sk_err err = SK_ERR_INIT;
    {
        SK_LOCK(&a->wire_lock);
        if (a->wire &&
            sk_wire_call(a->wire, SK_VIEW("{\"type\":\"status\"}"), STATUS_MS, &hub, &err) < 0)
            sk_log(SK_DEBUG, "status_failed", "error=\"%s\"", err.text);
    }

    SK_LOCK(&a->lock);
    sk_buf_str(out, "\"device\":");
    sk_buf_json_str(out, a->config.device);
    put_field(out, "hub", a->config.hub_name);
    put_field(out, "gateway", a->config.gateway);
    put_field(out, "dir", a->dir);
    sk_buf_fmt(out, ",\"isConnected\":%s,\"pid\":%d,\"hubPid\":%lld,\"keeperPid\":%lld",
               a->is_uplink ? "true" : "false", (int)getpid(), (long long)a->hub_pid,
               (long long)a->keeper_pid);
    put_field(out, "why", a->is_uplink ? "" : a->uplink_why);
    put_time(out, "since", a->start_wall_ms);
    sk_buf_fmt(out, ",\"deployment\":{\"version\":%lld,\"applied\":%lld,\"code\":%d",
               (long long)a->desired_version, (long long)a->told_version, a->told_code);
    put_field(out, "description", a->told_why);
    sk_buf_str(out, "},\"localHub\":");
    if (hub)
        sk_json_dump(hub, out);
    else
        sk_buf_str(out, "null");
}

static int put_logs(struct sk_agent *a, const struct sk_json *m, struct sk_buf *out,
                    struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(ANSWER_MAX);
    struct sk_agent_log_filter f = {
        .tail = (unsigned)sk_json_int(sk_json_get(m, "tail"), 0),
    };
    if (sk_agent_parse_since(sk_json_get_text(m, "since", NULL), &f.since_s, err) < 0 ||
        sk_agent_parse_since(sk_json_get_text(m, "until", NULL), &f.until_s, err) < 0 ||
        sk_agent_logs(a, sk_json_get_text(m, "module", ""), &f, &text, err) < 0)
        return -1;
    sk_buf_str(out, "\"text\":");
    sk_buf_json(out, text.data ? text.data : "", text.len);
    return 0;
}

static int dispatch(struct sk_agent *a, const char *type, const struct sk_json *m,
                    struct sk_buf *out, struct sk_err *err)
{
    const char *module = sk_json_get_text(m, "module", "");
    if (strcmp(type, "list") == 0) {
        put_modules(a, out);
        return 0;
    }
    if (strcmp(type, "status") == 0) {
        put_status(a, out);
        return 0;
    }
    if (strcmp(type, "logs") == 0)
        return put_logs(a, m, out, err);
    if (strcmp(type, "restart") == 0)
        return sk_agent_restart(a, module, err);
    if (strcmp(type, "exec") == 0)
        return sk_agent_exec_begin(a, module, (pid_t)sk_json_int(sk_json_get(m, "pid"), 0), out,
                                   err);
    return sk_fail(err, SK_UNSUPPORTED, "'%s' is not known here", type);
}

static void message(struct sk_wire *w, const char *type, int64_t id, const struct sk_json *m,
                    void *ctx)
{
    struct client *c = ctx;
    struct sk_err err = SK_ERR_INIT, ignored = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_WIRE_MAX - 4096);
    int rc = dispatch(c->agent, type, m, &out, &err);
    if (rc == 0 && !sk_buf_ok(&out))
        rc = sk_buf_fail(&out, &err);
    if (id == 0)
        return;
    rc = rc == 0 ? sk_wire_answer(w, id, (struct sk_view){ out.data ? out.data : "", out.len },
                                  &ignored)
                 : sk_wire_refuse(w, id, &err, &ignored);
    if (rc < 0)
        sk_log(SK_DEBUG, "wire_answer_lost", "error=\"%s\"", ignored.text);
    if (out.data)
        explicit_bzero(out.data, out.len);
}

/* ---- connections ---- */

static void wake(struct sk_agent_control *k)
{
    const uint64_t one = 1;
    (void)!write(k->wake_fd, &one, sizeof one);
}

static void closed(struct sk_wire *w, void *ctx)
{
    struct client *c = ctx;
    (void)w;
    atomic_store(&c->is_closed, true);
    wake(c->agent->control);
}

static void adopt(struct sk_agent_control *k, int fd)
{
    struct sk_err err = SK_ERR_INIT;
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        struct client *c = &k->clients[i];
        if (c->wire)
            continue;
        c->agent = k->agent;
        atomic_store(&c->is_closed, false);
        const struct sk_wire_handler handler = { .message = message, .closed = closed, .ctx = c };
        if (sk_wire_open(fd, &handler, &c->wire, &err) < 0)
            sk_log(SK_WARN, "control_refused", "error=\"%s\"", err.text);
        return;
    }
    (void)close(fd);
}

static void *serve(void *arg)
{
    struct sk_agent_control *k = arg;
    while (!atomic_load(&k->agent->stops)) {
        struct pollfd fds[] = { { .fd = k->listen_fd, .events = POLLIN },
                                { .fd = k->wake_fd, .events = POLLIN } };
        uint64_t count;
        (void)poll(fds, 2, -1);
        (void)!read(k->wake_fd, &count, sizeof count);
        for (size_t i = 0; i < CLIENTS_MAX; i++)
            if (k->clients[i].wire && atomic_load(&k->clients[i].is_closed)) {
                sk_wire_free(k->clients[i].wire);
                k->clients[i].wire = NULL;
            }
        int fd = accept4(k->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            adopt(k, fd);
    }
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        sk_wire_free(k->clients[i].wire);
    return NULL;
}

int sk_agent_control_start(struct sk_agent *a, struct sk_err *err)
{
    struct sk_agent_control *k = calloc(1, sizeof *k);
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    if (!k)
        return sk_nomem(err);
    a->control = k;
    k->agent = a;
    k->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    k->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)snprintf(k->path, sizeof k->path, "%s/agent.sock", a->run_dir);
    (void)snprintf(addr.sun_path, sizeof addr.sun_path, "%s", k->path);
    (void)unlink(k->path); /* the folder's lock is ours: who listened there is gone */
    if (k->wake_fd < 0 || k->listen_fd < 0 ||
        bind(k->listen_fd, (struct sockaddr *)&addr, sizeof addr) < 0 || chmod(k->path, 0600) < 0 ||
        listen(k->listen_fd, CLIENTS_MAX) < 0)
        return sk_fail_errno(err, "'%s'", k->path);
    if (sk_thread_start(&k->thread, "sk-control", serve, k, err) < 0)
        return -1;
    k->has_thread = true;
    return 0;
}

void sk_agent_control_stop(struct sk_agent *a)
{
    struct sk_agent_control *k = a->control;
    if (!k)
        return;
    wake(k);
    if (k->has_thread)
        (void)pthread_join(k->thread, NULL);
    sk_close(&k->listen_fd);
    sk_close(&k->wake_fd);
    (void)unlink(k->path);
    free(k);
    a->control = NULL;
}

int sk_agent_call(const char *run_dir, struct sk_view json, uint64_t timeout_ms,
                  struct sk_json **out, struct sk_err *err)
{
    const struct sk_wire_handler handler = { .message = NULL };
    SK_OWN(sk_wire_free) struct sk_wire *w = NULL;
    char path[108];
    if ((size_t)snprintf(path, sizeof path, "%s/agent.sock", run_dir) >= sizeof path)
        return sk_fail(err, SK_LIMIT, "the path of the run folder is too long");
    if (sk_wire_connect(path, &handler, &w, err) < 0)
        return err->code == SK_BUSY || err->code == SK_NOT_FOUND
                   ? sk_fail(err, SK_BUSY, "no agent runs at '%s': start it with 'skerry edge run'",
                             run_dir)
                   : -1;
    SK_OWN(sk_json_free) struct sk_json *answer = NULL;
    if (sk_wire_call(w, json, timeout_ms, &answer, err) < 0)
        return -1;
    if (out)
        *out = SK_TAKE(answer);
    return 0;
}
