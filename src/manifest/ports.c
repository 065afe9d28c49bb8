/*
 * ports.c - two modules that want one port of the host, and ports that no host has.
 *
 *     HostConfig.PortBindings: {"443/tcp": [{"HostIp": "", "HostPort": "443"}]}
 *
 * The key is the container's port or range, tcp when it says nothing. A host address that is empty
 * stands for all, 0.0.0.0 for all of IPv4, :: for all of IPv6. Left out: modules that are stopped
 * or in the host's own network, ports that Docker chooses (empty, 0, or a range of the host for one
 * port of the container), and bindings of one module among each other.
 */
#include "manifest/manifest_priv.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct binding {
    const char *module;
    char ip[64];
    char protocol[8];
    unsigned long first, last;
};

struct bindings {
    struct binding *list;
    size_t count;
};

static void bindings_done(struct bindings *b)
{
    free(b->list);
}

/* "443" or "5001-5003" at the start; false for another thing. */
static bool read_range(struct sk_view text, unsigned long *first, unsigned long *last)
{
    char copy[24], *end;

    if (text.len == 0 || text.len >= sizeof(copy) || text.ptr[0] < '0' || text.ptr[0] > '9')
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    *first = *last = strtoul(copy, &end, 10);
    if (*end == '-' && end[1] >= '0' && end[1] <= '9')
        *last = strtoul(end + 1, &end, 10);
    return *end == 0 && *first > 0 && *first <= *last && *last <= 65535;
}

static void copy_word(char *to, size_t cap, const char *from, size_t len)
{
    if (len >= cap)
        len = cap - 1;
    memcpy(to, from, len);
    to[len] = 0;
}

static bool read_binding(const char *key, const struct sk_json *v, struct binding *b)
{
    const struct sk_json *port = sk_json_get(v, "HostPort");
    const char *slash = strchr(key, '/'), *host = sk_json_text(port, ""), *protocol;
    struct sk_view own = { key, slash ? (size_t)(slash - key) : strlen(key) };
    unsigned long first, last;
    int64_t number = sk_json_int(port, 0);

    protocol = slash && slash[1] ? slash + 1 : "tcp";
    copy_word(b->protocol, sizeof(b->protocol), protocol, strlen(protocol));
    host = sk_json_get_text(v, "HostIp", "");
    copy_word(b->ip, sizeof(b->ip), host, strlen(host));
    if (!read_range(own, &first, &last))
        return false;
    if (sk_json_type(port) == SK_JSON_INT) {
        b->first = b->last = (unsigned long)number;
        if (number < 1 || number > 65535)
            return false;
    } else if (!read_range(sk_view_of(sk_json_text(port, "")), &b->first, &b->last)) {
        return false;
    }
    if (first == last)
        return b->first == b->last;
    if (b->first == b->last)
        b->last = b->first + (last - first);
    return true;
}

static bool is_all(const char *ip)
{
    return strcmp(ip, "0.0.0.0") == 0 || strcmp(ip, "::") == 0 || strcmp(ip, "[::]") == 0;
}

static bool do_meet(const struct binding *a, const struct binding *b)
{
    if (a->module == b->module || strcasecmp(a->protocol, b->protocol) != 0 || a->first > b->last ||
        b->first > a->last)
        return false;
    if (!a->ip[0] || !b->ip[0])
        return true;
    if (!strchr(a->ip, ':') != !strchr(b->ip, ':'))
        return false;
    return is_all(a->ip) || is_all(b->ip) || strcasecmp(a->ip, b->ip) == 0;
}

static int add(struct sk_check *c, struct bindings *all, const struct binding *b,
               struct sk_err *err)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct binding *other = &all->list[i];

        if (!do_meet(other, b))
            continue;
        sk_check_error(c, SK_INVALID, "host port %lu/%s is bound by module '%.64s' too",
                       b->first > other->first ? b->first : other->first, b->protocol,
                       other->module);
        break;
    }
    if (all->count == SK_MANIFEST_PORTS_MAX)
        return sk_fail(err, SK_LIMIT, "more than %d port bindings", SK_MANIFEST_PORTS_MAX);
    if (all->count % 32 == 0) {
        struct binding *more = realloc(all->list, (all->count + 32) * sizeof(*more));

        if (!more)
            return sk_nomem(err);
        all->list = more;
    }
    all->list[all->count++] = *b;
    return 0;
}

/* A number that no port has; other words are left to the runtime. */
static void check_number(struct sk_check *c, const char *key, const struct sk_json *binding)
{
    const struct sk_json *port = sk_json_get(binding, "HostPort");
    const char *text = sk_json_text(port, "");
    const int64_t number = sk_json_int(port, 0);
    const size_t digits = strspn(text, "0123456789");

    if (sk_json_type(port) == SK_JSON_INT
            ? number < 0 || number > 65535
            : digits > 0 && !text[digits] && (digits > 18 || strtoul(text, NULL, 10) > 65535))
        sk_check_error(c, SK_INVALID, "HostPort of %.32s is above 65535, or below 0", key);
}

static int add_module(struct sk_check *c, struct bindings *all, const char *name,
                      const struct sk_json *settings, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(SK_MANIFEST_CREATE_MAX);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    const struct sk_json *host, *ports;
    struct sk_err why = SK_ERR_INIT;

    /* What is wrong with it has been said already. */
    if (sk_manifest_create_options(settings, &body, &why) < 0 ||
        sk_json_parse(body.data, body.len, NULL, &doc, &why) < 0)
        return why.code == SK_NOMEM ? sk_nomem(err) : 0;
    host = sk_json_get(doc, "HostConfig");
    if (strcmp(sk_json_get_text(host, "NetworkMode", ""), "host") == 0)
        return 0;
    ports = sk_json_get(host, "PortBindings");
    for (void *it = sk_json_first(ports); it; it = sk_json_next(ports, it)) {
        const struct sk_json *list = sk_json_value(it);

        for (size_t i = 0; sk_json_type(list) == SK_JSON_ARRAY && i < sk_json_count(list); i++) {
            struct binding b = { .module = name };

            check_number(c, sk_json_key(it), sk_json_at(list, i));
            if (read_binding(sk_json_key(it), sk_json_at(list, i), &b) && add(c, all, &b, err) < 0)
                return -1;
        }
    }
    return 0;
}

int sk_check_ports(struct sk_check *c, const struct sk_json *agent, struct sk_err *err)
{
    static const char *const groups[] = { "systemModules", "modules" };
    SK_AUTO(bindings_done) struct bindings all = { NULL, 0 };
    size_t in_section = sk_check_enter(c, sk_manifest_desired);

    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        const struct sk_json *group = sk_json_get(agent, groups[i]);
        size_t in_group = sk_check_enter(c, groups[i]);

        for (void *it = sk_json_first(group); it; it = sk_json_next(group, it)) {
            const struct sk_json *module = sk_json_value(it);
            const struct sk_json *settings = sk_json_get(module, "settings");
            size_t mark = sk_check_enter(c, sk_json_key(it));
            int rc = 0;

            if (strcmp(sk_json_get_text(module, "status", ""), "stopped") != 0)
                rc = add_module(c, &all, sk_json_key(it), settings, err);
            sk_check_leave(c, mark);
            if (rc < 0)
                return -1;
        }
        sk_check_leave(c, in_group);
    }
    sk_check_leave(c, in_section);
    return 0;
}
