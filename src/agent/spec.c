/*
 * spec.c - what a deployment says of its modules (azure-iot-protocol 4.2 to 4.4).
 *
 * A spec is the module's object of the manifest with its name and the credentials of its registry:
 * all that is needed to start it again without the deployment. Two specs with one hash are run by
 * one instance; what is not in the hash (status, restartPolicy, startupOrder, imagePullPolicy) may
 * change under it.
 */
#include "agent/agent_priv.h"

#include "base/limits.h"
#include "iot/iot.h"
#include "manifest/manifest.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char *const policies[SK_POLICY_COUNT] = { "never", "on-failure", "on-unhealthy",
                                                       "always" };
/* Not part of what makes another instance. */
static const char *const outside[] = { "status", "restartPolicy", "startupOrder",
                                       "imagePullPolicy" };

const char *sk_agent_policy_name(enum sk_agent_policy p)
{
    return policies[p];
}

/* ---- the text ---- */

static bool is_outside(const char *key)
{
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        if (strcmp(key, outside[i]) == 0)
            return true;
    return false;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(sk_json_key(*(void *const *)a), sk_json_key(*(void *const *)b));
}

/* Members in the order of their names, so that equal objects have equal texts. */
static int put_sorted(struct sk_buf *b, const struct sk_json *v, bool is_top, struct sk_err *err)
{
    if (sk_json_type(v) == SK_JSON_ARRAY) {
        sk_buf_chr(b, '[');
        for (size_t i = 0; i < sk_json_count(v); i++) {
            if (i > 0)
                sk_buf_chr(b, ',');
            if (put_sorted(b, sk_json_at(v, i), false, err) < 0)
                return -1;
        }
        sk_buf_chr(b, ']');
        return 0;
    }
    if (sk_json_type(v) != SK_JSON_OBJECT) {
        sk_json_dump(v, b);
        return 0;
    }
    SK_OWN(free) void **members = calloc(sk_json_count(v) + 1, sizeof *members);
    size_t count = 0;
    if (!members)
        return sk_nomem(err);
    for (void *it = sk_json_first(v); it; it = sk_json_next(v, it))
        if (!is_top || !is_outside(sk_json_key(it)))
            members[count++] = it;
    qsort(members, count, sizeof *members, by_key);
    sk_buf_chr(b, '{');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            sk_buf_chr(b, ',');
        sk_buf_json_str(b, sk_json_key(members[i]));
        sk_buf_chr(b, ':');
        if (put_sorted(b, sk_json_value(members[i]), false, err) < 0)
            return -1;
    }
    sk_buf_chr(b, '}');
    return 0;
}

/* ---- reading ---- */

static int read_enum(const struct sk_json *m, const char *key, const char *const *names,
                     size_t count, unsigned *out, struct sk_err *err)
{
    const char *text = NULL;
    if (sk_json_want_text(m, key, &text, err) < 0)
        return -1;
    if (!text)
        return 0;
    for (unsigned i = 0; i < count; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = i;
            return 0;
        }
    return sk_fail(err, SK_INVALID, "'%s': '%s' is none of its values", key, text);
}

static int read_fields(struct sk_agent_spec *s, const struct sk_json *m, struct sk_err *err)
{
    static const char *const statuses[] = { "stopped", "running" };
    static const char *const pulls[] = { "never", "on-create" };
    unsigned status = 1, pull = 1, policy = SK_POLICY_ON_UNHEALTHY;
    int64_t order = UINT32_MAX;
    const struct sk_json *settings = NULL;
    if (read_enum(m, "status", statuses, 2, &status, err) < 0 ||
        read_enum(m, "imagePullPolicy", pulls, 2, &pull, err) < 0 ||
        read_enum(m, "restartPolicy", policies, SK_POLICY_COUNT, &policy, err) < 0 ||
        sk_json_want_int(m, "startupOrder", 0, UINT32_MAX, &order, err) < 0 ||
        sk_json_want_object(m, "settings", &settings, err) < 0 ||
        sk_json_want_text(settings, "image", &s->image, err) < 0)
        return -1;
    if (!s->image || !*s->image)
        return sk_fail(err, SK_INVALID, "settings.image is missing");
    s->version = sk_json_get_text(m, "version", "");
    s->is_running = status == 1;
    s->may_pull = pull == 1;
    s->policy = (enum sk_agent_policy)policy;
    s->order = (uint32_t)order;
    SK_AUTO(sk_buf_done) struct sk_buf options = SK_BUF_INIT(SK_AGENT_FILE_MAX);
    if (sk_manifest_create_options(settings, &options, err) < 0)
        return -1;
    sk_buf_chr(&options, '\0');
    if (!sk_buf_ok(&options))
        return sk_buf_fail(&options, err);
    s->create_options = sk_buf_take(&options);
    return 0;
}

