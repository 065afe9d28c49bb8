/*
 * outbox.c - messages in the order they were made.
 *
 *     first                                next
 *       | done | sent | sent | waits | waits |
 *
 * A message keeps its number, from which its id is made, however often it is sent. Those that are
 * done at the front make room; after a loss what was sent waits again.
 */
#include "reporter/reporter_priv.h"

static struct sk_rep_mail *mail(struct sk_rep_outbox *o, uint64_t number)
{
    return &o->mails[number % SK_REP_OUTBOX];
}

bool sk_rep_outbox_is_full(const struct sk_rep_outbox *o)
{
    return o->next - o->first == SK_REP_OUTBOX;
}

bool sk_rep_outbox_is_empty(const struct sk_rep_outbox *o)
{
    return o->next == o->first;
}

static void finish(struct sk_rep_outbox *o, uint64_t number)
{
    struct sk_rep_mail *m = mail(o, number);
    m->state = SK_REP_DONE;
    free(m->payload);
    m->payload = NULL;
    while (o->first < o->next && mail(o, o->first)->state == SK_REP_DONE)
        o->first++;
}

/* The oldest that waits goes, when it is the front: behind one that is under way there is no room
 * to be won. */
unsigned sk_rep_outbox_add(struct sk_rep_outbox *o, char *payload, size_t len)
{
    unsigned dropped = 0;
    if (sk_rep_outbox_is_full(o)) {
        dropped = 1;
        if (mail(o, o->first)->state != SK_REP_WAITS) {
            free(payload);
            return dropped;
        }
        finish(o, o->first);
    }
    *mail(o, o->next++) = (struct sk_rep_mail){ SK_REP_WAITS, payload, len };
    return dropped;
}

bool sk_rep_outbox_next(const struct sk_rep_outbox *o, uint64_t n, uint64_t *number)
{
    for (n = n < o->first ? o->first : n; n < o->next; n++)
        if (o->mails[n % SK_REP_OUTBOX].state == SK_REP_WAITS) {
            *number = n;
            return true;
        }
    return false;
}

bool sk_rep_outbox_acked(struct sk_rep_outbox *o, uint64_t number, bool is_acked)
{
    if (number < o->first || number >= o->next || mail(o, number)->state != SK_REP_SENT)
        return false;
    if (is_acked)
        finish(o, number);
    else
        mail(o, number)->state = SK_REP_WAITS;
    return is_acked;
}

void sk_rep_outbox_done(struct sk_rep_outbox *o)
{
    for (; o->first < o->next; o->first++) {
        free(mail(o, o->first)->payload);
        mail(o, o->first)->payload = NULL;
    }
}
