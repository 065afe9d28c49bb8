/*
 * telemetry.h - messages of devices as the hub keeps them: with their properties, in a journal on
 * the disk, read by device and time, live, and by consumer groups.
 *
 * A message's record in the journal has the key "device" or "device/module" and a body of this
 * module's own (format in record.c): source, properties, the client's body. The same form holds
 * events (connections, twin changes, deployments), which are kept in a journal of their own.
 *
 * As JSON a message is
 *     {"sequence":7,"enqueuedTime":"..","deviceId":"d","moduleId":"m","output":"o",
 *      "source":"Telemetry","systemProperties":{"content-type":"application/json",..},
 *      "properties":{"a":"b"},"body":<JSON, when the content type says so and it is>,
 *      "bodyText": <other UTF-8>, "bodyBase64": <the rest>}
 *
 * Errors: those of journal.h and db.h. Threads: all but a reader may be shared.
 */
#ifndef SK_TELEMETRY_TELEMETRY_H
#define SK_TELEMETRY_TELEMETRY_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "db/db.h"
#include "iot/iot.h"
#include "journal/journal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sk_telemetry;

struct sk_telemetry_options {
    const char *dir;                /* of the journal */
    const char *name;               /* "telemetry", "events": of its consumer groups */
    struct sk_db *db;               /* for consumer groups; its disk is the journal's */
    uint64_t max_bytes, max_age_ms; /* retention; 0: no bound */
    uint32_t gather_ms; /* groups begin so far apart, however much comes: nobody waits for it; 0 */
    /* After each commit, on the journal's thread: readers may go on. May be NULL. */
    void (*committed)(void *ctx, uint64_t first, uint64_t last);
    void *ctx;
};

int sk_telemetry_open(const struct sk_telemetry_options *opts, struct sk_telemetry **out,
                      struct sk_err *err) SK_CHECK;
void sk_telemetry_close(struct sk_telemetry *t);
SK_DEFINE_OWN(struct sk_telemetry, sk_telemetry_close);
void sk_telemetry_state(struct sk_telemetry *t, struct sk_journal_state *out);
/* Removes what is too old though nothing new comes. The hub calls it every few seconds. */
int sk_telemetry_trim(struct sk_telemetry *t, struct sk_err *err) SK_CHECK;

/* One message; everything is copied. */
struct sk_message {
    const char *device, *module; /* module "": of the device */
    const char *source; /* "Telemetry", "twinChangeEvents", "deviceConnectionStateEvents", .. */
    const char *generation, *auth_method; /* stamps; "" for none. auth_method: JSON text */
    int64_t enqueued_ms;                  /* 0: now */
    const struct sk_iot_bag *bag; /* as the client sent it; its stamps are dropped; NULL: none */
    struct sk_view body;
    bool is_retained, is_will; /* become the properties mqtt-retain, iothub-MessageType: Will */
};

/* SK_TOO_LARGE beyond SK_IOT_MESSAGE_MAX; SK_BUSY. done as in journal.h. */
int sk_telemetry_add(struct sk_telemetry *t, const struct sk_message *m,
                     void (*done)(void *ctx, uint64_t seq, const struct sk_err *failed), void *ctx,
                     struct sk_err *err) SK_CHECK;

/* An event about a device or module, its body JSON. done as above. */
int sk_telemetry_add_event(struct sk_telemetry *t, const char *device, const char *module,
                           const char *generation, const char *source, struct sk_view json,
                           void (*done)(void *ctx, uint64_t seq, const struct sk_err *failed),
                           void *ctx, struct sk_err *err) SK_CHECK;

/* ---- reading ---- */
struct sk_telemetry_filter {
    const char *device, *module, *output, *source; /* NULL: any; module "": the device's own */
    int64_t from_ms, until_ms;
    uint64_t from_seq;
    bool is_backwards;
};

struct sk_telemetry_reader;

enum {
    SK_TELEMETRY_LATER = 2
};

/* SK_INVALID: a device or module that nobody can be named. A device's messages (module NULL) cost
 * what there is of it and its modules; output and source are looked for in all that is there. */
int sk_telemetry_read(struct sk_telemetry *t, const struct sk_telemetry_filter *filter,
                      struct sk_telemetry_reader **out, struct sk_err *err) SK_CHECK;
/* For who must not wait: after so many records that do not fit, SK_TELEMETRY_LATER comes instead of
 * a message, with *seq the last one looked at, and the next call goes on there. 0: never. */
void sk_telemetry_reader_patience(struct sk_telemetry_reader *r, unsigned records);
/* 1: a message; 0: none at present; -1. Appends it to json (NULL: not wanted) as above. *seq: its
 * number. */
int sk_telemetry_next(struct sk_telemetry_reader *r, struct sk_buf *json, uint64_t *seq,
                      struct sk_err *err) SK_CHECK;
/* The same as a line of CSV: sequence, enqueuedTime, deviceId, moduleId, output, contentType,
 * properties (JSON), body (text, or base64 with a prefix "base64:"). */
int sk_telemetry_next_csv(struct sk_telemetry_reader *r, struct sk_buf *csv, uint64_t *seq,
                          struct sk_err *err) SK_CHECK;
void sk_telemetry_csv_head(struct sk_buf *csv);
void sk_telemetry_reader_free(struct sk_telemetry_reader *r);
SK_DEFINE_OWN(struct sk_telemetry_reader, sk_telemetry_reader_free);

/* ---- consumer groups ---- */
/* The number to read from; a group that is new starts at the oldest (from_start) or with the next
 * message. */
int sk_consumer_next(struct sk_telemetry *t, const char *group, bool from_start, uint64_t *next,
                     struct sk_err *err) SK_CHECK;
/* What is below `next` is done with. Going back is allowed, for reading again. */
int sk_consumer_commit(struct sk_telemetry *t, const char *group, uint64_t next,
                       struct sk_err *err) SK_CHECK;
int sk_consumer_delete(struct sk_telemetry *t, const char *group, struct sk_err *err) SK_CHECK;
/* {"groups":[{"name","next","lag","updated"}]} */
int sk_consumer_list(struct sk_telemetry *t, struct sk_buf *json, struct sk_err *err) SK_CHECK;

#endif
