/*
 * docker_row.c - the Docker row: an instance is a container.
 *
 * A container is made under the instance's name ("defect-detector-3") and gets the module's when it
 * is the one that serves (docker_names.c). It carries labels: whose it is (skerry.agent, the data
 * folder), which instance. It joins the Engine's bridge `azure-iot-edge`, finds the local hub there
 * under the gateway's name, and the workload socket in /var/run/iotedge. TCP ports are not
 * published: they are the keeper's, which forwards them to the container's address.
 *
 * An Engine that is away (SK_BUSY) says nothing about its containers: they run on.
 */
#include "runtime/docker_rt_priv.h"

#include "base/clock.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    HOSTS_MAX = 16,
    DEFAULT_LOG_BYTES = 4 << 20
};

#define WORKLOAD_FOLDER "/var/run/iotedge"

const char *sk_docker_rt_socket(const struct sk_runtime_host *h)
{
    return h->docker_socket ? h->docker_socket : "/var/run/docker.sock";
}

static const char *network_of(const struct sk_runtime_host *h)
{
    return h->network ? h->network : "azure-iot-edge";
}

/* A machine without an Engine is not one whose Engine is away for a moment. */
static int expect_engine(const struct sk_runtime_host *h, struct sk_err *err)
{
    const char *path = sk_docker_rt_socket(h);

    path += sk_starts_with(path, "unix://") ? strlen("unix://") : 0;
    if (access(path, F_OK) < 0)
        return sk_fail(
            err, SK_UNSUPPORTED,
            "there is no Docker Engine on this device (%s): install one, or use an image "
            "that `skerry package` made",
            path);
    return 0;
}

/* ---- check ---- */

/* What is done otherwise than asked. */
static int note_differences(const char *create_options, char *note, struct sk_err *err)
{
    static const struct {
        const char *name, *words;
    } rows[] = {
        { "RestartPolicy", "restartPolicy of the module counts, not HostConfig.RestartPolicy" },
        { "AutoRemove", "HostConfig.AutoRemove does not count" },
    };
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    if (sk_rt_options_parse(create_options, &doc, err) < 0)
        return -1;
    const struct sk_json *host = sk_json_get(doc, "HostConfig");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (sk_json_get(host, rows[i].name))
            sk_rt_note(note, "%s", rows[i].words);
    return 0;
}

int sk_docker_rt_check(const struct sk_runtime_host *h, const struct sk_runtime_start *s,
                       char *note, struct sk_err *err)
{
    const struct sk_docker d = { sk_docker_rt_socket(h) };
    const struct sk_docker_create c = { .name = s->instance,
                                        .module = s->module,
                                        .image = s->image_name,
                                        .create_options = s->create_options,
                                        .env = s->env,
                                        .network = network_of(h) };

    if (sk_docker_check(&c, err) < 0 || note_differences(s->create_options, note, err) < 0 ||
        expect_engine(h, err) < 0)
        return -1;
    return sk_docker_ping(&d, NULL, err);
}

/* ---- start ---- */

/* What a start needs beside the caller's. */
struct extras {
    char image[512], bind[SK_RT_PATH + 32];
    char hosts[HOSTS_MAX][300];
    const char *host_list[HOSTS_MAX + 1], *bind_list[2];
    struct sk_buf labels;
};

static void extras_done(struct extras *x)
{
    sk_buf_done(&x->labels);
}

static bool is_address(const char *text, size_t len)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    char name[INET6_ADDRSTRLEN];

    if (len >= sizeof name)
        return false;
    (void)snprintf(name, sizeof name, "%.*s", (int)len, text);
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* "NAME:host-gateway" gets the gateway of the module's own network: the Engine itself would take
 * the one of its default bridge. A name that is an address needs no line. */
static int fill_hosts(struct extras *x, const char *const *hosts, const char *gateway,
                      struct sk_err *err)
{
    size_t count = 0;

    for (; hosts && *hosts; hosts++) {
        const char *colon = strrchr(*hosts, ':');
        size_t len = colon ? (size_t)(colon - *hosts) : 0;
        bool is_gateway = colon && strcmp(colon, ":host-gateway") == 0;
        if (!colon || count == HOSTS_MAX)
            return sk_fail(err, SK_INVALID, "'%s' is no host with an address", *hosts);
        if (is_address(*hosts, len) || (is_gateway && !gateway[0]))
            continue;
        int n = is_gateway ? snprintf(x->hosts[count], sizeof x->hosts[0], "%.*s:%s", (int)len,
                                      *hosts, gateway)
                           : snprintf(x->hosts[count], sizeof x->hosts[0], "%s", *hosts);
        if (n < 0 || (size_t)n >= sizeof x->hosts[0])
            return sk_fail(err, SK_LIMIT, "a host's name is too long");
        x->host_list[count] = x->hosts[count];
        count++;
    }
    return 0;
}

/* The folder is mounted, not the socket in it: a socket that is made anew is found then. Nothing
 * is to be written there by the module; a socket takes connections all the same. */
