/* api_groups.c - consumer groups: readers that resume where they stopped. See api_telemetry.c. */
#include "hub/api_telemetry_priv.h"

#include "base/str.h"

#include <string.h>

enum {
    LIST_BYTES = 1 << 20,
    PAGE = 100,
    PAGE_MAX = 1000,
    WAIT_MAX_S = 300
};

void sk_groups_list(struct sk_hub_call *call)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(LIST_BYTES);
    struct sk_err err = SK_ERR_INIT;
    if (sk_consumer_list(sk_hub_journal(call), &out, &err) < 0)
        sk_hub_fail(call, &err);
    else
        sk_hub_reply_json(call, &out);
}

static const char *decoded(struct sk_hub_call *call, const char *name, struct sk_err *err)
{
    const char *text = sk_http_decoded(call->req, name, strlen(name));
    if (!text)
        (void)sk_nomem(err);
    return text;
}

struct request {
    uint64_t max, wait_s;
    bool from_start;
};

static int read_request(struct sk_hub_call *call, struct request *out, struct sk_err *err)
{
    const char *max = sk_http_query(call->req, "max"), *wait = sk_http_query(call->req, "wait");
    const char *start = sk_http_query(call->req, "start");
    *out = (struct request){ .max = PAGE, .from_start = !start || strcmp(start, "oldest") == 0 };
    if (start && !out->from_start && strcmp(start, "next") != 0)
        return sk_fail(err, SK_INVALID, "start: expected oldest or next, got '%.40s'", start);
    return (max && sk_parse_u64("max", max, 1, PAGE_MAX, &out->max, err) < 0) ||
                   (wait && sk_parse_u64("wait", wait, 0, WAIT_MAX_S, &out->wait_s, err) < 0)
               ? -1
               : 0;
}

void sk_groups_get(struct sk_hub_call *call, const char *name)
{
    struct sk_err err = SK_ERR_INIT;
    struct request r;
    struct sk_telemetry_reader *reader = NULL;
    uint64_t next = 0;
    const char *group = decoded(call, name, &err);
    if (!group || read_request(call, &r, &err) < 0 ||
        sk_consumer_next(sk_hub_journal(call), group, r.from_start, &next, &err) < 0) {
        sk_hub_fail(call, &err);
        return;
    }
    const struct sk_telemetry_filter filter = { .from_seq = next };
    if (sk_telemetry_read(sk_hub_journal(call), &filter, &reader, &err) < 0)
        sk_hub_fail(call, &err);
    else
        sk_feed_wait(call, reader, next, r.max, r.wait_s * 1000);
}

static int commit(struct sk_hub_call *call, const char *group, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *body = NULL;
    int64_t next = 0;
    if (sk_hub_body_json(call, &body, err) < 0 ||
        sk_json_want_int(body, "next", 1, INT64_MAX, &next, err) < 0)
        return -1;
    if (next == 0)
        return sk_fail(err, SK_INVALID, "'next' is missing: the number to go on with");
    return sk_consumer_commit(sk_hub_journal(call), group, (uint64_t)next, err);
}

void sk_groups_change(struct sk_hub_call *call, const char *name)
{
    struct sk_err err = SK_ERR_INIT;
    const char *group = decoded(call, name, &err);
    bool is_delete = strcmp(call->route->method, "DELETE") == 0;
    if (!group || (is_delete ? sk_consumer_delete(sk_hub_journal(call), group, &err)
                             : commit(call, group, &err)) < 0)
        sk_hub_fail(call, &err);
    else
        sk_hub_reply(call, 204);
}
