/*
 * check.c - `skerry edge check`: what may keep this device from working, each with what to do.
 *
 * One row per check; a row that needs what an earlier one found missing is left out. Nothing is
 * changed.
 */
#include "agent/agent_priv.h"

#include "base/file.h"
#include "docker/docker.h"

#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

enum {
    PEEK_MS = 5000,
    CALL_MS = 30000,
    DAY_S = 86400,
    FULL_BYTES = 4 << 20, /* so little is none: each journal reserves as much */
    TEXT = 400
};

#define BUILT_S INT64_C(1767225600) /* 2026-01-01: no clock that is right shows an earlier time */

struct look {
    struct sk_agent *agent;
    char result[10], text[TEXT], fix[TEXT]; /* of the row at hand */
};

static void say(struct look *l, const char *result, const char *fix, const char *fmt, ...)
    SK_PRINTF(4, 5);

static void say(struct look *l, const char *result, const char *fix, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(l->text, sizeof l->text, fmt, args);
    va_end(args);
    (void)snprintf(l->result, sizeof l->result, "%s", result);
    (void)snprintf(l->fix, sizeof l->fix, "%s", fix);
}

/* ---- configuration ---- */

static void check_secrets(struct look *l)
{
    static const char *const names[] = { "master.key", "device.key", "device-key.pem" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        SK_OWN(free) char *path = sk_agent_path(l->agent->dir, "secrets", names[i]);
        struct stat st;
        if (!path || stat(path, &st) < 0)
            continue;
        if (st.st_mode & 077) {
            say(l, "error", "chmod 600 the file, and renew the device's key at the hub",
                "'%s' can be read by others", path);
            return;
        }
    }
    say(l, "ok", "", "keys are readable by their owner only");
}

static void check_hub_ca(struct look *l)
{
    SK_OWN(free) char *path = sk_agent_path(l->agent->dir, "tls", "hub-ca.pem");
    SK_OWN(free) char *pem = NULL;
    struct sk_cert_info info;
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;
    int64_t now = (int64_t)time(NULL);
    if (!l->agent->config.has_hub_ca) {
        say(l, "ok", "", "the hub is checked with the system's certificates");
        return;
    }
    if (!path || sk_file_read(path, 256 << 10, &pem, &len, &err) < 0 ||
        sk_cert_info(pem, len, &info, &err) < 0)
        say(l, "error", "skerry edge init --force --hub-ca FILE", "the hub's CA: %s", err.text);
    else if (now >= info.not_after)
        say(l, "error", "ask who runs the hub for the new CA, then skerry edge init --force",
            "the hub's CA has expired, or the clock is wrong");
    else if (info.not_after - now < 30 * DAY_S)
        say(l, "warning", "ask who runs the hub for the new CA", "the hub's CA ends in %lld days",
            (long long)(info.not_after - now) / DAY_S);
    else
        say(l, "ok", "", "the hub's CA is good for %lld days",
            (long long)(info.not_after - now) / DAY_S);
}

static void check_gateway(struct look *l)
{
    const char *name = l->agent->config.gateway;
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(name, NULL, NULL, &found);
    if (rc == 0)
        freeaddrinfo(found);
    if (rc != 0)
        say(l, "warning",
            "add the name to /etc/hosts, or run 'skerry edge init --force' with --hostname and an "
            "address",
            "the name '%s', under which modules reach this device, is not known here: %s", name,
            gai_strerror(rc));
    else
        say(l, "ok", "", "modules reach this device as '%s'", name);
}

static void check_clock(struct look *l)
{
    if ((int64_t)time(NULL) < BUILT_S)
        say(l, "warning",
            "start a time service (chrony, systemd-timesyncd); modules work meanwhile",
            "the clock stands before this program was made: the hub will refuse tokens");
    else
        say(l, "ok", "", "the clock is plausible");
}

/* ---- connectivity ---- */

static void check_agent(struct look *l)
{
    SK_OWN(sk_json_free) struct sk_json *status = NULL;
    struct sk_err err = SK_ERR_INIT;
    if (sk_agent_call(l->agent->run_dir, SK_VIEW("{\"type\":\"status\"}"), PEEK_MS, &status, &err) <
        0)
        say(l, "error", "skerry edge run, or systemctl start skerry-edge", "%s", err.text);
    else if (sk_json_type(sk_json_get(status, "localHub")) != SK_JSON_OBJECT)
        say(l, "error", "look at the agent's log for 'localhub'", "the local hub does not answer");
    else if (!sk_json_bool(sk_json_get(status, "isConnected"), false))
        say(l, "warning", "see the rows below", "the agent runs, and does not reach the hub now");
    else
        say(l, "ok", "", "the agent runs, and is connected");
}

