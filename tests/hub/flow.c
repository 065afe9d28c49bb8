/* flow.c - see flow.h. */
#include "flow.h"

#include "base/clock.h"

#include <poll.h>
#include <sys/socket.h>

enum {
    PATIENCE_MS = HUB_PATIENCE_MS
};

void flow_open(struct hub_fixture *f, struct flow *w, const char *path, const char *more)
{
    char request[600];
    *w = (struct flow){ .raw = SK_BUF_INIT(64 << 20), .text = SK_BUF_INIT(64 << 20) };
    (void)snprintf(request, sizeof request,
                   "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s\r\n", path,
                   f->made.owner_token, more);
    client_open(&w->c, f->port);
    client_send(&w->c, request);
}

void flow_close(struct flow *w)
{
    client_close(&w->c);
    sk_buf_done(&w->raw);
    sk_buf_done(&w->text);
}

static void unchunk(struct flow *w)
{
    const char *end;
    if (w->at == 0 && (end = strstr(w->raw.data, "\r\n\r\n")) != NULL)
        w->at = (size_t)(end - w->raw.data) + 4;
    while (w->at > 0 && !w->is_over && (end = strstr(w->raw.data + w->at, "\r\n")) != NULL) {
        size_t size = strtoul(w->raw.data + w->at, NULL, 16);
        size_t body = (size_t)(end - w->raw.data) + 2;
        if (body + size + 2 > w->raw.len)
            return;
        sk_buf_add(&w->text, w->raw.data + body, size);
        w->at = body + size + 2;
        w->is_over = size == 0;
    }
}

void flow_until(struct flow *w, const char *words)
{
    const uint64_t end = sk_now_ms() + PATIENCE_MS;
    static char bytes[1 << 16];
    for (;;) {
        if (words ? w->text.data && strstr(w->text.data, words) != NULL : w->is_over)
            return;
        struct pollfd p = { .fd = w->c.fd, .events = POLLIN };
        if (sk_now_ms() > end || poll(&p, 1, PATIENCE_MS) <= 0)
            fail_msg("no '%s' in %.500s", words ? words : "end", w->text.data ? w->text.data : "");
        ssize_t got = recv(w->c.fd, bytes, sizeof bytes, 0);
        if (got <= 0)
            fail_msg("cut off before '%s': %.500s", words ? words : "end", w->raw.data);
        sk_buf_add(&w->raw, bytes, (size_t)got);
        unchunk(w);
    }
}

void flow_expect(struct hub_fixture *f, const char *path, const char *words)
{
    struct flow w;
    flow_open(f, &w, path, "");
    flow_until(&w, NULL);
    if (!strstr(w.text.data, words))
        fail_msg("%s: no '%s' in %.500s", path, words, w.text.data);
    flow_close(&w);
}
