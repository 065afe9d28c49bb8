/* cmd_device_sas.c - `skerry device sas`: a token for tools that know no connection string. */
#include "base/clock.h"
#include "cli/cli_priv.h"
#include "cli/device_priv.h"
#include "cli/remote_priv.h"
#include "iot/iot.h"

#include <string.h>

struct args {
    const char *hub, *module;
    uint64_t life_ms;
    bool json;
};

#define AT(field) .offset = offsetof(struct args, field)

enum {
    SECOND_MS = 1000,
    YEAR_S = 365 * 24 * 3600
};

/* clang-format off */
static const struct sk_opt options[] = {
    { "module", 'm', SK_OPT_TEXT, "ID", "of this module of it", AT(module) },
    { "duration", 0, SK_OPT_MS, "TIME", "how long it is good",
      .def = "1h", .min = SECOND_MS, .max = 1ull * YEAR_S * SECOND_MS, AT(life_ms) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", AT(json) },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

/* clang-format on */

/* HOST/devices/ID[/modules/ID], signed with the primary key of the connection string. */
static int make_token(const char *connection, int64_t expires_s, struct sk_buf *out,
                      struct sk_err *err)
{
    struct sk_iot_connection c;
    SK_AUTO(sk_buf_done) struct sk_buf resource = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    if (sk_iot_connection_parse(connection, &c, err) < 0)
        return -1;
    if (c.is_x509)
        return sk_fail(err, SK_INVALID, "%s has no keys: it is known by a certificate", c.device);
    sk_buf_fmt(&resource, "%s/devices/%s", c.host, c.device);
    if (*c.module)
        sk_buf_fmt(&resource, "/modules/%s", c.module);
    int rc = sk_buf_ok(&resource) ? sk_iot_sas_make(resource.data, c.key, NULL, expires_s, out, err)
                                  : sk_buf_fail(&resource, err);
    explicit_bzero(&c, sizeof c);
    return rc;
}

static int print(const struct args *a, const struct sk_buf *token, int64_t expires_s,
                 struct sk_err *err)
{
    char time[SK_TIME_TEXT];
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    sk_time_text((uint64_t)expires_s * SECOND_MS, time);
    if (a->json) {
        sk_buf_str(&out, "{\"token\":");
        sk_buf_json_str(&out, token->data);
        sk_buf_fmt(&out, ",\"expires\":\"%s\"}\n", time);
    } else {
        sk_buf_fmt(&out, "%s\n", token->data);
    }
    return sk_cli_print(&out, err);
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    const int64_t expires_s = (int64_t)((sk_wall_ms() + a->life_ms) / SECOND_MS);
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_OWN(sk_json_free) struct sk_json *identity = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf connection = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf token = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    char host[256];

    (void)count;
    if (sk_device_path("/devices/", operands[0], a->module, NULL, &path, err) < 0 ||
        sk_cli_remote(a->hub, &r, err) < 0 || sk_device_hub_name(r, host, err) < 0 ||
        sk_remote_call(r, "GET", path.data, NULL, &identity, err) < 0 ||
        sk_device_connection(host, identity, false, &connection, err) < 0 ||
        make_token(connection.data, expires_s, &token, err) < 0)
        return -1;
    return print(a, &token, expires_s, err);
}

const struct sk_cmd sk_cli_device_sas = {
    .name = "device sas",
    .operands = "DEVICE",
    .summary = "Prints a SAS token of a device or module, for curl and MQTT tools",
    .details =
        "Programs that use a device SDK take the connection string instead (device key) and "
        "make their tokens themselves. The token is what a device is known by until it "
        "expires, or the key is renewed: keep it as you keep the key. The hub takes it for five "
        "minutes longer, as clocks differ.\n\n"
        "TIME is a number with s, m or h; a bare number is seconds.",
    .examples = "curl --cacert ca.pem -H \"Authorization: $(skerry device sas line-3)\" "
                "-H 'Content-Type: application/json' -d '{\"prediction\":\"scratch\"}' "
                "https://hub.example:8443/devices/line-3/messages/events\n"
                "skerry device sas line-3 --module camera --duration 5m",
    .options = options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
