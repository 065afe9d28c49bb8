/* monitor_priv.h - between cmd_monitor.c (reading), monitor_row.c (a message as a line) and
 * monitor_summary.c (figures). */
#ifndef SK_CLI_MONITOR_PRIV_H
#define SK_CLI_MONITOR_PRIV_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- monitor_row.c ---- */
/* What a message of the hub (telemetry.h) says; texts are borrowed from it. */
struct sk_monitor_row {
    const char *time, *device, *module;
    int64_t time_ms;
    struct sk_json *parsed; /* of a body that came as text and is JSON */
    const struct sk_json *body;
    const char *text; /* of a body that is no JSON; NULL: it is, or is no text either */
    const char *prediction;
    char version[64];              /* "": none */
    double confidence, latency_ms; /* NaN: none */
    const char *event;             /* of an event: what happened */
};

void sk_monitor_row_read(const struct sk_json *message, struct sk_monitor_row *out);
void sk_monitor_row_done(struct sk_monitor_row *r);

struct sk_monitor_look {
    bool is_events;
    bool has_colours;
    unsigned width; /* of the terminal; 0: nothing is cut */
};

void sk_monitor_heading(const struct sk_monitor_look *look, struct sk_buf *out);
void sk_monitor_line(const struct sk_json *message, const struct sk_monitor_look *look,
                     struct sk_buf *out);

/* ---- monitor_summary.c ---- */
enum {
    SK_SUMMARY_GROUPS = 256,     /* device, module and version; those beyond are counted as one */
    SK_SUMMARY_SAMPLES = 16384,  /* of a group; then the older half goes */
    SK_SUMMARY_PREDICTIONS = 32, /* of a group; those beyond are "(others)" */
    SK_SUMMARY_NAME = 129
};

struct sk_summary;

/* Figures of the last window_ms. */
int sk_summary_new(uint64_t window_ms, struct sk_summary **out, struct sk_err *err) SK_CHECK;
void sk_summary_free(struct sk_summary *s);
SK_DEFINE_OWN(struct sk_summary, sk_summary_free);
int sk_summary_add(struct sk_summary *s, const struct sk_monitor_row *row,
                   struct sk_err *err) SK_CHECK;
/* Times of the first message and of the newest, 0: none yet. */
int64_t sk_summary_first(const struct sk_summary *s);
int64_t sk_summary_newest(const struct sk_summary *s);
/* A table, or (as_json) an object a line, as of now_ms on the hub's clock; since_ms: when reading
 * began (0: longer ago than the window). Returns the number of lines. */
unsigned sk_summary_print(struct sk_summary *s, int64_t now_ms, int64_t since_ms, bool as_json,
                          struct sk_buf *out);

/* ---- monitor_read.c ---- */
enum {
    SK_CLI_MESSAGE_BYTES = 16 << 20 /* of one message as JSON */
};

struct sk_monitor_source {
    const char *hub; /* context or URL; NULL: the current one */
    const char *device, *module, *output;
    const char *since; /* "10m", "2026-11-29T05:00:00Z"; NULL: none */
    const char *group; /* consumer group; NULL: none */
    uint64_t max;      /* messages before now, when there is no since */
    bool is_events, is_following;
    /* text is the message as it came, JSON without line breaks. */
    int (*each)(void *ctx, const struct sk_json *message, const char *text, struct sk_err *err);
    void (*tick)(void *ctx); /* about once a second, and after messages; may be NULL */
    void *ctx;
};

/* Tells messages, oldest first, until there are no more; when following, until Ctrl-C, SIGTERM, or
 * a failure that waiting does not cure. Breaks of the connection are told on standard error. */
int sk_monitor_read(const struct sk_monitor_source *s, struct sk_err *err) SK_CHECK;

#endif
