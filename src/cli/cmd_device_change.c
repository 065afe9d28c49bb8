/* cmd_device_change.c - `skerry device delete`, `enable`, `disable`, `key`. */
#include "cli/cli_priv.h"
#include "cli/device_priv.h"
#include "cli/remote_priv.h"
#include "crypto/crypto.h"

#include <string.h>

struct args {
    const char *hub, *module, *renew;
    bool yes, json;
};

#define AT(field) .offset = offsetof(struct args, field)

enum {
    KEY_BYTES = 32
};

/* clang-format off */
static const struct sk_opt plain_options[] = {
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

static const struct sk_opt delete_options[] = {
    { "module", 'm', SK_OPT_TEXT, "ID", "this module of it only", AT(module) },
    { "yes", 'y', SK_OPT_FLAG, NULL, "do not ask", AT(yes) },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

static const struct sk_opt key_options[] = {
    { "module", 'm', SK_OPT_TEXT, "ID", "of this module of it", AT(module) },
    { "renew", 0, SK_OPT_CHOICE, "KEY", "put a new key in its place first; what still uses the old one is disconnected", .choices = "primary|secondary", AT(renew) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", AT(json) },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

/* clang-format on */

static int say(const char *device, const char *module, const char *what, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);

    sk_device_name(&out, device, module);
    sk_buf_fmt(&out, " %s\n", what);
    return sk_cli_print(&out, err);
}

/* ---- delete ---- */

static int ask(const char *device, const char *module, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf name = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    char answer[16];

    sk_device_name(&name, device, module);
    if (!sk_buf_ok(&name))
        return sk_buf_fail(&name, err);
    if (!isatty(STDIN_FILENO))
        return sk_fail(err, SK_USAGE, "--yes is needed where nobody can be asked");
    (void)fprintf(stderr, "delete %s%s? This cannot be undone. [y/N] ", name.data,
                  module ? "" : " with its twin and modules");
    if (!fgets(answer, sizeof(answer), stdin) || (answer[0] != 'y' && answer[0] != 'Y'))
        return sk_fail(err, SK_CANCELLED, "nothing was deleted");
    return 0;
}

static int run_delete(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);

    (void)count;
    if (sk_device_path("/devices/", operands[0], a->module, NULL, &path, err) < 0 ||
        (!a->yes && ask(operands[0], a->module, err) < 0) || sk_cli_remote(a->hub, &r, err) < 0 ||
        sk_device_change(r, "DELETE", path.data, NULL, NULL, err) < 0)
        return -1;
    return say(operands[0], a->module, "is deleted", err);
}

const struct sk_cmd sk_cli_device_delete = {
    .name = "device delete",
    .operands = "DEVICE",
    .summary = "Deletes a device with its modules, or one module",
    .examples = "skerry device delete line-3 --yes\n",
    .options = delete_options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_delete,
};

/* ---- enable, disable ---- */

static int set_status(const struct args *a, const char *device, bool is_enabled, struct sk_err *err)
{
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);

    sk_buf_str(&body, "{\"deviceId\":");
    sk_buf_json_str(&body, device);
    sk_buf_fmt(&body, ",\"status\":\"%s\"}", is_enabled ? "enabled" : "disabled");
    if (!sk_buf_ok(&body))
        return sk_buf_fail(&body, err);
    if (sk_device_path("/devices/", device, NULL, NULL, &path, err) < 0 ||
        sk_cli_remote(a->hub, &r, err) < 0 ||
        sk_device_change(r, "PUT", path.data, body.data, NULL, err) < 0)
        return -1;
    return say(device, NULL, is_enabled ? "is enabled" : "is disabled: it may not connect", err);
}

static int run_enable(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    (void)count;
    return set_status(args, operands[0], true, err);
}

static int run_disable(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    (void)count;
    return set_status(args, operands[0], false, err);
}

const struct sk_cmd sk_cli_device_enable = {
    .name = "device enable",
    .operands = "DEVICE",
    .summary = "Lets a device connect again",
    .examples = "skerry device enable line-3\n",
    .options = plain_options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_enable,
};

const struct sk_cmd sk_cli_device_disable = {
    .name = "device disable",
    .operands = "DEVICE",
    .summary = "Ends a device's connection and lets it make no other",
    .examples = "skerry device disable line-3\n",
    .options = plain_options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_disable,
};

/* ---- key ---- */

static int add_new_key(struct sk_buf *out, struct sk_err *err)
{
    unsigned char bytes[KEY_BYTES];

    if (sk_random(bytes, sizeof bytes, err) < 0)
        return -1;
    sk_buf_chr(out, '"');
    sk_base64(out, bytes, sizeof bytes);
    sk_buf_chr(out, '"');
    explicit_bzero(bytes, sizeof bytes);
    return 0;
}

/* The other key is kept: what uses it goes on. */
static int renew(struct sk_remote *r, const char *path, const char *which,
                 const struct sk_json *before, struct sk_json **after, struct sk_err *err)
{
    const struct sk_json *auth = sk_json_get(before, "authentication");
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);

    if (strcmp(sk_json_get_text(auth, "type", ""), "sas") != 0)
        return sk_fail(err, SK_INVALID, "%s has no keys: it is known by a certificate",
                       sk_json_get_text(before, "deviceId", ""));
    sk_buf_str(&body, "{\"deviceId\":");
    sk_buf_json_str(&body, sk_json_get_text(before, "deviceId", ""));
    if (sk_json_get_text(before, "moduleId", NULL)) {
        sk_buf_str(&body, ",\"moduleId\":");
        sk_buf_json_str(&body, sk_json_get_text(before, "moduleId", ""));
    }
    sk_buf_fmt(&body, ",\"authentication\":{\"type\":\"sas\",\"symmetricKey\":{\"%sKey\":", which);
    if (add_new_key(&body, err) < 0)
        return -1;
    sk_buf_str(&body, "}}}");
    if (!sk_buf_ok(&body))
        return sk_buf_fail(&body, err);
    return sk_device_change(r, "PUT", path, body.data, after, err);
}

