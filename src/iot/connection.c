/*
 * connection.c - connection strings, as the portal, the CLI and the SDKs write them.
 *
 *     HostName=h;DeviceId=d[;ModuleId=m];SharedAccessKey=k[;GatewayHostName=g]
 *     HostName=h;DeviceId=d;x509=true
 *     HostName=h;SharedAccessKeyName=p;SharedAccessKey=k
 *
 * A value may hold '=' (base64). Errors name keys that are known and never show a value: one of
 * them is a secret, and what is mistyped may be it.
 */
#include "iot/iot_priv.h"

#include "base/cleanup.h"
#include "crypto/crypto.h"

#include <string.h>

struct place {
    const char *name;
    char *out;
    size_t cap;
};

static int set(const struct place *p, struct sk_view value, struct sk_err *err)
{
    if (p->out[0])
        return sk_fail(err, SK_INVALID, "connection string: %s stands there twice", p->name);
    if (value.len == 0)
        return sk_fail(err, SK_INVALID, "connection string: %s is empty", p->name);
    if (value.len >= p->cap)
        return sk_fail(err, SK_LIMIT, "connection string: %s has more than %zu bytes", p->name,
                       p->cap - 1);
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] <= ' ' || value.ptr[i] > '~')
            return sk_fail(err, SK_INVALID,
                           "connection string: %s has a space or a character beyond ASCII",
                           p->name);
    memcpy(p->out, value.ptr, value.len);
    p->out[value.len] = '\0';
    return 0;
}

static int read_parts(struct sk_view rest, struct sk_iot_connection *c, struct sk_err *err)
{
    char x509[8] = "";
    const struct place places[] = {
        { "HostName", c->host, sizeof c->host },
        { "GatewayHostName", c->gateway, sizeof c->gateway },
        { "DeviceId", c->device, sizeof c->device },
        { "ModuleId", c->module, sizeof c->module },
        { "SharedAccessKeyName", c->policy, sizeof c->policy },
        { "SharedAccessKey", c->key, sizeof c->key },
        { "x509", x509, sizeof x509 },
    };
    const size_t count = sizeof places / sizeof places[0];

    for (unsigned part = 1; rest.len > 0; part++) {
        struct sk_view item, name;
        (void)sk_iot_cut(&rest, ';', &item);
        item = sk_view_trim(item);
        if (item.len == 0)
            continue;
        if (!sk_iot_cut(&item, '=', &name))
            return sk_fail(err, SK_INVALID, "connection string: part %u has no '='", part);
        size_t i = 0;
        while (i < count && !sk_view_eq_nocase(sk_view_trim(name), places[i].name))
            i++;
        if (i == count)
            return sk_fail(err, SK_INVALID, "connection string: part %u has an unknown key", part);
        if (set(&places[i], sk_view_trim(item), err) < 0)
            return -1;
    }
    c->is_x509 = sk_view_eq_nocase(sk_view_of(x509), "true");
    if (x509[0] && !c->is_x509 && !sk_view_eq_nocase(sk_view_of(x509), "false"))
        return sk_fail(err, SK_INVALID, "connection string: x509 is true or false");
    return 0;
}

static int check_key(const char *key, struct sk_err *err)
{
    SK_AUTO(sk_buf_done)
    struct sk_buf bytes = SK_BUF_INIT(sizeof((struct sk_iot_connection *)0)->key);
    if (sk_base64_decode(key, strlen(key), &bytes, err) < 0 && err->code == SK_NOMEM)
        return -1;
    if (bytes.len == 0)
        return sk_fail(err, SK_INVALID, "connection string: SharedAccessKey is not base64");
    return 0;
}

static int check(const struct sk_iot_connection *c, struct sk_err *err)
{
    const char *wrong = NULL;
    if (!c->host[0])
        wrong = "HostName is missing";
    else if (!c->device[0] && !c->policy[0])
        wrong = "needed is DeviceId or SharedAccessKeyName";
    else if (c->module[0] && !c->device[0])
        wrong = "ModuleId needs DeviceId";
    else if ((c->device[0] && !sk_iot_id_valid(sk_view_of(c->device))) ||
             (c->module[0] && !sk_iot_id_valid(sk_view_of(c->module))))
        wrong = "DeviceId or ModuleId is not valid";
    else if (c->is_x509 == (c->key[0] != '\0'))
        wrong = "needed is SharedAccessKey or x509=true, one of them";
    if (wrong)
        return sk_fail(err, SK_INVALID, "connection string: %s", wrong);
    return c->is_x509 ? 0 : check_key(c->key, err);
}

int sk_iot_connection_parse(const char *text, struct sk_iot_connection *out, struct sk_err *err)
{
    struct sk_iot_connection c = { .host = "" };
    struct sk_view rest = sk_view_of(text);
    while (rest.len > 0 && (rest.ptr[rest.len - 1] == '\n' || rest.ptr[rest.len - 1] == '\r'))
        rest.len--;
    if (read_parts(rest, &c, err) < 0 || check(&c, err) < 0)
        return -1;
    *out = c;
    return 0;
}