/* Behind the last '/' the tag is what follows ':'; a digest stands for itself. */
static void set_tag(struct sk_agent_spec *s)
{
    const char *slash = strrchr(s->image, '/');
    const char *name = slash ? slash + 1 : s->image;
    const char *at = strchr(name, '@');
    const char *colon = strchr(name, ':');
    if (colon && (!at || colon < at))
        (void)snprintf(s->tag, sizeof s->tag, "%.*s", (int)(at ? at - colon - 1 : 128), colon + 1);
    else
        (void)snprintf(s->tag, sizeof s->tag, "%.128s", at ? at + 1 : "latest");
}

static int read_auths(struct sk_agent_spec *s, struct sk_err *err)
{
    const struct sk_json *all = sk_json_get(s->doc, "auth");
    for (void *it = sk_json_first(all); it; it = sk_json_next(all, it)) {
        const struct sk_json *v = sk_json_value(it);
        struct sk_runtime_auth *a = &s->auths.items[s->auths.count];
        if (s->auths.count == sizeof s->auths.items / sizeof *s->auths.items)
            return sk_fail(err, SK_LIMIT, "more than %zu registryCredentials", s->auths.count);
        a->username = sk_json_get_text(v, "username", NULL);
        a->password = sk_json_get_text(v, "password", NULL);
        a->address = sk_json_get_text(v, "address", NULL);
        if (!a->username || !a->password || !a->address)
            return sk_fail(err, SK_INVALID,
                           "registryCredentials.%s needs username, password and address",
                           sk_json_key(it));
        s->auths.count++;
    }
    return 0;
}

int sk_agent_spec_parse(const char *text, size_t len, struct sk_agent_spec **out,
                        struct sk_err *err)
{
    SK_OWN(sk_agent_spec_unref) struct sk_agent_spec *s = calloc(1, sizeof *s);
    SK_AUTO(sk_buf_done) struct sk_buf sorted = SK_BUF_INIT(SK_AGENT_FILE_MAX);
    if (!s)
        return sk_nomem(err);
    atomic_init(&s->refs, 1);
    if (!(s->text = strndup(text, len)))
        return sk_nomem(err);
    if (sk_json_parse(text, len, NULL, &s->doc, err) < 0)
        return -1;
    const struct sk_json *m = sk_json_get(s->doc, "module");
    s->name = sk_json_get_text(s->doc, "name", "");
    if (sk_json_type(m) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "expected an object");
    if (read_fields(s, m, err) < 0 || read_auths(s, err) < 0 ||
        put_sorted(&sorted, m, true, err) < 0)
        return -1;
    set_tag(s);
    if (!sk_buf_ok(&sorted))
        return sk_buf_fail(&sorted, err);
    if (sk_sha256_hex(sorted.data, sorted.len, s->hash, err) < 0)
        return -1;
    *out = SK_TAKE(s);
    return 0;
}

int sk_agent_spec_new(const char *name, const struct sk_json *module,
                      const struct sk_json *credentials, struct sk_agent_spec **out,
                      struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_AGENT_FILE_MAX);
    sk_buf_str(&b, "{\"name\":");
    sk_buf_json_str(&b, name);
    sk_buf_str(&b, ",\"module\":");
    sk_json_dump(module, &b);
    if (sk_json_type(credentials) == SK_JSON_OBJECT) {
        sk_buf_str(&b, ",\"auth\":");
        sk_json_dump(credentials, &b);
    }
    sk_buf_chr(&b, '}');
    if (!sk_buf_ok(&b))
        return sk_buf_fail(&b, err);
    if (sk_agent_spec_parse(b.data, b.len, out, err) < 0)
        return sk_wrap(err, "module '%s'", name);
    return 0;
}

struct sk_agent_spec *sk_agent_spec_ref(struct sk_agent_spec *s)
{
    if (s)
        (void)atomic_fetch_add(&s->refs, 1);
    return s;
}

void sk_agent_spec_unref(struct sk_agent_spec *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    sk_json_free(s->doc);
    if (s->text)
        explicit_bzero(s->text, strlen(s->text));
    free(s->text);
    free(s->create_options);
    free(s);
}