static int fill_bind(struct extras *x, const char *socket, struct sk_err *err)
{
    const char *slash = socket ? strrchr(socket, '/') : NULL;

    if (!slash || slash == socket)
        return 0;
    int n = snprintf(x->bind, sizeof x->bind, "%.*s:%s:ro", (int)(slash - socket), socket,
                     WORKLOAD_FOLDER);
    if (n < 0 || (size_t)n >= sizeof x->bind || memchr(socket, ':', (size_t)(slash - socket)))
        return sk_fail(err, SK_INVALID, "%s: the Engine cannot bind this path", socket);
    x->bind_list[0] = x->bind;
    return 0;
}

/* The name as the manifest has it, for `docker ps`; but the id where the name means something else
 * by now (a tag that moved, and a version before it that starts again). */
static int fill_image(struct extras *x, const struct sk_docker *d, const struct sk_runtime_start *s,
                      struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    const char *name = s->image_name, *id = s->image->digest;

    if (sk_docker_image(d, name, &doc, err) < 0 && err->code != SK_NOT_FOUND)
        return -1;
    bool is_same = doc && strcmp(sk_json_get_text(doc, "Id", ""), id) == 0;
    if ((size_t)snprintf(x->image, sizeof x->image, "%s", is_same || !id[0] ? name : id) >=
        sizeof x->image)
        return sk_fail(err, SK_LIMIT, "the image's name is too long");
    return 0;
}

static int fill_labels(struct extras *x, const struct sk_runtime_host *h,
                       const struct sk_runtime_start *s, struct sk_err *err)
{
    sk_buf_str(&x->labels, "{\"skerry.agent\":");
    sk_buf_json_str(&x->labels, h->data_dir);
    sk_buf_str(&x->labels, ",\"skerry.instance\":");
    sk_buf_json_str(&x->labels, s->instance);
    sk_buf_str(&x->labels, ",\"net.azure-devices.edge.original-image\":");
    sk_buf_json_str(&x->labels, s->image_name);
    sk_buf_str(&x->labels, "}");
    return sk_buf_ok(&x->labels) ? 0 : sk_buf_fail(&x->labels, err);
}

/* A container of this name can only be what an agent left that died in the middle of a start. */
static int create(const struct sk_docker *d, const struct sk_docker_create *c, char *id,
                  struct sk_err *err)
{
    if (sk_docker_create(d, c, id, err) == 0)
        return 0;
    if (err->code != SK_EXISTS || sk_docker_rt_remove_leftover(d, c->name, err) < 0)
        return -1;
    return sk_docker_create(d, c, id, err);
}

static int create_and_start(const struct sk_docker *d, const struct sk_docker_create *c,
                            struct sk_instance *out, struct sk_err *err)
{
    struct sk_err ignored = SK_ERR_INIT;
    struct sk_docker_container found;
    char id[SK_DOCKER_ID];

    if (create(d, c, id, err) < 0)
        return -1;
    if (sk_docker_start(d, id, err) < 0 || sk_docker_inspect(d, id, c->network, &found, err) < 0) {
        (void)!sk_docker_remove(d, id, &ignored);
        return -1;
    }
    (void)snprintf(out->container, sizeof out->container, "%s", id);
    (void)snprintf(out->address, sizeof out->address, "%s", found.address);
    (void)snprintf(out->control, sizeof out->control, "%s", d->socket);
    return 0;
}

static int start_with(const struct sk_runtime_host *h, const struct sk_runtime_start *s,
                      struct extras *x, struct sk_instance *out, struct sk_err *err)
{
    const struct sk_docker d = { sk_docker_rt_socket(h) };
    char gateway[64];

    if (strlen(d.socket) >= sizeof out->control)
        return sk_fail(err, SK_LIMIT, "%s: too long", d.socket);
    if (sk_docker_network(&d, network_of(h), gateway, err) < 0 ||
        fill_hosts(x, s->hosts, gateway, err) < 0 || fill_bind(x, s->workload_socket, err) < 0 ||
        fill_image(x, &d, s, err) < 0 || fill_labels(x, h, s, err) < 0)
        return -1;
    const struct sk_docker_create c = {
        .name = s->instance,
        .module = s->module,
        .image = x->image,
        .create_options = s->create_options,
        .env = s->env,
        .binds = x->bind_list,
        .hosts = x->host_list,
        .network = network_of(h),
        .drop_port_bindings = true,
        .is_supervised = true,
        .labels = x->labels.data,
        .log_bytes = h->log_bytes ? h->log_bytes : DEFAULT_LOG_BYTES,
    };
    return create_and_start(&d, &c, out, err);
}

int sk_docker_rt_start(const struct sk_runtime_host *h, const struct sk_runtime_start *s,
                       struct sk_instance *out, struct sk_err *err)
{
    SK_AUTO(extras_done) struct extras x = { .labels = SK_BUF_INIT(8 << 10) };

    if (expect_engine(h, err) < 0)
        return -1;
    if (start_with(h, s, &x, out, err) < 0)
        return sk_wrap(err, "module '%s'", s->module);
    return 0;
}

/* ---- status ---- */

/* One whose start was cut has no id yet; it has its name. */
const char *sk_docker_rt_id(const struct sk_instance *i)
{
    return i->container[0] ? i->container : i->instance;
}

