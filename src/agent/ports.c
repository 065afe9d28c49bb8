/*
 * ports.c - HostConfig.PortBindings of createOptions: "5001/tcp":
 * [{"HostIp":"","HostPort":"5001"}]. A port without an address is published on the address that
 * init was told (0.0.0.0, as Docker does). A port without HostPort gets the container's number.
 */
#include "agent/agent_priv.h"

#include <stdio.h>
#include <string.h>

/* "5001", "5001/tcp", "5001/udp" */
static int parse_container(const char *key, char *out, size_t cap, uint64_t *port, bool *is_tcp,
                           struct sk_err *err)
{
    const char *slash = strchr(key, '/');
    char number[24];
    size_t len = slash ? (size_t)(slash - key) : strlen(key);
    if (len == 0 || len >= sizeof number)
        return sk_fail(err, SK_INVALID, "PortBindings: '%s' is no port", key);
    memcpy(number, key, len);
    number[len] = '\0';
    if (sk_parse_u64("PortBindings", number, 1, 65535, port, err) < 0)
        return -1;
    const char *protocol = slash ? slash + 1 : "tcp";
    if (strcmp(protocol, "tcp") != 0 && strcmp(protocol, "udp") != 0 &&
        strcmp(protocol, "sctp") != 0)
        return sk_fail(err, SK_INVALID, "PortBindings: '%s' is neither tcp, udp nor sctp", key);
    *is_tcp = strcmp(protocol, "tcp") == 0;
    (void)snprintf(out, cap, "%.5s/%.4s", number, protocol);
    return 0;
}

static int add_binding(const char *module, const char *key, const struct sk_json *binding,
                       const char *publish, struct sk_agent_port *p, struct sk_err *err)
{
    uint64_t port = 0;
    if (parse_container(key, p->container, sizeof p->container, &port, &p->is_tcp, err) < 0)
        return -1;
    const struct sk_json *host_port = sk_json_get(binding, "HostPort");
    const char *text = sk_json_text(host_port, "");
    if (sk_json_type(host_port) == SK_JSON_INT)
        port = (uint64_t)sk_json_int(host_port, 0);
    else if (*text && sk_parse_u64("HostPort", text, 1, 65535, &port, err) < 0)
        return sk_wrap(err, "PortBindings.%s", key);
    if (port < 1 || port > 65535)
        return sk_fail(err, SK_INVALID, "PortBindings.%s: HostPort is out of range", key);
    const char *host = sk_json_get_text(binding, "HostIp", "");
    p->port = (uint16_t)port;
    if ((size_t)snprintf(p->host, sizeof p->host, "%s", *host ? host : publish) >= sizeof p->host)
        return sk_fail(err, SK_INVALID, "PortBindings.%s: HostIp is too long", key);
    if ((size_t)snprintf(p->name, sizeof p->name, "%s/%s:%u/%s", module, p->host, p->port,
                         p->is_tcp ? "tcp" : "udp") >= sizeof p->name)
        return sk_fail(err, SK_LIMIT, "PortBindings.%s: the names are too long", key);
    return 0;
}

int sk_agent_ports(const char *module, const char *create_options, const char *publish,
                   struct sk_agent_port *out, size_t max, size_t *count, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    const struct sk_json *host = NULL, *all = NULL;
    *count = 0;
    if (sk_json_parse(create_options, strlen(create_options), NULL, &doc, err) < 0 ||
        sk_json_want_object(doc, "HostConfig", &host, err) < 0 ||
        sk_json_want_object(host, "PortBindings", &all, err) < 0)
        return sk_wrap(err, "createOptions");
    for (void *it = sk_json_first(all); it; it = sk_json_next(all, it)) {
        const struct sk_json *list = sk_json_value(it);
        size_t n = sk_json_type(list) == SK_JSON_ARRAY ? sk_json_count(list) : 0;
        for (size_t i = 0; i < n; i++) {
            if (*count == max)
                return sk_fail(err, SK_LIMIT, "more than %zu PortBindings", max);
            if (add_binding(module, sk_json_key(it), sk_json_at(list, i), publish, &out[*count],
                            err) < 0)
                return -1;
            (*count)++;
        }
    }
    return 0;
}