const char *sk_agent_spec_env(const struct sk_agent_spec *s, const char *name, char *out,
                              size_t cap)
{
    const struct sk_json *env = sk_json_get(sk_json_get(s->doc, "module"), "env");
    const struct sk_json *v = sk_json_get(sk_json_get(env, name), "value");
    switch (sk_json_type(v)) {
    case SK_JSON_STRING:
        (void)snprintf(out, cap, "%s", sk_json_text(v, ""));
        return out;
    case SK_JSON_INT:
        (void)snprintf(out, cap, "%lld", (long long)sk_json_int(v, 0));
        return out;
    case SK_JSON_REAL:
        (void)snprintf(out, cap, "%.17g", sk_json_num(v, 0));
        return out;
    case SK_JSON_BOOL:
        (void)snprintf(out, cap, "%s", sk_json_bool(v, false) ? "true" : "false");
        return out;
    default:
        return NULL;
    }
}

const struct sk_runtime_auth *sk_agent_spec_auth(const struct sk_agent_spec *s)
{
    const char *slash = strchr(s->image, '/');
    size_t len = slash ? (size_t)(slash - s->image) : 0;
    for (size_t i = 0; i < s->auths.count; i++) {
        const char *address = s->auths.items[i].address;
        if (sk_starts_with(address, "https://"))
            address += strlen("https://");
        size_t address_len = strcspn(address, "/");
        bool is_docker = strncmp(address, "docker.io", 9) == 0 ||
                         strncmp(address, "index.docker.io", 15) == 0;
        bool has_host = len > 0 && (memchr(s->image, '.', len) || memchr(s->image, ':', len) ||
                                    strncmp(s->image, "localhost/", 10) == 0);
        if (has_host ? address_len == len && strncasecmp(address, s->image, len) == 0 : is_docker)
            return &s->auths.items[i];
    }
    return NULL;
}

/* ---- a deployment ---- */

static int check_schema(const struct sk_json *desired, struct sk_err *err)
{
    const char *schema = sk_json_get_text(desired, "schemaVersion", NULL);
    if (!schema)
        return sk_fail(err, SK_INVALID, "schemaVersion is missing");
    if (strcmp(schema, "1.0") != 0 && strcmp(schema, "1.1") != 0 && strcmp(schema, "1.1.0") != 0)
        return sk_fail(err, SK_UNSUPPORTED, "schemaVersion '%s' is none of 1.0 and 1.1", schema);
    return 0;
}

int sk_agent_plan_parse(const struct sk_json *desired, struct sk_agent_plan *out,
                        struct sk_err *err)
{
    memset(out, 0, sizeof *out);
    out->version = sk_json_int(sk_json_get(desired, "$version"), -1);
    const struct sk_json *modules = NULL;
    const struct sk_json *settings = sk_json_get(sk_json_get(desired, "runtime"), "settings");
    if (!sk_json_get(desired, "schemaVersion") && !sk_json_get(desired, "modules"))
        return sk_fail(err, SK_NOT_FOUND, "The device's deployment configuration is not set");
    if (check_schema(desired, err) < 0 ||
        sk_json_want_object(desired, "modules", &modules, err) < 0)
        return -1;
    for (void *it = sk_json_first(modules); it; it = sk_json_next(modules, it)) {
        int rc = 0;
        if (sk_json_type(sk_json_value(it)) == SK_JSON_NULL)
            continue;
        if (!sk_iot_id_valid(sk_view_of(sk_json_key(it))) || *sk_json_key(it) == '$')
            rc = sk_fail(err, SK_INVALID, "'%.140s' is no module's name", sk_json_key(it));
        else if (out->count == SK_AGENT_MODULES_MAX)
            rc = sk_fail(err, SK_LIMIT, "more than %d modules", SK_AGENT_MODULES_MAX);
        else
            rc = sk_agent_spec_new(sk_json_key(it), sk_json_value(it),
                                   sk_json_get(settings, "registryCredentials"),
                                   &out->specs[out->count], err);
        if (rc < 0) {
            sk_agent_plan_done(out);
            return -1;
        }
        out->count++;
    }
    return 0;
}

void sk_agent_plan_done(struct sk_agent_plan *p)
{
    for (size_t i = 0; i < p->count; i++)
        sk_agent_spec_unref(p->specs[i]);
    p->count = 0;
}
