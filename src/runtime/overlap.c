/*
 * overlap.c - createOptions as text, and whether two instances of them can be side by side.
 *
 * While a new version is tried the old one answers, so both hold what they hold at once. TCP ports
 * are no obstacle: a native module gets its listening socket, and a container's port belongs to a
 * forwarder. What cannot be held twice is named, so that the plan can say why there will be an
 * interruption.
 */
#include "runtime/runtime_priv.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>

int sk_rt_options_parse(const char *text, struct sk_json **out, struct sk_err *err)
{
    const struct sk_json_limits limits = { .max_values = 20000, .max_depth = 32 };
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    const char *from = text && text[0] ? text : "{}";
    size_t len = strlen(from);

    if (len > SK_RT_OPTIONS_MAX)
        return sk_fail(err, SK_LIMIT, "createOptions have %zu bytes, at most %d are taken", len,
                       SK_RT_OPTIONS_MAX);
    if (sk_json_parse(from, len, &limits, &doc, err) < 0)
        return sk_wrap(err, "createOptions");
    if (sk_json_type(doc) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "createOptions: expected an object, got %s",
                       sk_json_type_name(sk_json_type(doc)));
    *out = SK_TAKE(doc);
    return 0;
}

static bool refuse(char *why, const char *what, const char *which)
{
    (void)snprintf(why, SK_RT_WHY, "%s%s%.100s", what, which[0] ? " " : "", which);
    return false;
}

static bool ports_overlap(const struct sk_json *ports, char *why)
{
    for (void *it = sk_json_first(ports); it; it = sk_json_next(ports, it))
        if (!sk_ends_with(sk_json_key(it), "/tcp") && strchr(sk_json_key(it), '/'))
            return refuse(why, "port", sk_json_key(it));
    return true;
}

/* "HOST:CONTAINER[:OPTIONS]": read-only when the options say ro. */
static bool is_read_only_bind(const char *bind)
{
    const char *first = strchr(bind, ':');
    const char *second = first ? strchr(first + 1, ':') : NULL;

    for (const char *at = second; at; at = strchr(at, ',')) {
        at++;
        if (strncmp(at, "ro", 2) == 0 && (at[2] == '\0' || at[2] == ','))
            return true;
    }
    return false;
}

static bool binds_overlap(const struct sk_json *binds, char *why)
{
    for (size_t i = 0; i < sk_json_count(binds); i++) {
        const char *bind = sk_json_text(sk_json_at(binds, i), "");

        if (!is_read_only_bind(bind))
            return refuse(why, "writable bind", bind);
    }
    return true;
}

static bool mounts_overlap(const struct sk_json *mounts, char *why)
{
    for (size_t i = 0; i < sk_json_count(mounts); i++) {
        const struct sk_json *m = sk_json_at(mounts, i);

        if (strcmp(sk_json_get_text(m, "Type", "volume"), "tmpfs") != 0 &&
            !sk_json_bool(sk_json_get(m, "ReadOnly"), false))
            return refuse(why, "writable mount", sk_json_get_text(m, "Target", ""));
    }
    return true;
}

bool sk_runtime_can_overlap(enum sk_runtime_kind kind, const char *create_options, char *why)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;

    why[0] = '\0';
    if (sk_rt_options_parse(create_options, &doc, &err) < 0)
        return refuse(why, "createOptions cannot be read:", err.text);
    const struct sk_json *host = sk_json_get(doc, "HostConfig");
    const char *network = sk_json_get_text(host, "NetworkMode", "");

    if (!ports_overlap(sk_json_get(host, "PortBindings"), why) ||
        !binds_overlap(sk_json_get(host, "Binds"), why) ||
        !mounts_overlap(sk_json_get(host, "Mounts"), why))
        return false;
    if (sk_json_count(sk_json_get(host, "Devices")) > 0)
        return refuse(why, "Devices", "");
    /* a native module is always in the host's network, and binds nothing itself */
    if (kind == SK_RUNTIME_DOCKER && strcmp(network, "host") == 0)
        return refuse(why, "NetworkMode host", "");
    if (kind == SK_RUNTIME_DOCKER && strncmp(network, "container:", 10) == 0)
        return refuse(why, "NetworkMode", network);
    return true;
}
