/*
 * api_telemetry_priv.h - between the pages, the feeds and the consumer groups of telemetry.
 */
#ifndef SK_HUB_API_TELEMETRY_PRIV_H
#define SK_HUB_API_TELEMETRY_PRIV_H

#include "hub/iot_priv.h"

/* The journal that a call's route is of. */
struct sk_telemetry *sk_hub_journal(const struct sk_hub_call *call);
/* The filters of its query; texts live as long as the request. */
int sk_telemetry_query(struct sk_hub_call *call, struct sk_telemetry_filter *f,
                       struct sk_err *err) SK_CHECK;
/* Messages with commas between them; *last: the number of the last, when *count > 0. 0, -1, or
 * SK_TELEMETRY_LATER: *last is then the last that was looked at. */
int sk_telemetry_page(struct sk_telemetry_reader *r, uint64_t max, struct sk_buf *out,
                      uint64_t *last, uint64_t *count, struct sk_err *err) SK_CHECK;

/* ---- feed.c: answers that come over time ---- */
void sk_feed_stream(struct sk_hub_call *call);
void sk_feed_export(struct sk_hub_call *call);
/* Answers {"messages":[..],"next":n} when there is a message, or after wait_ms. next: what to
 * commit when they are done with. Takes the reader. */
void sk_feed_wait(struct sk_hub_call *call, struct sk_telemetry_reader *reader, uint64_t next,
                  uint64_t max, uint64_t wait_ms);

/* ---- api_groups.c ---- */
void sk_groups_list(struct sk_hub_call *call);
void sk_groups_get(struct sk_hub_call *call, const char *name);    /* raw */
void sk_groups_change(struct sk_hub_call *call, const char *name); /* POST, DELETE */

#endif
