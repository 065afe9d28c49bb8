/*
 * telemetry_priv.h - a message's record in the journal.
 *
 *     u8 format (1)   u8 flags
 *     u8 n, source    u8 n, generation    u8 n, auth method
 *     u16 count, then for each property: u16 n, name, u16 n, value (0xffff: no value)
 *     the rest: the client's body
 *
 * Integers are little-endian. Property names are those of the wire ("$.ct"). The record's key says
 * whose it is, its time when it was enqueued.
 */
#ifndef SK_TELEMETRY_TELEMETRY_PRIV_H
#define SK_TELEMETRY_TELEMETRY_PRIV_H

#include "telemetry/telemetry.h"

enum {
    SK_RECORD_FORMAT = 1,
    SK_RECORD_RETAINED = 1,
    SK_RECORD_WILL = 2,
    SK_RECORD_NO_VALUE = 0xffff,
    SK_RECORD_MAX = SK_IOT_MESSAGE_MAX + 70000, /* what may stand beside what counts */
    SK_CONSUMER_NAME_MAX = 64,
    SK_CONSUMERS_MAX = 100 /* groups of one journal */
};

struct sk_telemetry {
    struct sk_journal *journal;
    struct sk_db *db;
    char name[32];
};

/* A record read; views into its bytes. */
struct sk_stored {
    struct sk_view device, module; /* of the key */
    struct sk_view source, generation, auth_method;
    unsigned flags, count;
    struct sk_view properties; /* encoded; see sk_stored_property */
    struct sk_view body;
};

/* Appends; the caller looks at sk_buf_ok. */
void sk_stored_write(const struct sk_message *m, struct sk_buf *out);
/* SK_CORRUPT: not of this form, or no text where text must be: so what is printed is always valid.
 */
int sk_stored_read(struct sk_view key, struct sk_view bytes, struct sk_stored *out,
                   struct sk_err *err) SK_CHECK;
/* The next property: *at is 0 at first. False: no more. */
bool sk_stored_property(const struct sk_stored *r, size_t *at, struct sk_iot_property *out);
/* The last value of a name; empty: it has none. */
struct sk_view sk_stored_find(const struct sk_stored *r, const char *name);

/* These append; SK_LIMIT, SK_NOMEM. */
int sk_stored_json(const struct sk_stored *r, uint64_t seq, int64_t time_ms, struct sk_buf *out,
                   struct sk_err *err) SK_CHECK;
int sk_stored_csv(const struct sk_stored *r, uint64_t seq, int64_t time_ms, struct sk_buf *out,
                  struct sk_err *err) SK_CHECK;
/* UTF-8 without NUL. */
bool sk_stored_is_text(struct sk_view v);

#endif
