/*
 * merge.c - the body of a create: the manifest's createOptions, and what an edge adds to them
 * (docs/spec/docker.md).
 *
 * The options are checked as JSON and read with their types where we need to know them; then the
 * new text is put together from the old one's pieces. So a member that we have never heard of, or a
 * number that a double could not hold, reaches the Engine as it was written.
 *
 *     ours first, theirs win    Env
 *     ours win                  Image, Labels that we set
 *     ours added                HostConfig.Binds, .ExtraHosts, .LogConfig, .NetworkMode and
 *                               NetworkingConfig.EndpointsConfig unless they have these
 *     taken away                TCP of HostConfig.PortBindings, when a forwarder has the ports;
 *                               HostConfig.RestartPolicy and .AutoRemove, when somebody else does
 * that
 */
#include "docker/docker_priv.h"

#include <string.h>
#include <strings.h>

struct merge {
    const struct sk_docker_create *c;
    struct sk_buf *out;
    /* Members of createOptions; empty views and NULL where there is none, or null. */
    struct sk_view env, labels, host_config, networking;
    const struct sk_json *env_doc, *host_doc;
    struct sk_json *more_labels;
    bool is_first; /* no comma yet */
};

/* ---- reading ---- */

/* The member of a structure of the Engine, which knows no case. Twice is an error: the Engine would
 * take one of them, and not say which. */
static int find(const struct sk_json *object, const char *name, enum sk_json_type type,
                const char *where, const struct sk_json **out, struct sk_err *err)
{
    const struct sk_json *found = NULL;
    unsigned count = 0;

    for (void *it = sk_json_first(object); it; it = sk_json_next(object, it)) {
        if (strcasecmp(sk_json_key(it), name) != 0)
            continue;
        found = sk_json_value(it);
        count++;
    }
    if (count > 1)
        return sk_fail(err, SK_INVALID, "createOptions: %s%s is there more than once", where, name);
    enum sk_json_type is = sk_json_type(found);
    *out = is == SK_JSON_NULL ? NULL : found;
    if (is != SK_JSON_NULL && is != type)
        return sk_fail(err, SK_INVALID, "createOptions: %s%s: expected %s, got %s", where, name,
                       sk_json_type_name(type), sk_json_type_name(is));
    return 0;
}

static int expect_texts(const struct sk_json *array, const char *name, struct sk_err *err)
{
    for (size_t i = 0; i < sk_json_count(array); i++)
        if (sk_json_type(sk_json_at(array, i)) != SK_JSON_STRING)
            return sk_fail(err, SK_INVALID, "createOptions: %s[%zu]: expected %s, got %s", name, i,
                           sk_json_type_name(SK_JSON_STRING),
                           sk_json_type_name(sk_json_type(sk_json_at(array, i))));
    return 0;
}

static struct sk_view raw_member(struct sk_view object, const char *name)
{
    struct sk_docker_raw r = sk_docker_raw_of(object);
    struct sk_docker_member m;

    while (sk_docker_raw_next(&r, &m))
        if (sk_docker_raw_is(&m, name))
            return sk_view_eq(m.value, "null") ? (struct sk_view){ m.value.ptr, 0 } : m.value;
    return (struct sk_view){ object.ptr, 0 };
}

static int read_options(struct merge *m, const struct sk_json *doc, struct sk_view text,
                        struct sk_err *err)
{
    const struct sk_json *ignored = NULL;

    if (sk_json_type(doc) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "createOptions: expected an object, got %s",
                       sk_json_type_name(sk_json_type(doc)));
    if (find(doc, "Env", SK_JSON_ARRAY, "", &m->env_doc, err) < 0 ||
        expect_texts(m->env_doc, "Env", err) < 0 ||
        find(doc, "Image", SK_JSON_STRING, "", &ignored, err) < 0 ||
        find(doc, "Labels", SK_JSON_OBJECT, "", &ignored, err) < 0 ||
        find(doc, "NetworkingConfig", SK_JSON_OBJECT, "", &ignored, err) < 0 ||
        find(doc, "HostConfig", SK_JSON_OBJECT, "", &m->host_doc, err) < 0)
        return -1;
    if (m->c->labels &&
        (sk_json_parse(m->c->labels, strlen(m->c->labels), NULL, &m->more_labels, err) < 0 ||
         sk_json_type(m->more_labels) != SK_JSON_OBJECT))
        return sk_fail(err, SK_BUG, "labels of a container are no object");
    m->env = raw_member(text, "Env");
    m->labels = raw_member(text, "Labels");
    m->host_config = raw_member(text, "HostConfig");
    m->networking = raw_member(text, "NetworkingConfig");
    return 0;
}

