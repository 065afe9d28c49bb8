/*
 * reporter_priv.h - what is between a result and its message.
 *
 *     any thread    sk_reporter_result --> ring (each, sampled) or sums (summary)
 *                                               |
 *     sender        sender.c: signs, opens the line, ring --> outbox --> publishes, sends again
 *                                               |
 *     dialer's      link.c: PUBACK --> outbox; twin --> settings; what happened --> flags
 *
 * One mutex guards it all; nobody holds it while calling elsewhere.
 */
#ifndef SK_REPORTER_REPORTER_PRIV_H
#define SK_REPORTER_REPORTER_PRIV_H

#include "reporter/reporter.h"

#include "base/buf.h"
#include "base/str.h"
#include "base/thread.h"
#include "mqtt/mqtt.h"
#include "json/json.h"

enum {
    SK_REP_RING = 1024,       /* results that wait */
    SK_REP_OUTBOX = 128,      /* messages that were made and not acknowledged */
    SK_REP_LABEL_BYTES = 112, /* with NUL; longer ones are cut */
    SK_REP_LABELS = 100,      /* in one summary; then "other" */
    SK_REP_BUCKETS = 1100,    /* of latencies, each 2 % wide, from 1 us */
    SK_REP_MESSAGE_BYTES = 200 << 10,
    SK_REP_EVERY = 10, /* the defaults, and what settings may be */
    SK_REP_EVERY_MAX = 1000000,
    SK_REP_INTERVAL_S = 60,
    SK_REP_INTERVAL_MAX_S = 86400,
    SK_REP_TTL_S = 3600,    /* of a token; renewed when four fifths are over */
    SK_REP_CALL_MS = 5000,  /* of the workload API */
    SK_REP_TWIN_MS = 10000, /* without an answer the twin is asked for again */
    SK_REP_TEXT = 512       /* of an error, and of names */
};

/* ---- env.c: who we are; texts are malloc'd ---- */
struct sk_rep_env {
    char *hub, *device, *module, *gateway, *generation, *workload, *api_version;
    uint16_t port;  /* of the gateway: 8883 */
    unsigned ttl_s; /* SK_REP_TTL_S */
};

/* From the environment. SK_INVALID: which variable is missing, or wrong. */
int sk_rep_env_read(struct sk_rep_env *e, struct sk_err *err) SK_CHECK;
void sk_rep_env_done(struct sk_rep_env *e);

/* ---- sign.c: calls of the workload API; they wait ---- */
/* PEM. */
int sk_rep_trust(const struct sk_rep_env *e, struct sk_buf *pem, struct sk_err *err) SK_CHECK;
/* A token that is valid until expires_s. */
int sk_rep_token(const struct sk_rep_env *e, int64_t expires_s, struct sk_buf *token,
                 struct sk_err *err) SK_CHECK;

/* ---- settings.c ---- */
struct sk_rep_settings {
    enum sk_reporter_mode mode;
    unsigned every, interval_s;
};

/* Applies "telemetry" of a twin's desired properties over base; absent or null members are base's.
 * SK_INVALID: what is wrong with it; *out is untouched then. */
int sk_rep_settings_read(const struct sk_json *desired, const struct sk_rep_settings *base,
                         struct sk_rep_settings *out, struct sk_err *err) SK_CHECK;
/* {"telemetry":{"mode":..,"every":..,"intervalSeconds":..,"error":..}}; error "": null, which
 * removes it. */
void sk_rep_settings_write(const struct sk_rep_settings *s, const char *error, struct sk_buf *out);
/* Whether a twin's reported properties say this already. */
bool sk_rep_settings_are(const struct sk_json *reported, const struct sk_rep_settings *s,
                         const char *error);

/* ---- message.c ---- */
struct sk_rep_result {
    char label[SK_REP_LABEL_BYTES];
    double confidence, latency_ms;
    int64_t time_ms;
};

/* Copies; a label is cut between characters. */
void sk_rep_result_set(struct sk_rep_result *out, const struct sk_reporter_result *in);

struct sk_rep_model {
    const char *version, *digest, *device;
};

void sk_rep_message(const struct sk_rep_result *r, const struct sk_rep_model *m,
                    struct sk_buf *out);
/* The topic of a message with this id. */
void sk_rep_topic(const struct sk_rep_env *e, const char *output, const char *id,
                  struct sk_buf *out);

/* ---- summary.c ---- */
struct sk_rep_summary {
    uint64_t count, errors;
    int64_t since_ms; /* wall clock */

