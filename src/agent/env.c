/*
 * env.c - the environment of a module (azure-iot-protocol 3.4): what the manifest says, then what
 * IoT Edge's SDKs look for. An injected name wins over the manifest's env (the reference refuses
 * such a module for ever); createOptions.Env wins over both, as there.
 */
#include "agent/agent_priv.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>

enum {
    ENV_MAX = 512
};

struct env {
    char **items;
    size_t count;
};

void sk_agent_env_done(char **env)
{
    for (size_t i = 0; env && env[i]; i++)
        free(env[i]);
    free(env);
}

/* Replaces a variable of the same name. */
static int set(struct env *e, const char *name, const char *value, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_AGENT_FILE_MAX);
    size_t len = strlen(name);
    sk_buf_fmt(&b, "%s=", name);
    sk_buf_str(&b, value);
    sk_buf_chr(&b, '\0');
    if (!sk_buf_ok(&b))
        return sk_buf_fail(&b, err);
    for (size_t i = 0; i < e->count; i++)
        if (strncmp(e->items[i], b.data, len + 1) == 0) {
            free(e->items[i]);
            e->items[i] = sk_buf_take(&b);
            return 0;
        }
    if (e->count == ENV_MAX)
        return sk_fail(err, SK_LIMIT, "more than %d environment variables", ENV_MAX);
    e->items[e->count++] = sk_buf_take(&b);
    return 0;
}

static int set_manifest(struct env *e, const struct sk_agent_spec *spec, struct sk_err *err)
{
    const struct sk_json *env = sk_json_get(sk_json_get(spec->doc, "module"), "env");
    for (void *it = sk_json_first(env); it; it = sk_json_next(env, it)) {
        const char *name = sk_json_key(it);
        const struct sk_json *given = sk_json_get(sk_json_value(it), "value");
        char value[8192];
        if (!*name || strchr(name, '='))
            return sk_fail(err, SK_INVALID, "env.%.60s: no name of a variable", name);
        if (sk_json_type(given) == SK_JSON_STRING && sk_json_text_len(given) >= sizeof value)
            return sk_fail(err, SK_LIMIT, "env.%.60s: its value has more than %zu bytes", name,
                           sizeof value - 1);
        if (!sk_agent_spec_env(spec, sk_json_key(it), value, sizeof value))
            return sk_fail(err, SK_INVALID, "env.%s: its value is no text, number or boolean",
                           sk_json_key(it));
        if (set(e, sk_json_key(it), value, err) < 0)
            return -1;
    }
    return 0;
}

static int set_injected(struct env *e, struct sk_agent *a, const struct sk_agent_spec *spec,
                        const struct sk_runtime_image *image, const char *workload_socket,
                        const char *generation, struct sk_err *err)
{
    char uri[300];
    const char *gateway = a->config.gateway;
    bool is_local = sk_starts_with(gateway, "127.") || strcmp(gateway, "localhost") == 0;
    /* A container's loopback is its own: it gets the address of the bridge. */
    if (image->kind == SK_RUNTIME_DOCKER && is_local && *a->bridge)
        gateway = a->bridge;
    (void)snprintf(uri, sizeof uri, "unix://%s",
                   image->kind == SK_RUNTIME_DOCKER ? "/var/run/iotedge/workload.sock"
                                                    : workload_socket);

    const struct {
        const char *name, *value;
    } rows[] = {
        { "IOTEDGE_WORKLOADURI", uri },
        { "IOTEDGE_AUTHSCHEME", "sasToken" },
        { "IOTEDGE_MODULEGENERATIONID", generation },
        { "IOTEDGE_IOTHUBHOSTNAME", a->config.hub_name },
        { "IOTEDGE_DEVICEID", a->config.device },
        { "IOTEDGE_MODULEID", spec->name },
        { "IOTEDGE_APIVERSION", "2022-08-03" },
        { "IOTEDGE_GATEWAYHOSTNAME", gateway },
        { "SKERRY_MODEL_VERSION", spec->tag },
    };

    char text[32];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (sk_agent_spec_env(spec, rows[i].name, text, sizeof text))
            sk_log(SK_WARN, "env_overridden", "module=%s name=%s", spec->name, rows[i].name);
        if (set(e, rows[i].name, rows[i].value, err) < 0)
            return -1;
    }
    if (!sk_agent_spec_env(spec, "RuntimeLogLevel", text, sizeof text))
        return set(e, "RuntimeLogLevel", "info", err);
    return 0;
}

static int set_options(struct env *e, const struct sk_agent_spec *spec, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    if (sk_json_parse(spec->create_options, strlen(spec->create_options), NULL, &doc, err) < 0)
        return -1;
    const struct sk_json *env = sk_json_get(doc, "Env");
    for (size_t i = 0; i < sk_json_count(env); i++) {
        const char *text = sk_json_text(sk_json_at(env, i), "");
        const char *equals = strchr(text, '=');
        char name[256];
        if (!equals || equals == text || (size_t)(equals - text) >= sizeof name)
            return sk_fail(err, SK_INVALID, "createOptions.Env: '%.60s' is not NAME=value", text);
        memcpy(name, text, (size_t)(equals - text));
        name[equals - text] = '\0';
        if (set(e, name, equals + 1, err) < 0)
            return -1;
    }
    return 0;
}

int sk_agent_env(struct sk_agent *a, const struct sk_agent_spec *spec,
                 const struct sk_runtime_image *image, const char *workload_socket,
                 const char *generation, char ***out, struct sk_err *err)
{
    struct env e = { .items = calloc(ENV_MAX + 1, sizeof *e.items) };
    if (!e.items)
        return sk_nomem(err);
    if (set_manifest(&e, spec, err) < 0 ||
        set_injected(&e, a, spec, image, workload_socket, generation, err) < 0 ||
        set_options(&e, spec, err) < 0) {
        sk_agent_env_done(e.items);
        return -1;
    }
    *out = e.items;
    return 0;
}
