/* cmd_device_allow.c - `skerry device allow`: what a device may pull beside what is deployed to it.
 * Hidden: deployments say what their devices may pull. */
#include "cli/cli_priv.h"
#include "cli/device_priv.h"
#include "cli/remote_priv.h"

struct args {
    const char *hub;
};

/* clang-format off */
static const struct sk_opt options[] = {
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

/* clang-format on */

enum {
    REPOSITORIES_MAX = 1000
};

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(SK_DEVICE_BODY_BYTES);

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
    if (sk_cli_remote(a->hub, &r, err) < 0)
        return -1;
    return sk_remote_call(r, "PUT", path.data, body.data, NULL, err);
}

const struct sk_cmd sk_cli_device_allow = {
    .name = "device allow",
    .operands = "DEVICE [REPOSITORY...]",
    .summary = "Says which repositories a device may pull, instead of those before",
    .options = options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = REPOSITORIES_MAX + 1,
    .hidden = true,
    .run = run,
};