    struct {
        char name[SK_REP_LABEL_BYTES];
        uint64_t count;
    } labels[SK_REP_LABELS];

    size_t label_count;
    uint64_t others;
    double max_ms;
    uint32_t buckets[SK_REP_BUCKETS];
};

void sk_rep_summary_add(struct sk_rep_summary *s, const struct sk_reporter_result *r);
void sk_rep_summary_clear(struct sk_rep_summary *s, int64_t now_ms);
/* The latency that a share (0 to 1) of the results does not exceed, within 2 %. */
double sk_rep_summary_percentile(const struct sk_rep_summary *s, double share);
void sk_rep_summary_write(const struct sk_rep_summary *s, const struct sk_rep_model *m,
                          unsigned interval_s, int64_t now_ms, struct sk_buf *out);

/* ---- outbox.c: messages in order, until they are acknowledged; the caller locks ---- */
enum sk_rep_state {
    SK_REP_WAITS,
    SK_REP_SENT,
    SK_REP_DONE
};

struct sk_rep_mail {
    enum sk_rep_state state;
    char *payload;
    size_t len;
};

/* The one with number n is mails[n % SK_REP_OUTBOX]. Zeroed: empty. */
struct sk_rep_outbox {
    struct sk_rep_mail mails[SK_REP_OUTBOX];
    uint64_t first, next; /* numbers of the oldest, and behind the newest */
};

bool sk_rep_outbox_is_full(const struct sk_rep_outbox *o);
bool sk_rep_outbox_is_empty(const struct sk_rep_outbox *o);
/* Takes the payload (malloc'd). When full, the oldest that is not under way goes; returns how many
 * were dropped (the new one, when all are under way). */
unsigned sk_rep_outbox_add(struct sk_rep_outbox *o, char *payload, size_t len);
/* The oldest that waits from number n on; false: none. */
bool sk_rep_outbox_next(const struct sk_rep_outbox *o, uint64_t n, uint64_t *number);
/* PUBACK came, or will not. Returns whether it is done by this. */
bool sk_rep_outbox_acked(struct sk_rep_outbox *o, uint64_t number, bool is_acked);
void sk_rep_outbox_done(struct sk_rep_outbox *o);

/* ---- the reporter ---- */
struct sk_reporter {
    struct sk_rep_env env; /* constant, like the next */
    char *output, *version, *digest;
    struct sk_rep_model model;
    struct sk_rep_settings base; /* of the options */
    char id_prefix[24];

    pthread_t thread;
    bool has_thread;
    pthread_cond_t wake;
    pthread_mutex_t lock; /* guards all below */

    struct sk_rep_settings settings;
    char error[SK_REP_TEXT]; /* of the last settings; "" */
    struct sk_rep_result ring[SK_REP_RING];
    size_t ring_first, ring_count;
    uint64_t sample; /* results since sampling began */
    struct sk_rep_summary summary;
    uint64_t summary_end_ms; /* monotonic */
    struct sk_rep_outbox outbox;
    uint64_t results, sent, dropped;

    bool is_up, wants_login, wants_trust, wants_twin, wants_report, may_publish;
    unsigned twin_rid; /* of the question that is under way; 0: none */
    unsigned next_rid;
    uint64_t twin_end_ms; /* of waiting for its answer */
    uint64_t renew_ms;    /* 0: not before the next login */
    bool stops;
    uint64_t stop_ms; /* monotonic */

    /* of the sender alone */
    struct sk_mqtt_dialer *dialer;
    struct sk_mqtt_line *line;
    int ca_fd;
    uint64_t trust_ms; /* when the trust bundle was last asked for */
    unsigned pause_ms; /* before it is asked for again */
};

/* ---- reporter.c ---- */
/* env is taken. */
int sk_rep_new(struct sk_rep_env *env, const struct sk_reporter_options *opts,
               struct sk_reporter **out, struct sk_err *err) SK_CHECK;
/* With the lock held: a message is in the outbox, what fell out is counted. payload is taken; NULL:
 * memory was out. */
void sk_rep_post(struct sk_reporter *r, char *payload, size_t len);
/* With the lock held: the sums so far become a message, and begin anew. */
void sk_rep_sum_up(struct sk_reporter *r);

/* ---- link.c: what the line tells ---- */
extern const struct sk_mqtt_line_handler sk_rep_handler;
/* With the lock held: what a twin says of "telemetry" is in force. */
void sk_rep_apply(struct sk_reporter *r, const struct sk_json *desired);

/* ---- sender.c: the thread ---- */
void *sk_rep_sender(void *reporter);

#endif
