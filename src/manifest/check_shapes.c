/*
 * check_shapes.c - what $edgeAgent and $edgeHub may hold, as tables, and the walk along them.
 *
 * The tables follow the JSON schemas 1.0 to 1.3. A shape without members and without `each` lets
 * anything in: createOptions, mqttBroker, the twins of custom modules. A dotted path of a layer is
 * followed through the tables (sk_shape_at) and its value compared with what lies there.
 */
#include "manifest/manifest_priv.h"
#include "manifest/route_priv.h"

#include <stdio.h>
#include <string.h>

#define TEXT   (1u << SK_JSON_STRING)
#define INT    (1u << SK_JSON_INT)
#define NUMBER (INT | 1u << SK_JSON_REAL)
#define BOOL   (1u << SK_JSON_BOOL)
#define OBJECT (1u << SK_JSON_OBJECT)
#define ANY    (~0u)

enum {
    AGENT_MINOR_MAX = 1,
    HUB_MINOR_MAX = 3,
    NAMES_MAX = 32 /* members of one shape */
};

static void check_image(struct sk_check *c, const struct sk_json *v);
static void check_settings(struct sk_check *c, const struct sk_json *v);
static void check_agent_version(struct sk_check *c, const struct sk_json *v);
static void check_hub_version(struct sk_check *c, const struct sk_json *v);
static void check_route(struct sk_check *c, const struct sk_json *v);
static void check_route_text(struct sk_check *c, const struct sk_json *v);

/* ---- tables ---- */

static const char *const types[] = { "docker", NULL };
static const char *const statuses[] = { "running", "stopped", NULL };
static const char *const restarts[] = { "always", "never", "on-failure", "on-unhealthy", NULL };
static const char *const pulls[] = { "on-create", "never", NULL };

static const struct sk_shape any = { .types = ANY };
static const struct sk_shape text = { .types = TEXT };
static const struct sk_shape object = { .types = OBJECT };
static const struct sk_shape type = { .types = TEXT, .values = types };
static const struct sk_shape status = { .types = TEXT, .values = statuses };
static const struct sk_shape restart = { .types = TEXT, .values = restarts };
static const struct sk_shape pull = { .types = TEXT, .values = pulls };
static const struct sk_shape order = { .types = INT, .min = 0, .max = 4294967295 };
static const struct sk_shape seconds = { .types = INT, .min = 0, .max = 4294967295 };
static const struct sk_shape priority = { .types = INT, .min = 0, .max = 9 };
static const struct sk_shape image = { .types = TEXT, .also = check_image };
static const struct sk_shape create = { .types = TEXT | OBJECT };

static const struct sk_shape env_value = { .types = TEXT | NUMBER | BOOL };
/* Nothing in a variable is unknown, see check_members(). */
static const struct sk_member env_members[] = {
    { "value", &env_value, SK_NEED_MUST },
    { NULL, NULL, SK_NEED_NOT },
};
static const struct sk_shape env_entry = { .types = OBJECT, .members = env_members };
static const struct sk_shape env = { .types = OBJECT, .each = &env_entry };

static const struct sk_member settings_members[] = {
    { "image", &image, SK_NEED_MUST },
    { "createOptions", &create, SK_NEED_NOT },
    { "digest", &text, SK_NEED_NOT },
    { NULL, NULL, SK_NEED_NOT },
};
static const struct sk_shape settings = {
    .types = OBJECT, .members = settings_members, .has_chunks = true, .also = check_settings
};

static const struct sk_member configuration_members[] = {
    { "id", &text, SK_NEED_NOT },
    { NULL, NULL, SK_NEED_NOT },
};
static const struct sk_shape configuration = { .types = OBJECT, .members = configuration_members };

static const struct sk_member module_members[] = {
    { "type", &type, SK_NEED_MUST },
    { "settings", &settings, SK_NEED_MUST },
    { "status", &status, SK_NEED_MUST },
    { "restartPolicy", &restart, SK_NEED_NOT },
    { "imagePullPolicy", &pull, SK_NEED_NOT },
    { "startupOrder", &order, SK_NEED_NOT },
    { "version", &text, SK_NEED_NOT },
    { "env", &env, SK_NEED_NOT },
    { "configuration", &configuration, SK_NEED_NOT },
    { NULL, NULL, SK_NEED_NOT },
};
static const struct sk_shape module = { .types = OBJECT, .members = module_members };
static const struct sk_shape modules = { .types = OBJECT, .each = &module, .are_modules = true };

