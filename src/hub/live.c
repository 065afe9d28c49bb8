/*
 * live.c - requests that wait for messages: a list of wakers, woken after each commit of a journal.
 *
 * A reader is in the list from its start to its end. The wake goes to http, which calls the
 * reader's own pull on its event loop; nothing is read here.
 */
#include "hub/iot_priv.h"

#include <stdlib.h>

struct sk_live_reader {
    struct sk_live_reader *next, **at; /* at NULL: not in the list */
    struct sk_http_waker *waker;
};

void sk_live_readers_init(struct sk_live_readers *r)
{
    (void)pthread_mutex_init(&r->lock, NULL);
}

int sk_live_reader_add(struct sk_live_readers *r, struct sk_http_req *req,
                       struct sk_live_reader **out, struct sk_err *err)
{
    struct sk_live_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return sk_nomem(err);
    reader->waker = sk_http_waker(req);
    if (!reader->waker) {
        free(reader);
        return sk_nomem(err);
    }
    SK_LOCK(&r->lock);
    if (r->count >= SK_LIVE_READERS_MAX) {
        sk_http_waker_unref(reader->waker);
        free(reader);
        return sk_fail(err, SK_BUSY, "%d requests wait for messages already", SK_LIVE_READERS_MAX);
    }
    reader->next = r->first;
    reader->at = &r->first;
    if (reader->next)
        reader->next->at = &reader->next;
    r->first = reader;
    r->count++;
    *out = reader;
    return 0;
}

void sk_live_reader_remove(struct sk_live_readers *r, struct sk_live_reader *reader)
{
    if (!reader)
        return;
    {
        SK_LOCK(&r->lock);
        *reader->at = reader->next;
        if (reader->next)
            reader->next->at = reader->at;
        r->count--;
    }
    sk_http_waker_unref(reader->waker);
    free(reader);
}

void sk_live_wake_all(struct sk_live_readers *r)
{
    SK_LOCK(&r->lock);
    for (struct sk_live_reader *reader = r->first; reader; reader = reader->next)
        sk_http_wake(reader->waker);
}

void sk_live_end(struct sk_live_readers *r)
{
    {
        SK_LOCK(&r->lock);
        r->is_ending = true;
    }
    sk_live_wake_all(r);
}

bool sk_live_is_ending(struct sk_live_readers *r)
{
    SK_LOCK(&r->lock);
    return r->is_ending;
}

void sk_live_wake(void *ctx, uint64_t first, uint64_t last)
{
    (void)first;
    (void)last;
    sk_live_wake_all(ctx);
}

void sk_live_readers_done(struct sk_live_readers *r)
{
    (void)pthread_mutex_destroy(&r->lock);
}