static int print_keys(const struct args *a, const char *host, const struct sk_json *identity,
                      struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf primary = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf secondary = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_DEVICE_BODY_BYTES);
    const char *type = sk_json_get_text(sk_json_get(identity, "authentication"), "type", "");
    const bool has_two = strcmp(type, "sas") == 0;

    if (sk_device_connection(host, identity, false, &primary, err) < 0 ||
        (has_two && sk_device_connection(host, identity, true, &secondary, err) < 0))
        return -1;
    if (a->json) {
        sk_buf_str(&out, "{\"primary\":");
        sk_buf_json_str(&out, primary.data);
        sk_buf_str(&out, ",\"secondary\":");
        sk_buf_json_str(&out, has_two ? secondary.data : primary.data);
        sk_buf_str(&out, "}\n");
    } else {
        sk_buf_fmt(&out, "%s\n", primary.data);
        if (has_two)
            sk_buf_fmt(&out, "%s\n", secondary.data);
    }
    return sk_cli_print(&out, err);
}

static int run_key(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_OWN(sk_json_free) struct sk_json *identity = NULL;
    SK_OWN(sk_json_free) struct sk_json *renewed = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    char host[256];

    (void)count;
    if (sk_device_path("/devices/", operands[0], a->module, NULL, &path, err) < 0 ||
        sk_cli_remote(a->hub, &r, err) < 0 || sk_device_hub_name(r, host, err) < 0 ||
        sk_remote_call(r, "GET", path.data, NULL, &identity, err) < 0 ||
        (a->renew && renew(r, path.data, a->renew, identity, &renewed, err) < 0))
        return -1;
    return print_keys(a, host, renewed ? renewed : identity, err);
}

const struct sk_cmd sk_cli_device_key = {
    .name = "device key",
    .operands = "DEVICE",
    .summary = "Prints the connection strings of a device or module, or makes a new key",
    .details = "The one with the primary key is the first line, the one with the secondary key the "
               "second. Both keys are good: move the device to the secondary one before the "
               "primary one is renewed, and the other way round.",
    .examples = "skerry device key line-3\n"
                "skerry device key line-3 --renew primary # the old one is good no longer\n",
    .options = key_options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_key,
};