static const struct sk_member agent_itself_members[] = {
    { "type", &type, SK_NEED_MUST },
    { "settings", &settings, SK_NEED_MUST },
    { "env", &env, SK_NEED_NOT },
    { "imagePullPolicy", &pull, SK_NEED_NOT },
    { "configuration", &configuration, SK_NEED_NOT },
    { NULL, NULL, SK_NEED_NOT },
};
static const struct sk_shape agent_itself = { .types = OBJECT, .members = agent_itself_members };

static const struct sk_member hub_itself_members[] = {
    { "type", &type, SK_NEED_MUST },
    { "settings", &settings, SK_NEED_MUST },
    { "status", &status, SK_NEED_NOT },
    { "restartPolicy", &restart, SK_NEED_NOT },
    { "imagePullPolicy", &pull, SK_NEED_NOT },
    { "startupOrder", &order, SK_NEED_NOT },
    { "version", &text, SK_NEED_NOT },
    { "env", &env, SK_NEED_NOT },
    { "configuration", &configuration, SK_NEED_NOT },
    { NULL, NULL, SK_NEED_NOT },
};
static const struct sk_shape hub_itself = { .types = OBJECT, .members = hub_itself_members };

static const struct sk_member system_members[] = {
    { "edgeAgent", &agent_itself, SK_NEED_BASE },
    { "edgeHub", &hub_itself, SK_NEED_BASE },
    { NULL, NULL, SK_NEED_NOT },
};
static const struct sk_shape system_modules = { .types = OBJECT, .members = system_members };

static const struct sk_member credential_members[] = {
    { "address", &text, SK_NEED_MUST },
    { "username", &text, SK_NEED_MUST },
    { "password", &text, SK_NEED_MUST },
    { NULL, NULL, SK_NEED_NOT },
};
static const struct sk_shape credential = { .types = OBJECT, .members = credential_members };
static const struct sk_shape credentials = { .types = OBJECT, .each = &credential };

static const struct sk_member runtime_settings_members[] = {
    { "minDockerVersion", &text, SK_NEED_NOT },
    { "loggingOptions", &text, SK_NEED_NOT },
    { "registryCredentials", &credentials, SK_NEED_NOT },
    { NULL, NULL, SK_NEED_NOT },
};
static const struct sk_shape runtime_settings = { .types = OBJECT,
                                                  .members = runtime_settings_members };
static const struct sk_member runtime_members[] = {
    { "type", &type, SK_NEED_MUST },
    { "settings", &runtime_settings, SK_NEED_NOT },
    { NULL, NULL, SK_NEED_NOT },
};
static const struct sk_shape runtime = { .types = OBJECT, .members = runtime_members };
static const struct sk_shape agent_version = { .types = TEXT, .also = check_agent_version };

static const struct sk_member agent_members[] = {
    { "schemaVersion", &agent_version, SK_NEED_BASE },
    { "runtime", &runtime, SK_NEED_BASE },
    { "systemModules", &system_modules, SK_NEED_BASE },
    { "modules", &modules, SK_NEED_NOT },
    { "$version", &any, SK_NEED_NOT },
    { "$metadata", &any, SK_NEED_NOT },
    { NULL, NULL, SK_NEED_NOT },
};
const struct sk_shape sk_shape_agent = { .types = OBJECT, .members = agent_members };

static const struct sk_shape route_text = { .types = TEXT, .also = check_route_text };
static const struct sk_member route_members[] = {
    { "route", &route_text, SK_NEED_MUST },
    { "priority", &priority, SK_NEED_NOT },
    { "timeToLiveSecs", &seconds, SK_NEED_NOT },
    { NULL, NULL, SK_NEED_NOT },
};
static const struct sk_shape route = { .types = TEXT | OBJECT,
                                       .members = route_members,
                                       .also = check_route };
static const struct sk_shape routes = { .types = OBJECT, .each = &route };

static const struct sk_shape any_int = { .types = INT };
static const struct sk_member limits_members[] = {
    { "maxSizeBytes", &any_int, SK_NEED_NOT },
    { NULL, NULL, SK_NEED_NOT },
};
static const struct sk_shape store_limits = { .types = OBJECT, .members = limits_members };
static const struct sk_member store_members[] = {
    { "timeToLiveSecs", &any_int, SK_NEED_NOT },
    { "storeLimits", &store_limits, SK_NEED_NOT },
    { NULL, NULL, SK_NEED_NOT },
};
static const struct sk_shape store = { .types = OBJECT, .members = store_members };
static const struct sk_shape hub_version = { .types = TEXT, .also = check_hub_version };