static int64_t time_of(const char *text)
{
    int64_t ms = 0;

    return text[0] && sk_time_parse(sk_view_of(text), &ms) ? ms : 0;
}

static void describe(const struct sk_docker_container *c, struct sk_runtime_status *out)
{
    switch (c->state) {
    case SK_DOCKER_RUNNING:
        out->state = SK_RUNTIME_RUNNING;
        (void)snprintf(out->text, sizeof out->text, "running");
        return;
    case SK_DOCKER_CREATED:
        out->state = SK_RUNTIME_STOPPED;
        (void)snprintf(out->text, sizeof out->text, "created%s%.100s", c->error[0] ? ": " : "",
                       c->error);
        return;
    case SK_DOCKER_DEAD:
        out->state = SK_RUNTIME_FAILED;
        (void)snprintf(out->text, sizeof out->text, "dead%s%.100s", c->error[0] ? ": " : "",
                       c->error);
        return;
    case SK_DOCKER_STOPPED:
        break;
    }
    out->state = c->exit_code == 0 ? SK_RUNTIME_STOPPED : SK_RUNTIME_FAILED;
    (void)snprintf(out->text, sizeof out->text, "Exited (%d)%s%s%.100s", c->exit_code,
                   c->oom_killed ? ", out of memory" : "", c->error[0] ? ": " : "", c->error);
}

int sk_docker_rt_status(const struct sk_runtime_host *h, const struct sk_instance *i,
                        struct sk_runtime_status *out, struct sk_err *err)
{
    const struct sk_docker d = { sk_docker_rt_socket(h) };
    struct sk_runtime_status s = { .state = SK_RUNTIME_GONE };
    struct sk_docker_container c;

    if (sk_docker_inspect(&d, sk_docker_rt_id(i), network_of(h), &c, err) < 0) {
        if (err->code == SK_NOT_FOUND) {
            (void)snprintf(s.text, sizeof s.text, "there is no such container any more");
            *out = s;
            return 0;
        }
        if (err->code == SK_TIMEOUT || err->code == SK_IO)
            err->code = SK_BUSY;
        return -1;
    }
    s.exit_code = c.exit_code;
    s.oom_killed = c.oom_killed;
    (void)snprintf(s.health, sizeof s.health, "%s", c.health);
    s.started_ms = time_of(c.started);
    s.finished_ms = c.state == SK_DOCKER_RUNNING ? 0 : time_of(c.finished);
    describe(&c, &s);
    *out = s;
    return 0;
}

int sk_docker_rt_watch(const struct sk_instance *i)
{
    (void)i;
    return -1;
}

/* ---- stop and remove ---- */

int sk_docker_rt_stop(const struct sk_runtime_host *h, const struct sk_instance *i,
                      unsigned grace_ms, struct sk_err *err)
{
    const struct sk_docker d = { sk_docker_rt_socket(h) };

    if (sk_docker_stop(&d, sk_docker_rt_id(i), (grace_ms + 999) / 1000, err) < 0 &&
        err->code != SK_NOT_FOUND)
        return -1;
    return 0;
}

int sk_docker_rt_remove(const struct sk_runtime_host *h, const struct sk_instance *i,
                        struct sk_err *err)
{
    const struct sk_docker d = { sk_docker_rt_socket(h) };

    return sk_docker_remove(&d, sk_docker_rt_id(i), err);
}

/* ---- the rest ---- */

bool sk_docker_rt_has_process(const struct sk_runtime_host *h, const struct sk_instance *i,
                              pid_t pid, uid_t uid)
{
    const struct sk_docker d = { sk_docker_rt_socket(h) };
    struct sk_err ignored = SK_ERR_INIT;
    bool has = false;

    (void)uid; /* a container's users are its own affair */
    return i->container[0] && sk_docker_has_pid(&d, i->container, pid, &has, &ignored) == 0 && has;
}

int sk_docker_rt_logs(const struct sk_runtime_host *h, const struct sk_instance *i, unsigned tail,
                      int64_t since_s, int64_t until_s, bool follow, SK_RT_SINK, void *ctx,
                      struct sk_err *err)
{
    const struct sk_docker d = { sk_docker_rt_socket(h) };

    return sk_docker_logs(&d, sk_docker_rt_id(i), tail, since_s, until_s, follow, sink, ctx, err);
}

int sk_runtime_gateway(const struct sk_runtime_host *h, char address[64], struct sk_err *err)
{
    const struct sk_docker d = { sk_docker_rt_socket(h) };

    if (expect_engine(h, err) < 0)
        return -1;
    return sk_docker_network(&d, network_of(h), address, err);
}

const struct sk_rt_row sk_docker_rt = {
    .name = "docker",
    .check = sk_docker_rt_check,
    .start = sk_docker_rt_start,
    .status = sk_docker_rt_status,
    .watch = sk_docker_rt_watch,
    .stop = sk_docker_rt_stop,
    .remove = sk_docker_rt_remove,
    .has_process = sk_docker_rt_has_process,
    .logs = sk_docker_rt_logs,
    .sweep = sk_docker_rt_sweep,
};