/* Each module that is not as the deployment says, the first of them in words. */
static void check_modules(struct look *l)
{
    SK_OWN(sk_json_free) struct sk_json *list = NULL;
    struct sk_err err = SK_ERR_INIT;
    const struct sk_json *first = NULL;
    size_t bad = 0;
    if (sk_agent_call(l->agent->run_dir, SK_VIEW("{\"type\":\"list\"}"), PEEK_MS, &list, &err) <
        0) {
        say(l, "warning", "see 'agent'", "modules are not known: no agent runs");
        return;
    }
    const struct sk_json *modules = sk_json_get(list, "modules");
    for (size_t i = 0; i < sk_json_count(modules); i++) {
        const struct sk_json *m = sk_json_at(modules, i);
        if (sk_json_bool(sk_json_get(m, "isSettled"), false) &&
            !sk_json_bool(sk_json_get(m, "isFailed"), false) &&
            strcmp(sk_json_get_text(m, "status", ""), "failed") != 0)
            continue;
        first = first ? first : m;
        bad++;
    }
    if (bad == 0)
        say(l, "ok", "", "%zu modules are as the deployment says", sk_json_count(modules));
    else
        say(l, "warning", "skerry edge logs MODULE; then another deployment",
            "%zu of %zu modules are not as the deployment says; '%s' is %s: %.200s", bad,
            sk_json_count(modules), sk_json_get_text(first, "name", ""),
            sk_json_get_text(first, "status", ""), sk_json_get_text(first, "description", ""));
}

static bool has_agent_module(const struct sk_json *answer)
{
    const struct sk_json *modules = sk_json_get(answer, "modules");
    for (size_t i = 0; i < sk_json_count(modules); i++)
        if (strcmp(sk_json_get_text(sk_json_at(modules, i), "module", ""), "$edgeAgent") == 0)
            return true;
    return false;
}

static void judge_https(struct look *l, const struct sk_json *answer)
{
    int64_t status = sk_json_int(sk_json_get(answer, "status"), 0);
    const char *text = sk_json_get_text(answer, "error", "");
    char fix[TEXT];
    (void)snprintf(fix, sizeof fix,
                   "look for a name that is not known, a firewall on port %u, or a wrong --hub-ca",
                   l->agent->config.hub_https_port);
    if (status == 200 && has_agent_module(answer))
        say(l, "ok", "", "the hub answers over HTTPS, and knows this device");
    else if (status == 200)
        say(l, "error",
            "make it anew at the hub with 'skerry device create NAME --edge-enabled', then 'skerry "
            "edge init'",
            "the hub knows this device, but not as an edge device");
    else if (status == 401 || status == 403 || status == 404)
        say(l, "error",
            "at the hub: is the device there and enabled ('skerry device show'), is its key that "
            "one ('skerry device key'), does its clock agree",
            "the hub does not accept this device: %s", text);
    else if (status == 429)
        say(l, "warning", "wait a minute; another device at this address may have a wrong key",
            "the hub refuses logins from this address for now: %s", text);
    else
        say(l, "error", status != 0 ? "look at the hub's log" : fix, "%s", text);
}

/* The whole way: name, TLS, token, identity. */
static void check_https(struct look *l)
{
    SK_AUTO(sk_buf_done) struct sk_buf order = SK_BUF_INIT(64 << 10);
    SK_AUTO(sk_buf_done) struct sk_buf answer = SK_BUF_INIT(1 << 20);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;
    if (sk_agent_order_modules(l->agent, &order, &err) < 0 ||
        sk_agent_child_call(l->agent, "edge-call", (struct sk_view){ order.data, order.len },
                            CALL_MS, &answer, &err) < 0 ||
        sk_json_parse(answer.data ? answer.data : "", answer.len, NULL, &doc, &err) < 0) {
        say(l, "error", "", "%s", err.text);
        return;
    }
    judge_https(l, sk_json_at(sk_json_get(doc, "answers"), 0));
}

static void check_mqtt(struct look *l)
{
    const struct sk_agent_config *c = &l->agent->config;
    SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(256 << 10);
    struct sk_err err = SK_ERR_INIT;
    if (sk_tls_peek(c->hub_address, c->hub_mqtt_port, PEEK_MS, &pem, &err) < 0)
        say(l, "error", "look for a firewall on that port", "the hub's MQTT port %u: %s",
            c->hub_mqtt_port, err.text);
    else
        say(l, "ok", "", "the hub answers on port %u", c->hub_mqtt_port);
}

