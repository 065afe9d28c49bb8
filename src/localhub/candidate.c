/*
 * candidate.c - what a candidate publishes: kept aside in the spool, under an endpoint of its own,
 * until the agent has decided.
 *
 *     promote: "releasing" of its identity is its name; the role and that are one write of
 *              sessions.json, so after a crash both hold or none.
 *     release: each message goes where the routes say, in order; it is delivered (out of here) when
 *              it is stored there. What the instance publishes meanwhile goes in here, behind them.
 *     empty:   the endpoint is dropped, and "releasing" is empty again.
 *     demote, or it is gone: the endpoint is dropped.
 *
 * A crash in the middle of it releases some messages twice; they keep their ids.
 */
#include "localhub/localhub_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

enum {
    RETRY_MS = 1000
};

void sk_lh_aside_endpoint(const char *instance, char out[SK_SPOOL_ENDPOINT_MAX])
{
    (void)snprintf(out, SK_SPOOL_ENDPOINT_MAX, "candidate/%s", instance);
}

void sk_lh_release(struct sk_lh_ident *id, const char *instance)
{
    char endpoint[SK_SPOOL_ENDPOINT_MAX];
    sk_lh_aside_endpoint(instance, endpoint);
    memmove(id->releasing, instance, strlen(instance) + 1);
    sk_lh_files_sessions(id->hub, NULL);
    sk_lh_pump_endpoint(id->hub, endpoint);
}

void sk_lh_drop_aside(struct sk_lh *h, struct sk_lh_ident *id, const char *instance)
{
    char endpoint[SK_SPOOL_ENDPOINT_MAX];
    struct sk_lh_pump *p = &h->pump;
    sk_lh_aside_endpoint(instance, endpoint);
    if (id && strcmp(id->releasing, instance) == 0)
        *id->releasing = '\0';
    sk_lh_pump_endpoint(h, endpoint);
    SK_LOCK(&p->lock);
    for (struct sk_lh_input *in = p->inputs; in; in = in->next)
        if (strcmp(in->endpoint, endpoint) == 0)
            in->is_gone = true;
}

/* ---- the pump's ---- */

struct passing {
    struct sk_lh *hub;
    uint64_t token;
};

static void on_passed(void *ctx, const struct sk_err *failed)
{
    SK_OWN(free) struct passing *m = ctx;
    const struct sk_lh_ack ack = { .token = m->token, .is_acked = failed == NULL };
    sk_lh_pump_ack(m->hub, &ack);
}

static struct sk_lh_ident *releasing(struct sk_lh *h, const struct sk_lh_input *in)
{
    const char *instance = strchr(in->endpoint, '/') + 1;
    for (struct sk_lh_ident *id = h->idents; id; id = id->next)
        if (strcmp(id->releasing, instance) == 0)
            return id;
    return NULL;
}

/* 0: on its way; 1: it has nowhere to go; -1. */
static int pass(struct sk_lh *h, struct sk_lh_input *in, struct sk_lh_ident *id,
                const struct sk_spool_item *item, struct sk_err *err)
{
    char output[SK_IOT_ID_MAX + 1];
    SK_AUTO(sk_iot_bag_done) struct sk_iot_bag bag = { 0 };
    SK_OWN(free) struct passing *m = malloc(sizeof *m);
    if (!m)
        return sk_nomem(err);
    if (sk_iot_bag_parse(item->bag, &bag, err) < 0)
        return -1;
    *m = (struct passing){ .hub = h, .token = SK_LH_TOKEN_INPUT | h->pump.next_token++ };
    /* Not as its instance's: that would bring it back here. */
    sk_lh_output_of(item->key, output, sizeof output);
    const int rc = sk_lh_put(h, id, "", output, &bag, item->bag, item->body, on_passed, m, err);
    if (rc == 0) {
        (void)sk_lh_flight_add(in, item, id, m->token);
        (void)SK_TAKE(m);
    }
    return rc;
}

static void close_endpoint(struct sk_lh *h, struct sk_lh_input *in)
{
    struct sk_err err = SK_ERR_INIT;
    sk_spool_reader_free(SK_TAKE(in->reader));
    if (sk_spool_drop(h->spool, in->endpoint, &err) < 0)
        sk_log(SK_WARN, "spool_not_dropped", "endpoint=\"%s\" error=\"%s\"", in->endpoint,
               err.text);
    in->has_more = in->is_gone = false;
    memset(in->flights, 0, sizeof in->flights);
    in->in_flight = 0;
    in->bytes_in_flight = 0;
}

static bool is_to_be_dropped(struct sk_lh *h, const struct sk_lh_input *in)
{
    SK_LOCK(&h->pump.lock);
    return in->is_gone;
}

uint64_t sk_lh_release_round(struct sk_lh *h, struct sk_lh_input *in, uint64_t now_ms)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_spool_item item;
    if (is_to_be_dropped(h, in)) {
        close_endpoint(h, in);
        return UINT64_MAX;
    }
    if (now_ms < in->retry_at_ms)
        return in->retry_at_ms;
    SK_LOCK(&h->lock);
    struct sk_lh_ident *id = releasing(h, in);
    if (!id)
        return UINT64_MAX;
    if (!in->reader && sk_spool_reader(h->spool, in->endpoint, &in->reader, &err) < 0) {
        in->retry_at_ms = now_ms + RETRY_MS;
        return in->retry_at_ms;
    }
    while (in->in_flight < SK_LH_INPUT_WINDOW) {
        int rc = sk_spool_next(in->reader, (int64_t)sk_wall_ms(), &item, &err);
        if (rc == 0)
            break;
        if (rc > 0)
            rc = pass(h, in, id, &item, &err);
        if (rc == 1)
            sk_spool_delivered(in->reader, item.priority, item.seq);
        if (rc < 0) { /* a full disk, say: all of it again, in order */
            sk_log(SK_WARN, "release_waits", "instance=\"%s\" error=\"%s\"", id->releasing,
                   err.text);
            sk_lh_flights_forget(in);
            in->retry_at_ms = now_ms + RETRY_MS;
            return in->retry_at_ms;
        }
    }
    if (in->in_flight == 0 && id->puts_aside == 0) {
        sk_log(SK_INFO, "candidate_released", "id=\"%s\" instance=\"%s\"", id->key, id->releasing);
        *id->releasing = '\0';
        sk_lh_files_sessions(h, NULL);
        close_endpoint(h, in);
    }
    return UINT64_MAX;
}
