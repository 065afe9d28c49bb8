/*
 * api_telemetry.c - messages of devices, and events about them: pages, live streams, exports,
 * consumer groups.
 *
 *     GET  /api/v1/telemetry               a page: {"messages":[...],"next":n}, the last one's or
 *                                          the last that was looked at; without it there is no more
 *     GET  /api/v1/telemetry/stream        server-sent events; id: is the message's number
 *     GET  /api/v1/telemetry/export        ?format=ndjson|csv
 *     GET  /api/v1/telemetry/groups        consumer groups and how far behind they are
 *     GET  /api/v1/telemetry/groups/G      ?max= &wait=SECONDS &start=oldest|next: what comes next
 *     POST /api/v1/telemetry/groups/G      {"next":n}: what is below n is done with
 *     DELETE /api/v1/telemetry/groups/G
 *
 * and the same below /api/v1/events. Filters of the first three: device, module (empty: the device
 * itself), output, source, from, until (ISO 8601 or ms since 1970), after (a number), order=desc.
 */
#include "hub/api_telemetry_priv.h"

#include "base/clock.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

enum {
    PAGE = 100,
    PAGE_MAX = 1000,
    PAGE_BYTES = 16 << 20,
    PATIENCE = 50000 /* records that do not fit, before a page ends without them */
};

struct sk_telemetry *sk_hub_journal(const struct sk_hub_call *call)
{
    return sk_starts_with(call->route->path, "/api/v1/events") ? call->hub->iot->events
                                                               : call->hub->iot->telemetry;
}

/* "2026-11-29T05:00:00Z", with or without a fraction, or ms since 1970. */
static int read_time(const char *name, const char *text, int64_t *out, struct sk_err *err)
{
    uint64_t ms = 0;
    if (!text)
        return 0;
    if (strchr(text, 'T')) {
        if (sk_time_parse(sk_view_of(text), out))
            return 0;
        return sk_fail(err, SK_INVALID,
                       "%s: expected a time such as 2026-11-29T05:00:00Z or ms since 1970, got "
                       "'%.40s'",
                       name, text);
    }
    if (sk_parse_u64(name, text, 0, INT64_MAX, &ms, err) < 0)
        return -1;
    *out = (int64_t)ms;
    return 0;
}

int sk_telemetry_query(struct sk_hub_call *call, struct sk_telemetry_filter *f, struct sk_err *err)
{
    const struct sk_http_req *req = call->req;
    const char *after = sk_http_query(req, "after"), *order = sk_http_query(req, "order");
    uint64_t seq = 0;
    *f = (struct sk_telemetry_filter){
        .device = sk_http_query(req, "device"),
        .module = sk_http_query(req, "module"),
        .output = sk_http_query(req, "output"),
        .source = sk_http_query(req, "source"),
    };
    if (f->module && !f->device)
        return sk_fail(err, SK_INVALID, "module: give the device too");
    if (order && strcmp(order, "asc") != 0 && strcmp(order, "desc") != 0)
        return sk_fail(err, SK_INVALID, "order: expected asc or desc, got '%.40s'", order);
    f->is_backwards = order && strcmp(order, "desc") == 0;
    if (after && sk_parse_u64("after", after, 0, INT64_MAX, &seq, err) < 0)
        return -1;
    f->from_seq = after ? f->is_backwards ? seq : seq + 1 : 0;
    return read_time("from", sk_http_query(req, "from"), &f->from_ms, err) < 0 ||
                   read_time("until", sk_http_query(req, "until"), &f->until_ms, err) < 0
               ? -1
               : 0;
}

/* ---- a page ---- */

int sk_telemetry_page(struct sk_telemetry_reader *r, uint64_t max, struct sk_buf *out,
                      uint64_t *last, uint64_t *count, struct sk_err *err)
{
    int got = 1;
    *count = 0;
    while (*count < max && out->len < PAGE_BYTES / 2) {
        const size_t before = out->len;
        if (*count > 0)
            sk_buf_chr(out, ',');
        got = sk_telemetry_next(r, out, last, err);
        if (got != 1) {
            out->len = before;
            break;
        }
        ++*count;
    }
    return got == 1 ? 0 : got;
}

static int page(struct sk_hub_call *call, struct sk_buf *out, struct sk_err *err)
{
    struct sk_telemetry_filter filter;
    SK_OWN(sk_telemetry_reader_free) struct sk_telemetry_reader *r = NULL;
    const char *text = sk_http_query(call->req, "max");
    uint64_t max = PAGE, last = 0, count = 0;
    if ((text && sk_parse_u64("max", text, 1, PAGE_MAX, &max, err) < 0) ||
        sk_telemetry_query(call, &filter, err) < 0 ||
        sk_telemetry_read(sk_hub_journal(call), &filter, &r, err) < 0)
        return -1;
    sk_telemetry_reader_patience(r, PATIENCE);
    sk_buf_str(out, "{\"messages\":[");
    int got = sk_telemetry_page(r, max, out, &last, &count, err);
    if (got < 0)
        return -1;
    sk_buf_str(out, "]");
    if (count > 0 || got == SK_TELEMETRY_LATER)
        sk_buf_fmt(out, ",\"next\":%llu", (unsigned long long)last);
    sk_buf_chr(out, '}');
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

static void get_page(struct sk_hub_call *call)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(PAGE_BYTES);
    struct sk_err err = SK_ERR_INIT;
    if (page(call, &out, &err) < 0)
        sk_hub_fail(call, &err);
    else
        sk_hub_reply_json(call, &out);
}

/* ---- below it ---- */

static void get_below(struct sk_hub_call *call)
{
    const char *rest = call->rest;
    struct sk_err err = SK_ERR_INIT;
    if (strcmp(rest, "stream") == 0)
        sk_feed_stream(call);
    else if (strcmp(rest, "export") == 0)
        sk_feed_export(call);
    else if (strcmp(rest, "groups") == 0)
        sk_groups_list(call);
    else if (sk_starts_with(rest, "groups/"))
        sk_groups_get(call, rest + 7);
    else {
        (void)sk_fail(&err, SK_NOT_FOUND, "there is only stream, export and groups here");
        sk_hub_fail(call, &err);
    }
}

static void change_below(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    if (sk_starts_with(call->rest, "groups/")) {
        sk_groups_change(call, call->rest + 7);
        return;
    }
    (void)sk_fail(&err, SK_NOT_FOUND, "only consumer groups can be changed");
    sk_hub_fail(call, &err);
}

#define READS SK_HUB_RIGHTS(SK_RIGHT_TELEMETRY)

/* clang-format off */
#define ROWS(path)                                                                                 \
    { "GET", path, READS, SK_HUB_PLAIN, SK_ROLE_READER, get_page },                                \
    { "GET", path "/", READS | SK_HUB_PREFIX, SK_HUB_PLAIN, SK_ROLE_READER, get_below },           \
    { "POST", path "/", READS | SK_HUB_PREFIX, SK_HUB_PLAIN, SK_ROLE_READER, change_below },       \
    { "DELETE", path "/", READS | SK_HUB_PREFIX, SK_HUB_PLAIN, SK_ROLE_READER, change_below }

const struct sk_hub_route sk_hub_routes_telemetry[] = {
    ROWS("/api/v1/telemetry"),
    ROWS("/api/v1/events"),
    { .method = NULL },
};

/* clang-format on */
