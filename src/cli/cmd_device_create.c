/* cmd_device_create.c - `skerry device create`: an identity of a device or module. */
#include "cli/cli_priv.h"
#include "cli/device_priv.h"
#include "cli/remote_priv.h"

#include <string.h>

struct args {
    const char *hub, *auth, *thumbprint, *secondary_thumbprint, *module, *parent;
    struct sk_opt_list tags;
    bool is_edge, is_disabled, json;
};

#define AT(field) .offset = offsetof(struct args, field)

/* clang-format off */
static const struct sk_opt options[] = {
    { "edge-enabled", 'e', SK_OPT_FLAG, NULL, "an edge device, which runs modules", AT(is_edge) },
    { "parent", 'p', SK_OPT_TEXT, "EDGE", "it connects through this edge device", AT(parent) },
    { "auth", 0, SK_OPT_CHOICE, "KIND", "sas: keys, made by the hub; x509-thumbprint: certificates by their SHA-256; x509-ca: a certificate of an authority that `hub device-ca` knows",
      .def = "sas", .choices = "sas|x509-thumbprint|x509-ca", AT(auth) },
    { "thumbprint", 0, SK_OPT_TEXT, "HEX", "SHA-256 of its certificate", AT(thumbprint) },
    { "secondary-thumbprint", 0, SK_OPT_TEXT, "HEX", "of the one that comes after it", AT(secondary_thumbprint) },
    { "module", 'm', SK_OPT_TEXT, "ID", "a module of the device, which is there, instead", AT(module) },
    { "tag", 't', SK_OPT_LIST, "KEY=VALUE", "a tag of its twin", AT(tags) },
    { "disabled", 0, SK_OPT_FLAG, NULL, "it may not connect yet", AT(is_disabled) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", AT(json) },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

/* clang-format on */

static int check(const struct args *a, struct sk_err *err)
{
    const bool has_prints = a->thumbprint || a->secondary_thumbprint;
    const bool wants_prints = strcmp(a->auth, "x509-thumbprint") == 0;

    if (wants_prints && !a->thumbprint)
        return sk_fail(err, SK_USAGE, "--auth x509-thumbprint: --thumbprint is missing");
    if (!wants_prints && has_prints)
        return sk_fail(err, SK_USAGE, "--thumbprint: it goes with --auth x509-thumbprint");
    if (a->module && (a->is_edge || a->is_disabled || a->parent || a->tags.count > 0))
        return sk_fail(err, SK_USAGE,
                       "--module: --edge-enabled, --parent, --disabled and --tag are of devices");
    return 0;
}

/* The scope of the parent: what says that a device is one of its. "" without a parent; free(). */
static int find_scope(struct sk_remote *r, const struct args *a, char **out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    SK_OWN(sk_json_free) struct sk_json *parent = NULL;
    const char *scope = "";

    if (a->parent) {
        if (sk_device_path("/devices/", a->parent, NULL, NULL, &path, err) < 0 ||
            sk_remote_call(r, "GET", path.data, NULL, &parent, err) < 0)
            return sk_wrap(err, "--parent");
        scope = sk_json_get_text(parent, "deviceScope", "");
        if (!*scope ||
            !sk_json_bool(sk_json_get(sk_json_get(parent, "capabilities"), "iotEdge"), false))
            return sk_fail(err, SK_INVALID, "--parent: '%s' is no edge device", a->parent);
    }
    *out = strdup(scope);
    return *out ? 0 : sk_nomem(err);
}

static void add_scope(const struct args *a, const char *scope, struct sk_buf *out)
{
    if (!*scope)
        return;
    sk_buf_str(out, a->is_edge ? ",\"parentScopes\":[" : ",\"deviceScope\":");
    sk_buf_json_str(out, scope);
    if (a->is_edge)
        sk_buf_chr(out, ']');
}

static void add_identity(const struct args *a, const char *device, const char *scope,
                         struct sk_buf *out)
{
    const char *type = strcmp(a->auth, "sas") == 0       ? "sas"
                       : strcmp(a->auth, "x509-ca") == 0 ? "certificateAuthority"
                                                         : "selfSigned";

    sk_buf_str(out, "{\"deviceId\":");
    sk_buf_json_str(out, device);
    if (a->module) {
        sk_buf_str(out, ",\"moduleId\":");
        sk_buf_json_str(out, a->module);
    } else {
        sk_buf_fmt(out, ",\"status\":\"%s\",\"capabilities\":{\"iotEdge\":%s}",
                   a->is_disabled ? "disabled" : "enabled", a->is_edge ? "true" : "false");
        add_scope(a, scope, out);
    }
    sk_buf_fmt(out, ",\"authentication\":{\"type\":\"%s\"", type);
    if (a->thumbprint) {
        sk_buf_str(out, ",\"x509Thumbprint\":{\"primaryThumbprint\":");
        sk_buf_json_str(out, a->thumbprint);
        sk_buf_str(out, ",\"secondaryThumbprint\":");
        sk_buf_json_str(out, a->secondary_thumbprint ? a->secondary_thumbprint : "");
        sk_buf_chr(out, '}');
    }
    sk_buf_str(out, "}}");
}

static int set_tags(struct sk_remote *r, const struct args *a, const char *device,
                    struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(SK_DEVICE_BODY_BYTES);

    if (a->tags.count == 0)
        return 0;
    sk_buf_str(&body, "{\"tags\":{");
    if (sk_device_pairs(&a->tags, "--tag", &body, err) < 0)
        return -1;
    sk_buf_str(&body, "}}");
    if (!sk_buf_ok(&body))
        return sk_buf_fail(&body, err);
    if (sk_device_path("/twins/", device, NULL, NULL, &path, err) < 0 ||
        sk_remote_call(r, "PATCH", path.data, body.data, NULL, err) < 0)
        return sk_wrap(err,
                       "device %s is created, but has no tags (set them with 'skerry twin update'; "
                       "'skerry device key' prints its connection string)",
                       device);
    return 0;
}

static int print(const struct args *a, const char *host, const struct sk_json *made,
                 struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf name = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);

    if (sk_device_connection(host, made, false, &text, err) < 0)
        return -1;
    if (a->json) {
        sk_buf_str(&out, "{\"deviceId\":");
        sk_buf_json_str(&out, sk_json_get_text(made, "deviceId", ""));
        sk_buf_str(&out, ",\"moduleId\":");
        sk_buf_json_str(&out, sk_json_get_text(made, "moduleId", ""));
        sk_buf_fmt(&out, ",\"auth\":\"%s\",\"connectionString\":", a->auth);
        sk_buf_json_str(&out, text.data);
        sk_buf_str(&out, "}\n");
        return sk_cli_print(&out, err);
    }
    sk_device_name(&name, sk_json_get_text(made, "deviceId", ""),
                   sk_json_get_text(made, "moduleId", ""));
    sk_buf_fmt(&out, "%s\n", text.data);
    if (!sk_buf_ok(&name))
        return sk_buf_fail(&name, err);
    (void)fprintf(stderr, "%s is created; its connection string:\n", name.data);
    return sk_cli_print(&out, err);
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_OWN(sk_json_free) struct sk_json *made = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(SK_DEVICE_BODY_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf tags = SK_BUF_INIT(SK_DEVICE_BODY_BYTES);
    SK_OWN(free) char *scope = NULL;
    char host[256];

    (void)count;
    /* The tags are looked at first, so that a wrong word creates nothing. */
    if (check(a, err) < 0 || sk_device_pairs(&a->tags, "--tag", &tags, err) < 0)
        return -1;
    if (sk_cli_remote(a->hub, &r, err) < 0 || sk_device_hub_name(r, host, err) < 0 ||
        find_scope(r, a, &scope, err) < 0)
        return -1;
    add_identity(a, operands[0], scope, &body);
    if (!sk_buf_ok(&body))
        return sk_buf_fail(&body, err);
    if (sk_device_path("/devices/", operands[0], a->module, NULL, &path, err) < 0 ||
        sk_remote_call(r, "PUT", path.data, body.data, &made, err) < 0 ||
        set_tags(r, a, operands[0], err) < 0)
        return -1;
    return print(a, host, made, err);
}

const struct sk_cmd sk_cli_device_create = {
    .name = "device create",
    .operands = "DEVICE",
    .summary = "Makes the identity of a device or module",
    .details = "The connection string, which the device SDKs take, is printed on standard output. "
               "Devices connect to the first host name of the hub; one with --parent to its edge "
               "device: add ;GatewayHostName=NAME to the string, and trust that device's CA.",
    .examples = "skerry device create line-3 --tag site=north # one that sends messages\n"
                "skerry device create cell-7 --edge-enabled # one that runs modules\n"
                "skerry device create cam-2 --parent cell-7 # one that connects through it\n"
                "skerry device create line-3 --module filter # a module of it\n"
                "skerry device create cam-1 --auth x509-ca # by its certificate\n",
    .options = options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