static const struct sk_member hub_members[] = {
    { "schemaVersion", &hub_version, SK_NEED_BASE },
    { "routes", &routes, SK_NEED_WISH },
    { "storeAndForwardConfiguration", &store, SK_NEED_WISH },
    { "mqttBroker", &object, SK_NEED_NOT },
    { "integrity", &object, SK_NEED_NOT },
    { "$version", &any, SK_NEED_NOT },
    { "$metadata", &any, SK_NEED_NOT },
    { NULL, NULL, SK_NEED_NOT },
};
const struct sk_shape sk_shape_hub = { .types = OBJECT, .members = hub_members };
const struct sk_shape sk_shape_custom = { .types = OBJECT };

/* ---- the walk ---- */

static const struct sk_member *member_of(const struct sk_shape *shape, const char *key)
{
    for (const struct sk_member *m = shape->members; m && m->name; m++)
        if (strcmp(m->name, key) == 0)
            return m;
    return NULL;
}

const struct sk_shape *sk_shape_at(const struct sk_shape *shape, const char *key)
{
    const struct sk_member *m = member_of(shape, key);

    if (m)
        return m->shape;
    if (shape->has_chunks && sk_manifest_chunk_of(key))
        return &create;
    return shape->members ? NULL : shape->each ? shape->each : &any;
}

static void say_type(struct sk_check *c, unsigned wanted, const struct sk_json *v)
{
    static const struct {
        unsigned bits;
        const char *name;
    } names[] = {
        { TEXT, "a string" },  { INT, "an integer" },   { 1u << SK_JSON_REAL, "a number" },
        { BOOL, "a boolean" }, { OBJECT, "an object" }, { 1u << SK_JSON_ARRAY, "an array" },
    };

    char list[96];
    size_t len = 0;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (wanted & names[i].bits)
            len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", len ? " or " : "",
                                    names[i].name);
    sk_check_error(c, SK_INVALID, "expected %s, got %s", list, sk_json_type_name(sk_json_type(v)));
}

