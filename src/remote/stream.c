/*
 * stream.c - server-sent events (HTML standard, section 9.2) of a hub.
 *
 *     id: 17                    the id of this event and those after it
 *     data: {"sequence":17}     a line of its data; several are joined by line breaks
 *     :                         a comment; the hub sends one each 15 s
 *                               an empty line: the event is complete
 *
 * Lines end with LF, CR or both. What is not complete when the stream ends is dropped, so an event
 * is told whole or, with its id not yet counted, comes again.
 */
#include "remote/remote_priv.h"

#include <string.h>

void sk_event_reader_init(struct sk_event_reader *e, sk_remote_event *each, void *ctx)
{
    *e = (struct sk_event_reader){ .line = SK_BUF_INIT(SK_REMOTE_EVENT_BYTES),
                                   .data = SK_BUF_INIT(SK_REMOTE_EVENT_BYTES),
                                   .each = each,
                                   .ctx = ctx };
}

void sk_event_reader_done(struct sk_event_reader *e)
{
    sk_buf_done(&e->line);
    sk_buf_done(&e->data);
}

/* The line break behind the last line of data is no part of it. */
static int tell(struct sk_event_reader *e, struct sk_err *err)
{
    const struct sk_view data = { e->data.data, e->data.len > 0 ? e->data.len - 1 : 0 };
    if (e->data.len == 0)
        return 0;
    int rc = e->each(e->ctx, e->id, data, err);
    sk_buf_clear(&e->data);
    return rc;
}

static int take_id(struct sk_event_reader *e, struct sk_view value, struct sk_err *err)
{
    if (memchr(value.ptr, '\0', value.len))
        return 0; /* as the standard has it */
    if (value.len >= sizeof e->id)
        return sk_fail(err, SK_LIMIT, "an event's id has over %zu bytes", sizeof e->id - 1);
    memcpy(e->id, value.ptr, value.len);
    e->id[value.len] = '\0';
    return 0;
}

static int take_line(struct sk_event_reader *e, struct sk_view line, struct sk_err *err)
{
    if (!e->is_begun && line.len >= 3 && memcmp(line.ptr, "\xef\xbb\xbf", 3) == 0)
        line = (struct sk_view){ line.ptr + 3, line.len - 3 };
    e->is_begun = true;
    if (line.len == 0)
        return tell(e, err);
    const char *colon = memchr(line.ptr, ':', line.len);
    const size_t name_len = colon ? (size_t)(colon - line.ptr) : line.len;
    const struct sk_view name = { line.ptr, name_len };
    size_t skip = colon ? name_len + 1 : line.len;
    if (skip < line.len && line.ptr[skip] == ' ')
        skip++;
    const struct sk_view value = { line.ptr + skip, line.len - skip };
    if (sk_view_eq(name, "id"))
        return take_id(e, value, err);
    if (!sk_view_eq(name, "data"))
        return 0; /* a comment, or a field of no use here */
    sk_buf_add(&e->data, value.ptr, value.len);
    sk_buf_chr(&e->data, '\n');
    return sk_buf_ok(&e->data) ? 0 : sk_buf_fail(&e->data, err);
}

int sk_event_reader_add(struct sk_event_reader *e, const void *bytes, size_t len,
                        struct sk_err *err)
{
    const char *at = bytes, *end = at + len;
    while (at < end) {
        if (e->was_cr && *at == '\n')
            at++;
        e->was_cr = false;
        size_t piece = 0;
        while (at + piece < end && at[piece] != '\n' && at[piece] != '\r')
            piece++;
        sk_buf_add(&e->line, at, piece);
        if (!sk_buf_ok(&e->line))
            return sk_buf_fail(&e->line, err);
        at += piece;
        if (at == end)
            return 0;
        e->was_cr = *at++ == '\r';
        const struct sk_view line = { e->line.data ? e->line.data : "", e->line.len };
        int rc = take_line(e, line, err);
        sk_buf_clear(&e->line);
        if (rc < 0)
            return -1;
    }
    return 0;
}

/* ---- the stream ---- */

struct stream {
    struct sk_event_reader reader;
    const struct sk_remote *remote;
};

static void stream_done(struct stream *s)
{
    sk_event_reader_done(&s->reader);
}

static int take(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    struct stream *s = ctx;
    return sk_event_reader_add(&s->reader, bytes, len, err);
}

static bool may_go_on(void *ctx, uint64_t done, uint64_t total)
{
    const struct stream *s = ctx;
    return !s->remote->go_on || s->remote->go_on(s->remote->go_on_ctx, done, total);
}

/* With a client of its own: a stream that is silent is no hub that lets wait. */
int sk_remote_stream(struct sk_remote *r, const char *path, const char *last_id,
                     sk_remote_event *each, void *ctx, struct sk_err *err)
{
    SK_OWN(sk_fetch_free) struct sk_fetch *fetch = NULL;
    SK_AUTO(stream_done) struct stream s = { .remote = r };
    SK_AUTO(sk_buf_done) struct sk_buf url = SK_BUF_INIT(64 << 10);
    const struct sk_fetch_options o = { .ca_file = r->context.ca_file,
                                        .stall_ms = SK_REMOTE_BEAT_MS };
    char last[SK_REMOTE_EVENT_ID + 32];
    const char *headers[] = { "Accept: text/event-stream", NULL, NULL };
    sk_event_reader_init(&s.reader, each, ctx);
    if (last_id && *last_id) {
        if (strlen(last_id) >= SK_REMOTE_EVENT_ID)
            return sk_fail(err, SK_INVALID, "an event's id has over %d bytes",
                           SK_REMOTE_EVENT_ID - 1);
        (void)snprintf(last, sizeof last, "Last-Event-ID: %s", last_id);
        (void)snprintf(s.reader.id, sizeof s.reader.id, "%s", last_id);
        headers[1] = last;
    }
    if (sk_remote_url(r, path, &url, err) < 0 || sk_fetch_new(&o, &fetch, err) < 0)
        return -1;
    struct sk_fetch_request q = {
        .url = url.data, .headers = headers, .sink = take, .progress = may_go_on, .ctx = &s
    };
    return sk_remote_request_by(r, fetch, &q, err);
}
