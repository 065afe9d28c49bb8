/*
 * track_priv.h - a training as a run at a hub, live.
 *
 * The training's thread puts what happens into a bounded queue and never waits; a thread of its own
 * talks to the hub. A hub that is away is said once, what happened meanwhile is sent when it is
 * back. At the end the files of the bundle and the status follow; that too has a bound, and what
 * could not be sent is said, at the hub too: the run is ended there as FAILED or KILLED with the
 * tag skerry.incomplete, if the hub can be reached then.
 */
#ifndef SK_CLI_TRACK_PRIV_H
#define SK_CLI_TRACK_PRIV_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "remote/remote.h"
#include "train/train.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SK_TRACK_QUEUE = 4096,     /* epochs that wait for the hub; the oldest go first */
    SK_TRACK_EPOCHS = 100,     /* of one message: a batch of MLflow has at most 1,000 metrics */
    SK_TRACK_PAUSE_MS = 30000, /* the longest between two tries */
    SK_TRACK_CLOSE_MS = 5000,  /* after giving up: to end the run at the hub */
    SK_TRACK_LACKS_TEXT = 160,
    SK_TRACK_ID_TEXT = 33,
    SK_TRACK_NOTES = 4,
    SK_TRACK_NOTE_TEXT = 600
};

struct sk_track_options {
    const char *hub;                   /* a context's name or a URL */
    const char *experiment, *run_name; /* NULL: "Default"; the hub's choice */
    const struct sk_train_options *train;
    struct sk_train_watch shown; /* what the user sees; it gets our notes too */
    uint64_t last_ms;            /* at the end: without a success for so long, it is given up */
};

struct sk_track;

/* Finds the hub's context and starts the thread; nothing is sent yet. Errors: those of
 * sk_context_load. Everything in opts must outlive the tracking. */
int sk_track_start(const struct sk_track_options *opts, struct sk_track **out,
                   struct sk_err *err) SK_CHECK;
/* Passes everything on to opts->shown and reports it; the first batch makes the run. */
struct sk_train_watch sk_track_watch(struct sk_track *t);
/* Sends what is left: figures, files of the bundle (not of a training that failed), status
 * FINISHED, KILLED or FAILED (that too when something is missing). Says what could not be sent.
 * failed NULL: result is valid. Ends the thread; t is gone afterwards. A NULL t is fine. */
void sk_track_end(struct sk_track *t, const struct sk_train_result *result,
                  const struct sk_err *failed);

struct sk_track_point {
    struct sk_train_epoch epoch;
    int64_t at_ms;
};

/* ---- track_calls.c: one thing each; of the thread ---- */
struct sk_track {
    struct sk_track_options o;
    struct sk_context context;
    struct sk_remote *remote; /* of the thread */
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows up to "of the thread" */
    pthread_cond_t wake;
    struct sk_track_point *points; /* a ring of SK_TRACK_QUEUE */
    size_t first, count, dropped;
    int64_t start_ms, end_ms; /* 0: not yet */
    struct sk_train_result result;
    bool failed, has_ended;                         /* the training */
    char why[SK_ERR_TEXT];                          /* it failed */
    char notes[SK_TRACK_NOTES][SK_TRACK_NOTE_TEXT]; /* for the training's thread to say */
    unsigned note_count;
    uint64_t last_success_ms;

    /* of the thread */
    char run_id[64], artifacts[256], experiment_id[32];
    char tracking_id[SK_TRACK_ID_TEXT];
    bool tried, has_settings, is_over;
    bool lacks_settings, lacks_result, lacks_files; /* refused, or given up */
    char reason[SK_ERR_TEXT];                       /* of the last failure */
    unsigned last_epoch;
    unsigned failures; /* in a row */
    uint64_t moved;    /* of the body under way */
    size_t files_sent;
};

int sk_track_make_run(struct sk_track *t, struct sk_err *err) SK_CHECK;
int sk_track_send_settings(struct sk_track *t, struct sk_err *err) SK_CHECK;
/* Those that wait; there are some. */
int sk_track_send_points(struct sk_track *t, struct sk_err *err) SK_CHECK;
int sk_track_send_result(struct sk_track *t, struct sk_err *err) SK_CHECK;
int sk_track_send_files(struct sk_track *t, struct sk_err *err) SK_CHECK;
/* With the tag skerry.incomplete before it when sk_track_lacks. */
int sk_track_send_status(struct sk_track *t, struct sk_err *err) SK_CHECK;
/* Whether the run at the hub is not whole, and what it is without: "settings, 3 epochs". */
bool sk_track_lacks(struct sk_track *t, char out[SK_TRACK_LACKS_TEXT]);
/* The run that an earlier try made without our hearing of it, if there is one. */
int sk_track_find_run(struct sk_track *t, struct sk_err *err) SK_CHECK;
/* Something was sent just now. */
void sk_track_succeed(struct sk_track *t);

/* ---- track_body.c: what is sent ---- */
/* runs/create, runs/log-batch with the settings, with figures, with the result */
void sk_track_write_run(const struct sk_track_options *o, const char *experiment_id,
                        const char *tracking_id, int64_t start_ms, struct sk_buf *out);
void sk_track_write_settings(const struct sk_train_options *o, const char *run_id,
                             struct sk_buf *out);
void sk_track_write_points(const struct sk_track_point *points, size_t count, const char *run_id,
                           struct sk_buf *out);
void sk_track_write_result(const struct sk_train_result *r, unsigned epoch, int64_t at_ms,
                           const char *run_id, struct sk_buf *out);
void sk_track_write_failure(const char *why, const char *run_id, struct sk_buf *out);
void sk_track_write_lacks(const char *what, const char *run_id, struct sk_buf *out);
const char *sk_track_status(const struct sk_train_result *r); /* NULL: FAILED */

#endif