/* ---- writing ---- */

static void separate(struct merge *m)
{
    if (!m->is_first)
        sk_buf_chr(m->out, ',');
    m->is_first = false;
}

static void put_raw(struct merge *m, const struct sk_docker_member *member)
{
    separate(m);
    if (member->key.len) {
        sk_buf_add(m->out, member->key.ptr, member->key.len);
        sk_buf_chr(m->out, ':');
    }
    sk_buf_add(m->out, member->value.ptr, member->value.len);
}

static void put_text(struct merge *m, const char *text)
{
    separate(m);
    sk_buf_json_str(m->out, text);
}

static void begin(struct merge *m, const char *name, char bracket)
{
    separate(m);
    if (name)
        sk_buf_fmt(m->out, "\"%s\":", name);
    sk_buf_chr(m->out, bracket);
    m->is_first = true;
}

static void end(struct merge *m, char bracket)
{
    sk_buf_chr(m->out, bracket);
    m->is_first = false;
}

static void put_all(struct merge *m, struct sk_view value)
{
    struct sk_docker_raw r = sk_docker_raw_of(value);
    struct sk_docker_member member;

    while (sk_docker_raw_next(&r, &member))
        put_raw(m, &member);
}

static bool is_one_of(const struct sk_docker_member *member, const char *const *names)
{
    for (; *names; names++)
        if (sk_docker_raw_is(member, *names))
            return true;
    return false;
}

/* All but those of the names (NULL-terminated). */
static void put_others(struct merge *m, struct sk_view object, const char *const *names)
{
    struct sk_docker_raw r = sk_docker_raw_of(object);
    struct sk_docker_member member;

    while (sk_docker_raw_next(&r, &member))
        if (!is_one_of(&member, names))
            put_raw(m, &member);
}

/* Whether the array has an entry of the same name, in front of the separator. */
static bool has_name(const struct sk_json *array, const char *entry, char separator)
{
    const char stop[] = { separator, '\0' };
    size_t len = strcspn(entry, stop);

    for (size_t i = 0; i < sk_json_count(array); i++) {
        const char *theirs = sk_json_text(sk_json_at(array, i), "");
        if (strcspn(theirs, stop) == len && strncmp(theirs, entry, len) == 0)
            return true;
    }
    return false;
}

static void put_env(struct merge *m)
{
    begin(m, "Env", '[');
    for (const char *const *e = m->c->env; e && *e; e++)
        if (!has_name(m->env_doc, *e, '='))
            put_text(m, *e);
    put_all(m, m->env);
    end(m, ']');
}

/* ---- labels ---- */

static bool is_our_label(const struct merge *m, const char *name)
{
    return strcmp(name, SK_DOCKER_OWNER_LABEL) == 0 || strcmp(name, "skerry.module") == 0 ||
           strcmp(name, "net.azure-devices.edge.original-image") == 0 ||
           sk_json_get(m->more_labels, name) != NULL;
}

static void put_label(struct merge *m, const char *name, const char *value)
{
    put_text(m, name);
    sk_buf_chr(m->out, ':');
    sk_buf_json_str(m->out, value);
}

/* The caller's labels may say it otherwise. */
static void put_default_label(struct merge *m, const char *name, const char *value)
{
    if (!sk_json_get(m->more_labels, name))
        put_label(m, name, value);
}

