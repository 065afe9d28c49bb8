/*
 * report.c - what $edgeHub reports of itself: which routes it took, who is connected
 * (azure-iot-protocol 4.5, 4.6).
 *
 *     {"schemaVersion":"1.0","version":{..},"lastDesiredVersion":n,
 *      "lastDesiredStatus":{"code":200|400,"description":""},
 *      "clients":{"device/module":{"status":"Connected","lastConnectedTimeUtc":"..",..}}}
 *
 * It is written anew as a whole; the mirror finds what differs, and sends that. A client that comes
 * and goes often costs one report a second at most.
 */
#include "localhub/localhub_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

enum {
    PAUSE_MS = 1000
};

void sk_lh_report(struct sk_lh *h)
{
    if (h->report_is_due)
        return;
    h->report_is_due = true;
    sk_lh_wake(h);
}

/* Names in twins have no '.', '$', '#' or space, so these are escaped, as edgeHub does. */
static void write_key(const char *key, struct sk_buf *out)
{
    sk_buf_chr(out, '"');
    for (const char *p = key; *p; p++)
        if (strchr(".$#%\" \\", *p))
            sk_buf_fmt(out, "%%%02X", (unsigned char)*p);
        else
            sk_buf_chr(out, *p);
    sk_buf_str(out, "\":");
}

static bool is_key(const char *escaped, const char *key)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(8 * SK_IOT_KEY_MAX);
    write_key(key, &b);
    return sk_buf_ok(&b) && b.len == strlen(escaped) + 3 &&
           memcmp(b.data + 1, escaped, strlen(escaped)) == 0;
}

static void write_time(const char *name, int64_t ms, struct sk_buf *out)
{
    char text[SK_TIME_TEXT];
    if (ms <= 0)
        return;
    sk_time_text((uint64_t)ms, text);
    sk_buf_fmt(out, ",\"%s\":\"%s\"", name, text);
}

static void write_clients(struct sk_lh *h, struct sk_buf *out)
{
    bool is_first = true;
    for (struct sk_lh_ident *id = h->idents; id; id = id->next) {
        struct sk_lh_instance *live = sk_lh_instance_live(id);
        if (!id->is_listed || (id->kind != SK_LH_MODULE && id->kind != SK_LH_LEAF) ||
            (!live && id->connected_ms == 0))
            continue;
        if (!is_first)
            sk_buf_chr(out, ',');
        is_first = false;
        write_key(id->key, out);
        sk_buf_fmt(out, "{\"status\":\"%s\"", live ? "Connected" : "Disconnected");
        write_time("lastConnectedTimeUtc", id->connected_ms, out);
        write_time("lastDisconnectedTimeUtc", id->disconnected_ms, out);
        sk_buf_chr(out, '}');
    }
}

static void write_report(struct sk_lh *h, struct sk_buf *out)
{
    sk_buf_fmt(out,
               "{\"schemaVersion\":\"1.0\",\"version\":{\"version\":\"%s\",\"build\":\"\","
               "\"commit\":\"\"},\"lastDesiredVersion\":%lld,\"lastDesiredStatus\":{\"code\":%d,"
               "\"description\":",
               SK_VERSION, (long long)h->routes_version, h->routes_err.code == SK_OK ? 200 : 400);
    sk_buf_json_str(out, h->routes_err.text);
    sk_buf_str(out, "},\"clients\":{");
    write_clients(h, out);
    sk_buf_str(out, "}}");
}

static int report(struct sk_lh *h, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_TWIN_PATCH_MAX);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    write_report(h, &text);
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    if (sk_json_parse(text.data, text.len, NULL, &doc, err) < 0)
        return -1;
    return sk_lh_twin_patch(h->hub_id, doc, true, NULL, err) < 0 ? -1 : 0;
}

void sk_lh_report_tick(struct sk_lh *h, uint64_t now_ms)
{
    struct sk_err err = SK_ERR_INIT;
    SK_LOCK(&h->lock);
    if (!h->report_is_due || now_ms < h->report_at_ms || !h->hub_id || h->routes_version < 0)
        return;
    h->report_is_due = false;
    h->report_at_ms = now_ms + PAUSE_MS;
    if (report(h, &err) < 0)
        sk_log(SK_WARN, "not_reported", "error=\"%s\"", err.text);
}

static int64_t read_time(const struct sk_json *o, const char *name)
{
    int64_t ms = 0;
    return sk_time_parse(sk_view_of(sk_json_get_text(o, name, "")), &ms) ? ms : 0;
}

void sk_lh_report_read(struct sk_lh *h)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    const char *text = h->hub_id ? h->hub_id->twin.reported : "{}";
    if (sk_json_parse(text, strlen(text), NULL, &doc, &err) < 0)
        return;
    const struct sk_json *clients = sk_json_get(doc, "clients");
    for (void *it = sk_json_first(clients); it; it = sk_json_next(clients, it))
        for (struct sk_lh_ident *id = h->idents; id; id = id->next) {
            if (!is_key(sk_json_key(it), id->key))
                continue;
            id->connected_ms = read_time(sk_json_value(it), "lastConnectedTimeUtc");
            id->disconnected_ms = read_time(sk_json_value(it), "lastDisconnectedTimeUtc");
        }
}