static void check_docker(struct look *l)
{
    const struct sk_docker d = { l->agent->config.docker_socket };
    struct sk_err err = SK_ERR_INIT;
    char version[64];
    int rc = sk_docker_ping(&d, version, &err);
    if (rc < 0 && err.code == SK_DENIED)
        say(l, "warning", "run this as root, or as a member of the group that owns the socket",
            "the Docker Engine at '%s' lets this user not in", d.socket);
    else if (rc < 0)
        say(l, "warning", "install a Docker Engine, or deploy images of 'skerry package' only",
            "no Docker Engine answers at '%s': modules that are not run natively cannot run",
            d.socket);
    else
        say(l, "ok", "", "Docker Engine %s", version);
}

/* ---- production readiness ---- */

static void check_user(struct look *l)
{
    if (geteuid() != 0)
        say(l, "warning", "run the agent as root, by its systemd unit",
            "without root modules have no users, limits and sandbox of their own");
    else
        say(l, "ok", "", "modules get users and limits of their own");
}

static void check_disk(struct look *l)
{
    struct statvfs fs;
    uint64_t budget = l->agent->config.disk_bytes;
    if (statvfs(l->agent->dir, &fs) < 0) {
        say(l, "error", "", "the folder's file system cannot be asked");
        return;
    }
    uint64_t total = (uint64_t)fs.f_blocks * fs.f_frsize;
    uint64_t avail = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (avail < FULL_BYTES)
        say(l, "error", "make room on its file system, or run the agent with another --data-dir",
            "the disk is full (%llu KiB are free): what modules send is not acknowledged, and no "
            "image can be pulled",
            (unsigned long long)avail >> 10);
    else if (budget > total)
        say(l, "warning", "lower diskBytes in edge.json",
            "the budget of %llu MiB is more than the file system has (%llu MiB)",
            (unsigned long long)budget >> 20, (unsigned long long)total >> 20);
    else if (avail < (256u << 20))
        say(l, "warning", "make room", "%llu MiB are free on the disk",
            (unsigned long long)avail >> 20);
    else
        say(l, "ok", "", "%llu MiB are free, %llu MiB is the budget",
            (unsigned long long)avail >> 20, (unsigned long long)budget >> 20);
}

/* Modules have users of their own, who must be able to pass through. */
static void check_path(struct look *l)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s", l->agent->dir);
    for (char *end = path + strlen(path); geteuid() == 0 && end > path; end = strrchr(path, '/')) {
        struct stat st;
        *end = '\0';
        if (*path && stat(path, &st) == 0 && !(st.st_mode & S_IXOTH)) {
            say(l, "error", "chmod o+x the folder, or use another --data-dir",
                "'%s' lets no other user through: modules cannot reach their files", path);
            return;
        }
    }
    say(l, "ok", "", "the folders can be passed through");
}

static void check_systemd(struct look *l)
{
    if (!sk_is_dir("/run/systemd/system"))
        say(l, "ok", "", "no systemd here: something else must start the agent at boot");
    else if (!sk_is_file("/etc/systemd/system/multi-user.target.wants/skerry-edge.service"))
        say(l, "warning", "systemctl enable --now skerry-edge", "the agent is not started at boot");
    else
        say(l, "ok", "", "the agent is started at boot");
}

static const struct {
    const char *group, *name;
    void (*check)(struct look *l);
} rows[] = {
    { "configuration", "secrets", check_secrets },
    { "configuration", "hub-ca", check_hub_ca },
    { "configuration", "gateway-name", check_gateway },
    { "configuration", "clock", check_clock },
    { "connectivity", "agent", check_agent },
    { "connectivity", "modules", check_modules },
    { "connectivity", "hub-https", check_https },
    { "connectivity", "hub-mqtt", check_mqtt },
    { "connectivity", "docker", check_docker },
    { "production", "user", check_user },
    { "production", "disk", check_disk },
    { "production", "folders", check_path },
    { "production", "boot", check_systemd },
};

int sk_agent_check(const struct sk_agent_options *opts, sk_agent_finding *each, void *ctx,
                   struct sk_err *err)
{
    SK_AUTO(sk_agent_close) struct sk_agent a = SK_AGENT_INIT;
    struct look l = { .agent = &a };
    if (sk_agent_open(&a, opts, err) < 0) {
        if (err->code == SK_NOMEM)
            return -1;
        struct sk_err found = *err;
        return each(ctx, "configuration", "folder", "error", found.text,
                    "skerry edge init makes one", err);
    }
    if (each(ctx, "configuration", "folder", "ok", "the configuration is well-formed", "", err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rows[i].check(&l);
        if (each(ctx, rows[i].group, rows[i].name, l.result, l.text, l.fix, err) < 0)
            return -1;
    }
    return 0;
}
