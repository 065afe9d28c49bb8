/* device_common.c - see device_priv.h. */
#include "cli/device_priv.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "cli/remote_priv.h"

#include <string.h>

int sk_device_path(const char *base, const char *device, const char *module, const char *tail,
                   struct sk_buf *out, struct sk_err *err)
{
    sk_buf_str(out, base);
    sk_url_escape(out, device);
    if (module && *module) {
        sk_buf_str(out, "/modules/");
        sk_url_escape(out, module);
    }
    sk_buf_str(out, tail ? tail : "");
    sk_buf_str(out, "?" SK_IOT_API);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

int sk_device_change(struct sk_remote *r, const char *method, const char *path, const char *body,
                     struct sk_json **out, struct sk_err *err)
{
    static const char *const headers[] = { "If-Match: *", NULL };
    SK_AUTO(sk_buf_done) struct sk_buf answer = SK_BUF_INIT(SK_DEVICE_BODY_BYTES);
    const struct sk_remote_request q = { .method = method,
                                         .path = path,
                                         .headers = headers,
                                         .body = body,
                                         .body_len = body ? strlen(body) : 0 };

    if (sk_remote_send(r, &q, &answer, err) < 0)
        return -1;
    if (!out)
        return 0;
    return sk_json_parse(answer.data ? answer.data : "", answer.len, NULL, out, err);
}

int sk_device_hub_name(struct sk_remote *r, char out[256], struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    const char *host = sk_remote_context(r)->host;

    if (sk_remote_call(r, "GET", "/api/v1/whoami", NULL, &doc, err) < 0)
        return -1;
    const char *name = sk_json_get_text(doc, "hub", NULL);
    if (name)
        (void)snprintf(out, 256, "%.255s", name);
    else
        (void)snprintf(out, 256, "%.*s", (int)strcspn(host, ":"), host);
    return 0;
}

int sk_device_connection(const char *host, const struct sk_json *identity, bool is_secondary,
                         struct sk_buf *out, struct sk_err *err)
{
    const char *device = sk_json_get_text(identity, "deviceId", "");
    const char *module = sk_json_get_text(identity, "moduleId", "");
    const struct sk_json *auth = sk_json_get(identity, "authentication");
    const char *type = sk_json_get_text(auth, "type", "sas");
    const bool is_sas = strcmp(type, "sas") == 0;
    const char *key = sk_json_get_text(sk_json_get(auth, "symmetricKey"),
                                       is_secondary ? "secondaryKey" : "primaryKey", "");

    if (strcmp(type, "none") == 0)
        return sk_fail(err, SK_INVALID, "%s%s%s has no keys: its device makes them", device,
                       *module ? "/" : "", module);
    if (is_sas && !*key)
        return sk_fail(err, SK_DENIED, "the keys of devices are shown to deployers and owners");
    sk_buf_fmt(out, "HostName=%s;DeviceId=%s", host, device);
    if (*module)
        sk_buf_fmt(out, ";ModuleId=%s", module);
    if (is_sas)
        sk_buf_fmt(out, ";SharedAccessKey=%s", key);
    else
        sk_buf_str(out, ";x509=true");
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

const char *sk_device_auth(const char *type)
{
    return strcmp(type, "selfSigned") == 0             ? "x509-thumbprint"
           : strcmp(type, "certificateAuthority") == 0 ? "x509-ca"
                                                       : type;
}

int sk_device_pairs(const struct sk_opt_list *pairs, const char *what, struct sk_buf *out,
                    struct sk_err *err)
{
    for (size_t i = 0; i < pairs->count; i++) {
        const char *item = pairs->items[i], *equals = strchr(item, '=');
        if (!equals || equals == item)
            return sk_fail(err, SK_USAGE, "%s: '%.60s' is not KEY=VALUE", what, item);
        sk_buf_str(out, i > 0 ? "," : "");
        sk_buf_json(out, item, (size_t)(equals - item));
        sk_buf_chr(out, ':');
        sk_buf_json_str(out, equals + 1);
    }
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

void sk_device_name(struct sk_buf *out, const char *device, const char *module)
{
    const bool is_module = module && *module;

    sk_buf_fmt(out, "%s %s%s%s", is_module ? "module" : "device", device, is_module ? "/" : "",
               is_module ? module : "");
}

int sk_device_json(const char *what, const char *text, const char *file, struct sk_json **out,
                   struct sk_err *err)
{
    if (file)
        return sk_json_file(file, out, err);
    if (sk_json_parse(text, strlen(text), NULL, out, err) < 0)
        return sk_wrap(err, "%s", what);
    return 0;
}

void sk_device_when(struct sk_buf *out, const char *time)
{
    char cell[20] = "-";

    if (strlen(time) > 16 && !sk_starts_with(time, "0001-"))
        (void)snprintf(cell, sizeof cell, "%.10s %.5s", time, time + 11);
    sk_cli_cell(out, cell, 16);
}