static void check_value(struct sk_check *c, const struct sk_shape *shape, const struct sk_json *v)
{
    const char *word = sk_json_text(v, ""), *near;
    char list[128];
    size_t len = 0;

    if (sk_json_type(v) == SK_JSON_INT && shape->min != shape->max) {
        int64_t n = sk_json_int(v, 0);

        if (n < shape->min || n > shape->max)
            sk_check_error(c, SK_INVALID, "%lld is not between %lld and %lld", (long long)n,
                           (long long)shape->min, (long long)shape->max);
    }
    if (!shape->values)
        return;
    for (const char *const *name = shape->values; *name; name++) {
        if (strcmp(*name, word) == 0)
            return;
        len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", len ? ", " : "", *name);
    }
    if (!sk_check_listens(c, true))
        return;
    near = sk_check_nearest(word, shape->values);
    sk_check_error(c, SK_INVALID, "'%.64s' is not known here, there is %s%s%s%s", word, list,
                   near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

void sk_shape_unknown(struct sk_check *c, const struct sk_shape *shape, const char *key)
{
    const char *names[NAMES_MAX + 1], *near;
    size_t count = 0;

    if (!sk_check_listens(c, false))
        return;
    for (const struct sk_member *m = shape->members; m->name && count < NAMES_MAX; m++)
        names[count++] = m->name;
    names[count] = NULL;
    near = sk_check_nearest(key, names);
    if (near)
        sk_check_warn(c, "unknown field; did you mean '%s'?", near);
    else
        sk_check_warn(c, "unknown field, it has no effect");
}

static void check_members(struct sk_check *c, const struct sk_shape *shape, const struct sk_json *v)
{
    for (const struct sk_member *m = shape->members; m->name; m++) {
        bool must = m->need == SK_NEED_MUST || (m->need == SK_NEED_BASE && !c->opts->is_layered);

        if (sk_json_type(sk_json_get(v, m->name)) != SK_JSON_NULL)
            continue;
        if (must)
            sk_check_error(c, SK_INVALID, "'%s' is missing", m->name);
        else if (m->need == SK_NEED_WISH && !c->opts->is_layered)
            sk_check_warn(c, "'%s' is missing", m->name);
    }
    for (void *it = sk_json_first(v); it; it = sk_json_next(v, it)) {
        size_t mark = sk_check_enter(c, sk_json_key(it));
        const struct sk_shape *at = sk_shape_at(shape, sk_json_key(it));

        if (at && sk_json_type(sk_json_value(it)) != SK_JSON_NULL)
            sk_shape_check(c, at, sk_json_value(it));
        else if (!at && shape != &env_entry)
            sk_shape_unknown(c, shape, sk_json_key(it));
        sk_check_leave(c, mark);
    }
}

static void check_entries(struct sk_check *c, const struct sk_shape *shape, const struct sk_json *v)
{
    for (void *it = sk_json_first(v); it; it = sk_json_next(v, it)) {
        size_t mark = sk_check_enter(c, sk_json_key(it));

        if (shape->are_modules && !sk_manifest_is_module_name(sk_json_key(it)))
            sk_check_error(c, SK_INVALID,
                           "a module's name has only letters, digits, _ and -, at most %d",
                           SK_MANIFEST_NAME_MAX);
        if (sk_json_type(sk_json_value(it)) != SK_JSON_NULL)
            sk_shape_check(c, shape->each, sk_json_value(it));
        sk_check_leave(c, mark);
    }
}

void sk_shape_check(struct sk_check *c, const struct sk_shape *shape, const struct sk_json *v)
{
    enum sk_json_type is = sk_json_type(v);

    if (!(shape->types & (1u << is))) {
        say_type(c, shape->types, v);
        return;
    }
    check_value(c, shape, v);
    if (is == SK_JSON_OBJECT && shape->members)
        check_members(c, shape, v);
    else if (is == SK_JSON_OBJECT && shape->each)
        check_entries(c, shape, v);
    if (shape->also)
        shape->also(c, v);
}

/* ---- what tables cannot say ---- */

static void check_image(struct sk_check *c, const struct sk_json *v)
{
    const char *name = sk_json_text(v, "");

    if (!*name)
        sk_check_error(c, SK_INVALID, "the name of an image is empty");
    else if (strstr(name, "${"))
        sk_check_error(c, SK_INVALID,
                       "'%.100s' has a placeholder of a template; deploy the generated manifest",
                       name);
    else if (strpbrk(name, " \t\r\n"))
        sk_check_error(c, SK_INVALID, "'%.100s': the name of an image has no spaces", name);
    else if (c->opts->has_image && c->opts->has_image(c->opts->ctx, name) == 0)
        sk_check_warn(c, "the registry has no image '%.200s'; push it before devices need it",
                      name);
}

static void check_settings(struct sk_check *c, const struct sk_json *v)
{
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(SK_MANIFEST_CREATE_MAX);
    struct sk_err why = SK_ERR_INIT;

    if (sk_manifest_create_options(v, &body, &why) < 0)
        sk_check_error(c, why.code == SK_NOMEM ? SK_NOMEM : SK_INVALID, "%s", why.text);
}

/* "1", "1.0", "1.1.0": the minor version, -1 for what is none of 1. */
static int minor_of(const char *version)
{
    int minor = 0;

    if (version[0] != '1' || strspn(version, "0123456789.") != strlen(version))
        return -1;
    if (!version[1])
        return 0;
    if (version[1] != '.' || strlen(version) > 10)
        return -1;
    for (version += 2; *version && *version != '.'; version++)
        minor = minor * 10 + (*version - '0');
    return minor;
}

static int check_version(struct sk_check *c, const struct sk_json *v, int minor_max)
{
    const char *version = sk_json_text(v, "");
    int minor = minor_of(version);

    if (minor < 0 || minor > minor_max)
        sk_check_error(c, SK_INVALID, "schema version '%.20s' is not known, there is 1.0 to 1.%d",
                       version, minor_max);
    return minor;
}

static void check_agent_version(struct sk_check *c, const struct sk_json *v)
{
    (void)check_version(c, v, AGENT_MINOR_MAX);
}

static void check_hub_version(struct sk_check *c, const struct sk_json *v)
{
    c->hub_minor = check_version(c, v, HUB_MINOR_MAX);
}

static void check_route_text(struct sk_check *c, const struct sk_json *v)
{
    SK_OWN(sk_route_free) struct sk_route *r = NULL;
    const char *source = sk_json_text(v, "");
    struct sk_err why = SK_ERR_INIT;

    /* An empty one turns a route off. */
    if (source[strspn(source, " \t\r\n")] && sk_route_parse(source, &r, &why) < 0) {
        sk_check_lines(c, &why);
        return;
    }
    if (r && memchr(r->prefix, '*', r->prefix_len))
        sk_check_warn(c, "a * stands for anything only at the end of a source");
}

static void check_route(struct sk_check *c, const struct sk_json *v)
{
    if (sk_json_type(v) == SK_JSON_STRING)
        check_route_text(c, v);
    else if (c->hub_minor == 0)
        sk_check_warn(c, "a route as object needs schemaVersion 1.1 or above");
}