/* ---- with the keeper ---- */

enum {
    PORTS_MAX = 16
};

/* A container in the host's network, or in another's, binds its ports itself: Docker discards its
 * PortBindings. */
static bool has_own_network(const struct sk_agent_slot *s)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err ignored = SK_ERR_INIT;
    const char *text = s->spec->create_options;
    if (s->image.kind != SK_RUNTIME_DOCKER ||
        sk_json_parse(text, strlen(text), NULL, &doc, &ignored) < 0)
        return true;
    const char *mode = sk_json_get_text(sk_json_get(doc, "HostConfig"), "NetworkMode", "");
    return strcmp(mode, "host") != 0 && strcmp(mode, "none") != 0 &&
           !sk_starts_with(mode, "container:");
}

static int ports_of(struct sk_agent_module *m, const struct sk_agent_slot *s,
                    struct sk_agent_port *ports, size_t *count, struct sk_err *err)
{
    *count = 0;
    if (!has_own_network(s))
        return 0;
    return sk_agent_ports(m->name, s->spec->create_options, m->agent->config.publish, ports,
                          PORTS_MAX, count, err);
}

int sk_agent_open_ports(struct sk_agent_module *m, const struct sk_agent_slot *s,
                        struct sk_runtime_socket *sockets, char (*names)[24], size_t max,
                        size_t *count, struct sk_err *err)
{
    struct sk_agent *a = m->agent;
    struct sk_agent_port ports[PORTS_MAX];
    struct sk_keeper *keeper;
    size_t n = 0;
    *count = 0;
    if (ports_of(m, s, ports, &n, err) < 0)
        return -1;
    bool is_forward = s->image.kind == SK_RUNTIME_DOCKER;
    SK_LOCK(&a->keeper_lock);
    if (n > 0 && sk_agent_keeper(a, &keeper, err) < 0)
        return -1;
    for (size_t i = 0; i < n && i < max; i++) {
        int fd = -1;
        if (!ports[i].is_tcp)
            continue; /* the runtime's affair: see sk_runtime_can_overlap */
        if (sk_keeper_listen(keeper, ports[i].name, ports[i].host, ports[i].port, is_forward,
                             is_forward ? NULL : &fd, err) < 0) {
            for (size_t k = 0; k < *count; k++)
                sk_close(&sockets[k].fd);
            *count = 0;
            return sk_wrap(err, "port %s:%u", ports[i].host, ports[i].port);
        }
        if (is_forward)
            continue;
        (void)snprintf(names[*count], sizeof names[*count], "%s", ports[i].container);
        sockets[*count] = (struct sk_runtime_socket){ names[*count], fd };
        (*count)++;
    }
    return 0;
}

int sk_agent_aim_ports(struct sk_agent_module *m, const struct sk_agent_slot *s, struct sk_err *err)
{
    struct sk_agent *a = m->agent;
    struct sk_agent_port ports[PORTS_MAX];
    struct sk_keeper *keeper;
    size_t n = 0;
    if (ports_of(m, s, ports, &n, err) < 0)
        return -1;
    SK_LOCK(&a->keeper_lock);
    if (n > 0 && sk_agent_keeper(a, &keeper, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        char target[96];
        (void)snprintf(target, sizeof target, "%s:%.*s", s->instance.address,
                       (int)strcspn(ports[i].container, "/"), ports[i].container);
        if (ports[i].is_tcp &&
            sk_keeper_forward(keeper, ports[i].name, *s->instance.address ? target : NULL, err) < 0)
            return sk_wrap(err, "port %s:%u", ports[i].host, ports[i].port);
    }
    return 0;
}

static bool is_among(const struct sk_agent_port *ports, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(ports[i].name, name) == 0)
            return true;
    return false;
}

