/* cmd_method.c - `skerry method invoke`. */
#include "cli/cli_priv.h"
#include "cli/device_priv.h"
#include "cli/remote_priv.h"

#include <string.h>

struct args {
    const char *hub, *module, *payload;
    uint64_t timeout_ms, connect_ms;
};

#define AT(field) .offset = offsetof(struct args, field)

enum {
    MARGIN_MS = 30000 /* the hub may take so much longer than the device is given */
};

/* clang-format off */
static const struct sk_opt options[] = {
    { "module", 'm', SK_OPT_TEXT, "ID", "of this module of it", AT(module) },
    { "payload", 'p', SK_OPT_TEXT, "JSON", "what the method gets", .def = "null", AT(payload) },
    { "timeout", 't', SK_OPT_MS, "T", "how long it may take", .def = "30s", .min = 5000, .max = 300000, AT(timeout_ms) },
    { "connect-timeout", 0, SK_OPT_MS, "T", "how long to wait for a device that is not connected", .def = "0s", .max = 300000, AT(connect_ms) },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

/* clang-format on */

static int add_call(const struct args *a, const char *method, struct sk_buf *out,
                    struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *payload = NULL;

    if (sk_device_json("--payload", a->payload, NULL, &payload, err) < 0)
        return -1;
    sk_buf_str(out, "{\"methodName\":");
    sk_buf_json_str(out, method);
    sk_buf_str(out, ",\"payload\":");
    sk_json_dump(payload, out);
    sk_buf_fmt(out, ",\"responseTimeoutInSeconds\":%llu,\"connectTimeoutInSeconds\":%llu}",
               (unsigned long long)(a->timeout_ms + 999) / 1000,
               (unsigned long long)(a->connect_ms + 999) / 1000);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(SK_DEVICE_BODY_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf answer = SK_BUF_INIT(SK_DEVICE_BODY_BYTES);

    (void)count;
    if (add_call(a, operands[1], &body, err) < 0 ||
        sk_device_path("/twins/", operands[0], a->module, "/methods", &path, err) < 0 ||
        sk_cli_remote(a->hub, &r, err) < 0)
        return -1;
    const struct sk_remote_request q = { .method = "POST",
                                         .path = path.data,
                                         .body = body.data,
                                         .body_len = body.len,
                                         .patience_ms = a->timeout_ms + a->connect_ms + MARGIN_MS };
    if (sk_remote_send(r, &q, &answer, err) < 0)
        return -1;
    sk_buf_chr(&answer, '\n');
    return sk_cli_print(&answer, err);
}

const struct sk_cmd sk_cli_method_invoke = {
    .name = "method invoke",
    .operands = "DEVICE METHOD",
    .summary = "Calls a direct method of a device or module",
    .details = "Prints {\"status\": ..., \"payload\": ...} as the device answers. The exit status "
               "is 0 for every call that was answered, whatever the device's status says; 1 when "
               "there was no answer: the device is not connected, or took too long.",
    .examples = "skerry method invoke line-3 reboot --timeout 60s\n"
                "skerry method invoke cell-7 setThreshold --module filter --payload "
                "'{\"value\": 0.8}'\n",
    .options = options,
    .args_size = sizeof(struct args),
    .min_operands = 2,
    .max_operands = 2,
    .run = run,
};