static void put_labels(struct merge *m)
{
    struct sk_docker_raw r = sk_docker_raw_of(m->labels);
    struct sk_docker_member member;
    char name[256];

    begin(m, "Labels", '{');
    while (sk_docker_raw_next(&r, &member)) {
        sk_docker_raw_text(member.key, name, sizeof name);
        if (!is_our_label(m, name))
            put_raw(m, &member);
    }
    put_default_label(m, SK_DOCKER_OWNER_LABEL, SK_DOCKER_OWNER);
    put_default_label(m, "net.azure-devices.edge.original-image", m->c->image);
    put_default_label(m, "skerry.module", m->c->module);
    for (void *it = sk_json_first(m->more_labels); it; it = sk_json_next(m->more_labels, it))
        put_label(m, sk_json_key(it), sk_json_text(sk_json_value(it), ""));
    end(m, '}');
}

/* ---- HostConfig ---- */

/* "5001/udp" and the like stay; a port without a protocol is TCP. */
static void put_bindings(struct merge *m, struct sk_view bindings)
{
    struct sk_docker_raw r = sk_docker_raw_of(bindings);
    struct sk_docker_member member;
    char port[64];

    begin(m, "PortBindings", '{');
    while (sk_docker_raw_next(&r, &member)) {
        sk_docker_raw_text(member.key, port, sizeof port);
        const char *slash = strchr(port, '/');
        if (slash && strcasecmp(slash, "/tcp") != 0)
            put_raw(m, &member);
    }
    end(m, '}');
}

static void put_list(struct merge *m, const char *name, struct sk_view theirs,
                     const struct sk_json *doc, const char *const *ours, char separator)
{
    if (theirs.len == 0 && (!ours || !*ours))
        return;
    begin(m, name, '[');
    put_all(m, theirs);
    for (; ours && *ours; ours++)
        if (!separator || !has_name(doc, *ours, separator))
            put_text(m, *ours);
    end(m, ']');
}

static void put_log_config(struct merge *m)
{
    /* Two files: one full, one that is written. */
    uint64_t kib = m->c->log_bytes / 2 / 1024;

    separate(m);
    sk_buf_fmt(m->out,
               "\"LogConfig\":{\"Type\":\"json-file\",\"Config\":{\"max-size\":\"%lluk\","
               "\"max-file\":\"2\"}}",
               (unsigned long long)(kib ? kib : 1));
}

static int put_host_config(struct merge *m, bool joins, struct sk_err *err)
{
    static const char *const supervised[] = { "Binds",       "ExtraHosts", "PortBindings",
                                              "NetworkMode", "LogConfig",  "RestartPolicy",
                                              "AutoRemove",  NULL };
    static const char *const handled[] = { "Binds",       "ExtraHosts", "PortBindings",
                                           "NetworkMode", "LogConfig",  NULL };
    const struct sk_json *binds, *hosts, *ports, *mode, *logs;
    const struct sk_json *doc = m->host_doc;

    if (find(doc, "Binds", SK_JSON_ARRAY, "HostConfig.", &binds, err) < 0 ||
        find(doc, "ExtraHosts", SK_JSON_ARRAY, "HostConfig.", &hosts, err) < 0 ||
        expect_texts(hosts, "HostConfig.ExtraHosts", err) < 0 ||
        find(doc, "PortBindings", SK_JSON_OBJECT, "HostConfig.", &ports, err) < 0 ||
        find(doc, "NetworkMode", SK_JSON_STRING, "HostConfig.", &mode, err) < 0 ||
        find(doc, "LogConfig", SK_JSON_OBJECT, "HostConfig.", &logs, err) < 0)
        return -1;
    begin(m, "HostConfig", '{');
    put_others(m, m->host_config, m->c->is_supervised ? supervised : handled);
    put_list(m, "Binds", raw_member(m->host_config, "Binds"), binds, m->c->binds, '\0');
    put_list(m, "ExtraHosts", raw_member(m->host_config, "ExtraHosts"), hosts, m->c->hosts, ':');
    if (ports && m->c->drop_port_bindings)
        put_bindings(m, raw_member(m->host_config, "PortBindings"));
    else if (ports)
        put_raw(m, &(struct sk_docker_member){ SK_VIEW("\"PortBindings\""),
                                               raw_member(m->host_config, "PortBindings") });
    if (joins || mode) {
        separate(m);
        sk_buf_str(m->out, "\"NetworkMode\":");
        sk_buf_json_str(m->out, joins ? m->c->network : sk_json_text(mode, ""));
    }
    if (logs)
        put_raw(m, &(struct sk_docker_member){ SK_VIEW("\"LogConfig\""),
                                               raw_member(m->host_config, "LogConfig") });
    else if (m->c->log_bytes)
        put_log_config(m);
    end(m, '}');
    return 0;
}