bool sk_agent_ports_differ(struct sk_agent_module *m, const struct sk_agent_slot *s,
                           const struct sk_agent_slot *other)
{
    struct sk_agent_port ports[PORTS_MAX], others[PORTS_MAX];
    struct sk_err ignored = SK_ERR_INIT;
    size_t n = 0, k = 0;
    if (!s->spec || !other->spec || ports_of(m, s, ports, &n, &ignored) < 0 ||
        ports_of(m, other, others, &k, &ignored) < 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if (ports[i].is_tcp && !is_among(others, k, ports[i].name))
            return true;
    return false;
}

int sk_agent_close_ports(struct sk_agent_module *m, const struct sk_agent_slot *s,
                         const struct sk_agent_slot *but, struct sk_err *err)
{
    struct sk_agent *a = m->agent;
    struct sk_agent_port ports[PORTS_MAX], kept[PORTS_MAX];
    struct sk_keeper *keeper;
    size_t n = 0, k = 0;
    if (!s->spec || ports_of(m, s, ports, &n, err) < 0 || n == 0)
        return 0; /* none of a document that cannot be read was ever opened */
    if (but && but->spec && ports_of(m, but, kept, &k, err) < 0)
        return -1;
    SK_LOCK(&a->keeper_lock);
    if (sk_agent_keeper(a, &keeper, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (ports[i].is_tcp && !is_among(kept, k, ports[i].name) &&
            sk_keeper_close(keeper, ports[i].name, err) < 0)
            return -1;
    return 0;
}

/* ---- what was left open ---- */

struct listed {
    const char *module;
    const struct sk_agent_port *kept;
    size_t kept_count, count;
    char names[SK_KEEPER_PORTS_MAX][SK_KEEPER_NAME_MAX + 1];
};

static int list_port(void *ctx, const struct sk_keeper_port *p, struct sk_err *err)
{
    struct listed *l = ctx;
    size_t len = strlen(l->module);
    bool is_ours = strncmp(p->name, l->module, len) == 0 && p->name[len] == '/';
    (void)err;
    if (is_ours && !is_among(l->kept, l->kept_count, p->name) && l->count < SK_KEEPER_PORTS_MAX)
        (void)snprintf(l->names[l->count++], sizeof l->names[0], "%s", p->name);
    return 0;
}

bool sk_agent_ports_lost(struct sk_agent_module *m, const struct sk_agent_slot *s)
{
    struct sk_agent *a = m->agent;
    struct sk_agent_port ports[PORTS_MAX];
    SK_OWN(free) struct listed *l = calloc(1, sizeof *l);
    struct sk_keeper *keeper;
    struct sk_err err = SK_ERR_INIT;
    size_t n = 0;
    if (!l || !s->spec || ports_of(m, s, ports, &n, &err) < 0)
        return false;
    *l = (struct listed){ .module = m->name };
    SK_LOCK(&a->keeper_lock);
    if (sk_agent_keeper(a, &keeper, &err) < 0 || sk_keeper_list(keeper, list_port, l, &err) < 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        bool is_there = !ports[i].is_tcp;
        for (size_t k = 0; k < l->count; k++)
            is_there = is_there || strcmp(ports[i].name, l->names[k]) == 0;
        if (!is_there)
            return true;
    }
    return false;
}

int sk_agent_tidy_ports(struct sk_agent_module *m, const struct sk_agent_slot *but,
                        struct sk_err *err)
{
    struct sk_agent *a = m->agent;
    struct sk_agent_port kept[PORTS_MAX];
    SK_OWN(free) struct listed *l = calloc(1, sizeof *l);
    struct sk_keeper *keeper;
    size_t n = 0;
    if (!l)
        return sk_nomem(err);
    if (but && but->spec && ports_of(m, but, kept, &n, err) < 0)
        return -1;
    *l = (struct listed){ .module = m->name, .kept = kept, .kept_count = n };
    SK_LOCK(&a->keeper_lock);
    if (sk_agent_keeper(a, &keeper, err) < 0 || sk_keeper_list(keeper, list_port, l, err) < 0)
        return -1;
    for (size_t i = 0; i < l->count; i++)
        if (sk_keeper_close(keeper, l->names[i], err) < 0)
            return -1;
    return 0;
}
