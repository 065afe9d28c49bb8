/*
 * username.c - the user name of a CONNECT.
 *
 *     HOST/DEVICE[/MODULE]/[?]api-version=2021-04-12&DeviceClientType=..&model-id=..&auth-chain=..
 *
 * Host and ids stand as they are, names and values of the query are percent-encoded (Node leaves
 * the model id raw, which decodes to itself). What is read is what edgeHub's MqttUsernameParser
 * reads: three parts or four, the '?' optional, the first of duplicates, unknown names ignored.
 */
#include "iot/iot_priv.h"

#include "base/cleanup.h"

#include <string.h>

enum {
    PARTS_MAX = 4,
    TEXT_MAX = 4096 /* of the whole user name */
};

struct place {
    const char *name;
    char *out;
    size_t cap;
    bool may_be_cut; /* it is only shown */
    bool is_set;
};

/* The most bytes of text, at most cap, that end between two characters. */
static size_t cut_at(const char *text, size_t len, size_t cap)
{
    size_t used = 0;
    while (used < len) {
        size_t n = sk_utf8_step(text + used, len - used);
        if (n == 0 || used + n > cap)
            break;
        used += n;
    }
    return used;
}

static int set(struct place *p, struct sk_view value, char *scratch, struct sk_err *err)
{
    size_t len = 0;
    if (!sk_iot_unescape(value, scratch, &len))
        return sk_fail(err, SK_INVALID, "user name: the value of %s is malformed", p->name);
    if (len >= p->cap && !p->may_be_cut)
        return sk_fail(err, SK_LIMIT, "user name: %s has more than %zu bytes", p->name, p->cap - 1);
    len = cut_at(scratch, len, p->cap - 1);
    memcpy(p->out, scratch, len);
    p->out[len] = '\0';
    p->is_set = true;
    return 0;
}

static int read_query(struct sk_view query, struct sk_iot_username *u, struct sk_err *err)
{
    struct place places[] = {
        { "api-version", u->api_version, sizeof u->api_version, false, false },
        { "DeviceClientType", u->product, sizeof u->product, true, false },
        { "model-id", u->model_id, sizeof u->model_id, false, false },
        { "auth-chain", u->auth_chain, sizeof u->auth_chain, false, false },
    };
    char scratch[TEXT_MAX];
    size_t len = 0;

    while (query.len > 0) {
        struct sk_view item, name;
        (void)sk_iot_cut(&query, '&', &item);
        (void)sk_iot_cut(&item, '=', &name);
        if (!sk_iot_unescape(name, scratch, &len))
            return sk_fail(err, SK_INVALID, "user name: a name in the query is malformed");
        for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
            if (!sk_view_eq((struct sk_view){ scratch, len }, places[i].name))
                continue;
            if (!places[i].is_set && set(&places[i], item, scratch, err) < 0)
                return -1;
            break;
        }
    }
    return u->api_version[0] ? 0 : sk_fail(err, SK_INVALID, "user name: there is no api-version");
}

static bool is_host(struct sk_view v)
{
    for (size_t i = 0; i < v.len; i++)
        if (v.ptr[i] <= ' ' || v.ptr[i] > '~')
            return false;
    return v.len > 0;
}

static int read_id(const char *what, struct sk_view id, char *out, struct sk_err *err)
{
    if (!sk_iot_id_valid(id))
        return sk_fail(err, SK_INVALID, "user name: the %s id is not valid", what);
    memcpy(out, id.ptr, id.len);
    out[id.len] = '\0';
    return 0;
}

int sk_iot_username_parse(struct sk_view text, struct sk_iot_username *out, struct sk_err *err)
{
    struct sk_iot_username u = { .host = "" };
    struct sk_view parts[PARTS_MAX];
    struct sk_view rest = text;
    size_t count = 0;

    if (text.len > TEXT_MAX)
        return sk_fail(err, SK_LIMIT, "user name: more than %d bytes", TEXT_MAX);
    for (bool is_more = true; is_more && count < PARTS_MAX;)
        is_more = sk_iot_cut(&rest, '/', &parts[count++]);
    if (count < 3 || rest.len > 0 || (text.len > 0 && text.ptr[text.len - 1] == '/'))
        return sk_fail(err, SK_INVALID,
                       "user name: expected HOST/DEVICE/?api-version=.. or HOST/DEVICE/MODULE/?..");
    if (!is_host(parts[0]))
        return sk_fail(err, SK_INVALID, "user name: the host name is not valid");
    if (parts[0].len >= sizeof u.host)
        return sk_fail(err, SK_LIMIT, "user name: the host name has more than %zu bytes",
                       sizeof u.host - 1);
    memcpy(u.host, parts[0].ptr, parts[0].len);
    if (read_id("device", parts[1], u.device, err) < 0 ||
        (count == PARTS_MAX && read_id("module", parts[2], u.module, err) < 0))
        return -1;
    struct sk_view query = parts[count - 1];
    if (query.len > 0 && query.ptr[0] == '?')
        query = (struct sk_view){ query.ptr + 1, query.len - 1 };
    if (read_query(query, &u, err) < 0)
        return -1;
    *out = u;
    return 0;
}