/* ---- the network ---- */

/* Whether the module leaves it to us which network it is in. */
static int wants_network(const struct merge *m, const struct sk_json *doc, bool *joins,
                         struct sk_err *err)
{
    const struct sk_json *networking, *endpoints, *mode;

    if (find(doc, "NetworkingConfig", SK_JSON_OBJECT, "", &networking, err) < 0 ||
        find(networking, "EndpointsConfig", SK_JSON_OBJECT, "NetworkingConfig.", &endpoints, err) <
            0 ||
        find(m->host_doc, "NetworkMode", SK_JSON_STRING, "HostConfig.", &mode, err) < 0)
        return -1;
    *joins = m->c->network && !sk_json_count(endpoints) && !sk_json_text(mode, "")[0];
    return 0;
}

static void put_networking(struct merge *m, bool joins)
{
    static const char *const handled[] = { "EndpointsConfig", NULL };

    if (!joins) {
        if (m->networking.len)
            put_raw(m,
                    &(struct sk_docker_member){ SK_VIEW("\"NetworkingConfig\""), m->networking });
        return;
    }
    begin(m, "NetworkingConfig", '{');
    put_others(m, m->networking, handled);
    begin(m, "EndpointsConfig", '{');
    put_text(m, m->c->network);
    sk_buf_str(m->out, ":{}");
    end(m, '}');
    end(m, '}');
}

/* ---- all ---- */

static int write_body(struct merge *m, const struct sk_json *doc, struct sk_view text,
                      struct sk_err *err)
{
    static const char *const handled[] = {
        "Image", "Env", "Labels", "HostConfig", "NetworkingConfig", NULL
    };
    bool joins = false;

    if (read_options(m, doc, text, err) < 0 || wants_network(m, doc, &joins, err) < 0)
        return -1;
    m->is_first = true;
    begin(m, NULL, '{');
    put_others(m, text, handled);
    separate(m);
    sk_buf_str(m->out, "\"Image\":");
    sk_buf_json_str(m->out, m->c->image);
    put_env(m);
    put_labels(m);
    if (put_host_config(m, joins, err) < 0)
        return -1;
    put_networking(m, joins);
    end(m, '}');
    return sk_buf_ok(m->out) ? 0 : sk_buf_fail(m->out, err);
}

int sk_docker_merge(const struct sk_docker_create *c, struct sk_buf *out, struct sk_err *err)
{
    const char *options = c->create_options ? c->create_options : "";
    options += sk_starts_with(options, "\xef\xbb\xbf") ? 3 : 0; /* the parser skips it, too */
    const struct sk_view text = sk_view_of(options[0] ? options : "{}");
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct merge m = { .c = c, .out = out };

    if (text.len > SK_DOCKER_OPTIONS_MAX)
        return sk_fail(err, SK_LIMIT, "createOptions have %zu bytes; at most %u are taken",
                       text.len, (unsigned)SK_DOCKER_OPTIONS_MAX);
    if (sk_json_parse(text.ptr, text.len, NULL, &doc, err) < 0)
        return sk_wrap(err, "createOptions");
    int rc = write_body(&m, doc, text, err);
    sk_json_free(m.more_labels);
    return rc;
}

int sk_docker_check(const struct sk_docker_create *c, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(SK_DOCKER_BODY_MAX);

    return sk_docker_merge(c, &body, err);
}
