/*
 * cmd_hub_device.c - `skerry hub device put`, `allow`: identities of devices, as far as pulling
 * needs them. Hidden: the device hub's commands take their place.
 */
#include "cli/cli_priv.h"
#include "cli/hub_door_priv.h"

struct args {
    const char *data_dir, *hub, *thumbprint;
};

#define AT(field) .offset = offsetof(struct args, field)

/* clang-format off */
#define WHERE                                                                                      \
    { "data-dir", 'd', SK_OPT_TEXT, "DIR", "the hub's folder, opened here instead of asking the hub",          \
      AT(data_dir), .group = "Hub" },                                                              \
    SK_CLI_HUB_OPTION(struct args)

static const struct sk_opt put_options[] = {
    { "thumbprint", 0, SK_OPT_TEXT, "HEX", "SHA-256 of the device's certificate", AT(thumbprint) },
    WHERE,
    { .name = NULL },
};

static const struct sk_opt allow_options[] = {
    WHERE,
    { .name = NULL },
};

/* clang-format on */

static int put_there(struct sk_hub_door *d, const char *id, const char *thumbprint, char key[64],
                     struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(4096);
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(4096);
    SK_OWN(sk_json_free) struct sk_json *made = NULL;
    sk_buf_str(&path, "/api/v1/devices/");
    sk_url_escape(&path, id);
    sk_buf_str(&body, "{\"thumbprint\":");
    if (thumbprint)
        sk_buf_json_str(&body, thumbprint);
    else
        sk_buf_str(&body, "null");
    sk_buf_chr(&body, '}');
    if (!sk_buf_ok(&path) || !sk_buf_ok(&body))
        return sk_buf_fail(sk_buf_ok(&path) ? &body : &path, err);
    if (sk_remote_call(d->remote, "PUT", path.data, body.data, &made, err) < 0)
        return -1;
    (void)snprintf(key, 64, "%s", sk_json_get_text(made, "primary_key", ""));
    return 0;
}

static int run_put(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    char key[64];
    SK_AUTO(sk_hub_door_close) struct sk_hub_door d = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4096);
    (void)count;
    if (sk_hub_door_open(&d, a->data_dir, a->hub, err) < 0)
        return -1;
    if (d.remote
            ? put_there(&d, operands[0], a->thumbprint, key, err) < 0
            : sk_device_put(d.accounts, &d.who, operands[0], NULL, a->thumbprint, key, err) < 0)
        return -1;
    sk_buf_fmt(&out, "%s\n", key);
    return sk_cli_print(&out, err);
}

static int allow_there(struct sk_hub_door *d, char **operands, unsigned count, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(4096);
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(4 << 20);
    sk_buf_str(&path, "/api/v1/devices/");
    sk_url_escape(&path, operands[0]);
    sk_buf_str(&path, "/pulls");
    sk_buf_str(&body, "{\"repositories\":[");
    for (unsigned i = 1; i < count; i++) {
        sk_buf_str(&body, i > 1 ? "," : "");
        sk_buf_json_str(&body, operands[i]);
    }
    sk_buf_str(&body, "]}");
    if (!sk_buf_ok(&path) || !sk_buf_ok(&body))
        return sk_buf_fail(sk_buf_ok(&path) ? &body : &path, err);
    return sk_remote_call(d->remote, "PUT", path.data, body.data, NULL, err);
}

static int run_allow(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_AUTO(sk_hub_door_close) struct sk_hub_door d = { 0 };
    if (sk_hub_door_open(&d, a->data_dir, a->hub, err) < 0)
        return -1;
    if (d.remote)
        return allow_there(&d, operands, count, err);
    return sk_device_allow(d.accounts, &d.who, operands[0], (const char *const *)operands + 1,
                           count - 1, err);
}

const struct sk_cmd sk_cli_hub_device_put = {
    .name = "hub device put",
    .operands = "DEVICE",
    .summary = "Makes a device's identity, and prints its new key",
    .options = put_options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .hidden = true,
    .run = run_put,
};

const struct sk_cmd sk_cli_hub_device_allow = {
    .name = "hub device allow",
    .operands = "DEVICE [REPOSITORY...]",
    .summary = "Says which repositories a device may pull, instead of those before",
    .options = allow_options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = SK_DEVICE_PULLS + 1,
    .hidden = true,
    .run = run_allow,
};
