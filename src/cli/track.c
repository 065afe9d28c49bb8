/*
 * track.c - the thread that tells a hub about a training.
 *
 *     nothing --first batch--> run to be made --made--> points to be sent --end--> result, files,
 *                                                                                status, over
 *
 * The queue holds epochs until the hub has confirmed them; a message that is repeated after a lost
 * answer changes nothing there, since a point is its own key. The run is looked for by a random
 * tag before it is made again, so there is one.
 *
 * Failures: what may pass (no connection, time-outs, 5xx) is tried again after 1, 2, 4 ... 30 s,
 * and at the end for last_ms since the last success; what will not pass by itself (token,
 * role, 4xx) ends the tracking. Either way training goes on, and at its end one more try, of at
 * most SK_TRACK_CLOSE_MS, ends the run at the hub: nothing stays RUNNING there that nobody sends
 * to.
 */
#include "cli/track_priv.h"

#include "base/clock.h"
#include "base/str.h"
#include "base/thread.h"
#include "crypto/crypto.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LAST_PAUSE_MS = 2000 /* between two tries while somebody waits */
};

/* ---- what is said ---- */

static void say(struct sk_track *t, const char *text)
{
    SK_LOCK(&t->lock);
    if (t->note_count < SK_TRACK_NOTES)
        (void)snprintf(t->notes[t->note_count++], SK_TRACK_NOTE_TEXT, "%s", text);
}

static void pass_notes(struct sk_track *t)
{
    char notes[SK_TRACK_NOTES][SK_TRACK_NOTE_TEXT];
    unsigned count = 0;

    {
        SK_LOCK(&t->lock);
        count = t->note_count;
        memcpy(notes, t->notes, count * sizeof(notes[0]));
        t->note_count = 0;
    }
    for (unsigned i = 0; i < count; i++)
        t->o.shown.note(t->o.shown.ctx, notes[i]);
}

void sk_track_succeed(struct sk_track *t)
{
    SK_LOCK(&t->lock);
    t->last_success_ms = sk_now_ms();
}

/* Whether a call that is under way may go on: bytes that move are a success. */
static bool go_on(void *ctx, uint64_t done, uint64_t total)
{
    struct sk_track *t = ctx;

    (void)total;
    if (done != t->moved && done > 0)
        sk_track_succeed(t);
    t->moved = done;
    SK_LOCK(&t->lock);
    return !t->has_ended || sk_now_ms() - t->last_success_ms < t->o.last_ms;
}

/* ---- the thread ---- */

enum work {
    NOTHING,
    RUN,
    SETTINGS,
    POINTS,
    RESULT,
    FILES,
    STATUS,
    OVER
};

static int (*const works[])(struct sk_track *t, struct sk_err *err) = {
    [RUN] = sk_track_make_run,       [SETTINGS] = sk_track_send_settings,
    [POINTS] = sk_track_send_points, [RESULT] = sk_track_send_result,
    [FILES] = sk_track_send_files,   [STATUS] = sk_track_send_status,
};

/* What is to be done next; `done` is the last of the three steps of the end that succeeded. */
static enum work choose(struct sk_track *t, enum work done)
{
    SK_LOCK(&t->lock);
    if (t->start_ms == 0)
        return t->has_ended ? OVER : NOTHING;
    if (!*t->run_id)
        return RUN;
    if (!t->has_settings)
        return SETTINGS;
    if (t->count > 0)
        return POINTS;
    if (!t->has_ended)
        return NOTHING;
    if (done == STATUS)
        return OVER;
    if (done < RESULT && (t->failed || t->result.has_figures))
        return RESULT;
    return done < FILES && !t->failed ? FILES : STATUS;
}

static bool may_pass(const struct sk_err *err)
{
    switch (err->code) {
    case SK_UNAUTHENTICATED:
    case SK_DENIED:
    case SK_NOT_FOUND:
    case SK_INVALID:
    case SK_UNSUPPORTED:
    case SK_EXISTS:
    case SK_LIMIT:
        return false;
    default:
        return true;
    }
}

/* What the run can do without. */
static bool may_lack(enum work work)
{
    return work == SETTINGS || work == RESULT || work == FILES;
}

/* In words; a call that go_on ended has none, but those before it may have had. */
static void keep_reason(struct sk_track *t, const struct sk_err *why)
{
    if (why->code != SK_CANCELLED || !sk_ends_with(why->text, "stopped"))
        (void)snprintf(t->reason, sizeof(t->reason), "%s", why->text);
    else if (t->failures == 0)
        (void)snprintf(t->reason, sizeof(t->reason), "it does not answer");
}

/* What follows of a failure, for its note; false: nothing to say now. */
static bool say_then(struct sk_track *t, enum work work, const struct sk_err *why, char *out,
                     size_t cap)
{
    SK_LOCK(&t->lock);
    uint64_t waited_ms = t->has_ended ? sk_now_ms() - t->last_success_ms : 0;

    if (!may_pass(why))
        (void)snprintf(out, cap, "%s",
                       may_lack(work)  ? "that is left out"
                       : !t->has_ended ? "tracking ends, training goes on"
                                       : "tracking ends");
    else if (t->failures > 0 || waited_ms >= t->o.last_ms) /* once is enough; say_end has it */
        return false;
    else if (t->has_ended)
        (void)snprintf(out, cap, "trying for %.3g s more (--track-wait)",
                       (double)(t->o.last_ms - waited_ms) / 1000);
    else
        (void)snprintf(out, cap,
                       "while it trains, up to %d epochs are kept and sent when the hub answers",
                       SK_TRACK_QUEUE);
    return true;
}

static void say_failure(struct sk_track *t, enum work work, const struct sk_err *why)
{
    char text[SK_TRACK_NOTE_TEXT], then[120];

    keep_reason(t, why);
    if (!say_then(t, work, why, then, sizeof(then)))
        return;
    (void)snprintf(text, sizeof(text), "tracking: %.450s; %s", t->reason, then);
    say(t, text);
}

static void leave_out(struct sk_track *t, enum work work)
{
    t->lacks_settings |= work == SETTINGS;
    t->lacks_result |= work == RESULT;
    t->lacks_files |= work == FILES;
}

/* Waits before the next try. False: no more tries. */
static bool wait_for_next_try(struct sk_track *t)
{
    uint64_t pause_ms = t->failures < 5 ? 1000ull << t->failures : SK_TRACK_PAUSE_MS;
    uint64_t until = sk_now_ms() + pause_ms;
    SK_LOCK(&t->lock);

    while (sk_now_ms() < until) {
        if (t->has_ended && sk_now_ms() - t->last_success_ms > t->o.last_ms)
            return false;
        if (t->has_ended && until > sk_now_ms() + LAST_PAUSE_MS)
            until = sk_now_ms() + LAST_PAUSE_MS; /* somebody waits */
        (void)sk_cond_wait_until(&t->wake, &t->lock, until * 1000000ull);
    }
    return true;
}

static void wait_for_work(struct sk_track *t)
{
    SK_LOCK(&t->lock);
    if (!t->has_ended && (t->start_ms == 0 || t->count == 0))
        (void)sk_cond_wait_until(&t->wake, &t->lock, UINT64_MAX);
}

/* Does one thing, or says why not. False: tracking is over. */
static bool work_on(struct sk_track *t, enum work next, enum work *done)
{
    struct sk_err err = SK_ERR_INIT;

    if (works[next](t, &err) < 0) {
        say_failure(t, next, &err);
        if (may_pass(&err)) {
            bool again = wait_for_next_try(t);
            t->failures++;
            return again;
        }
        if (!may_lack(next))
            return false;
        leave_out(t, next);
        t->has_settings = true;
    } else if (t->failures > 0) {
        say(t, "tracking: the hub answers again");
    }
    t->failures = 0;
    sk_track_succeed(t);
    if (next >= RESULT)
        *done = next;
    return true;
}

/* It was given up: what is missing is written down, and the run ended at the hub, if that works
 * now. `done` as in choose. */
static void close_run(struct sk_track *t, enum work done)
{
    struct sk_err err = SK_ERR_INIT;

    {
        SK_LOCK(&t->lock);
        while (!t->has_ended)
            (void)sk_cond_wait_until(&t->wake, &t->lock, UINT64_MAX);
    }

    if (t->o.last_ms > SK_TRACK_CLOSE_MS)
        t->o.last_ms = SK_TRACK_CLOSE_MS;
    sk_track_succeed(t);
    if (!t->has_settings)
        leave_out(t, SETTINGS);
    if (done < RESULT && (t->failed || t->result.has_figures))
        leave_out(t, RESULT);
    if (done < FILES && !t->failed)
        leave_out(t, FILES);
    if (!*t->run_id && (!t->tried || sk_track_find_run(t, &err) < 0 || !*t->run_id))
        return;
    t->is_over = sk_track_send_status(t, &err) == 0;
}

static void *run(void *arg)
{
    struct sk_track *t = arg;
    enum work done = NOTHING;

    for (;;) {
        enum work next = choose(t, done);

        if (next == OVER)
            break;
        if (next == NOTHING) {
            wait_for_work(t);
        } else if (!work_on(t, next, &done)) {
            close_run(t, done);
            return NULL;
        }
    }
    t->is_over = done == STATUS;
    return NULL;
}

/* ---- what training calls ---- */

static void release(struct sk_track *t)
{
    if (!t)
        return;
    sk_remote_free(t->remote);
    sk_context_done(&t->context);
    free(t->points);
    (void)pthread_cond_destroy(&t->wake);
    (void)pthread_mutex_destroy(&t->lock);
    free(t);
}

SK_DEFINE_OWN(struct sk_track, release);

static int make_id(char out[SK_TRACK_ID_TEXT], struct sk_err *err)
{
    unsigned char bytes[16];

    if (sk_random(bytes, sizeof(bytes), err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof(bytes); i++)
        (void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}

int sk_track_start(const struct sk_track_options *opts, struct sk_track **out, struct sk_err *err)
{
    SK_OWN(release) struct sk_track *t = calloc(1, sizeof(*t));

    if (!t)
        return sk_nomem(err);
    (void)pthread_mutex_init(&t->lock, NULL);
    t->o = *opts;
    t->points = calloc(SK_TRACK_QUEUE, sizeof(*t->points));
    if (!t->points)
        return sk_nomem(err);
    if (sk_context_load(opts->hub, &t->context, err) < 0 ||
        sk_remote_new(&t->context, &t->remote, err) < 0)
        return -1;

    sk_remote_ask(t->remote, go_on, t);
    if (make_id(t->tracking_id, err) < 0 || sk_cond_init(&t->wake, err) < 0)
        return -1;
    if (sk_thread_start(&t->thread, "track", run, t, err) < 0)
        return -1;
    *out = SK_TAKE(t);
    return 0;
}

static void note(void *ctx, const char *text)
{
    struct sk_track *t = ctx;
    t->o.shown.note(t->o.shown.ctx, text);
}

static void checked(void *ctx, size_t done, size_t total)
{
    struct sk_track *t = ctx;
    t->o.shown.checked(t->o.shown.ctx, done, total);
}

static void fetched(void *ctx, const char *file, uint64_t done, uint64_t total)
{
    struct sk_track *t = ctx;
    t->o.shown.fetched(t->o.shown.ctx, file, done, total);
}

static void batch(void *ctx, const struct sk_train_batch *b)
{
    struct sk_track *t = ctx;
    bool has_notes = false;

    {
        SK_LOCK(&t->lock);
        has_notes = t->note_count > 0;
        if (t->start_ms == 0) {
            t->start_ms = (int64_t)sk_wall_ms();
            (void)pthread_cond_signal(&t->wake);
        }
    }
    if (has_notes)
        pass_notes(t);
    t->o.shown.batch(t->o.shown.ctx, b);
}

static void epoch(void *ctx, const struct sk_train_epoch *e)
{
    struct sk_track *t = ctx;

    {
        SK_LOCK(&t->lock);
        if (t->count == SK_TRACK_QUEUE) {
            t->first = (t->first + 1) % SK_TRACK_QUEUE;
            t->count--;
            t->dropped++;
        }
        t->points[(t->first + t->count++) % SK_TRACK_QUEUE] = (struct sk_track_point){
            .epoch = *e, .at_ms = (int64_t)sk_wall_ms()
        };
        (void)pthread_cond_signal(&t->wake);
    }

    t->o.shown.epoch(t->o.shown.ctx, e);
}

struct sk_train_watch sk_track_watch(struct sk_track *t)
{
    return (struct sk_train_watch){ .note = note,
                                    .checked = checked,
                                    .fetched = fetched,
                                    .batch = batch,
                                    .epoch = epoch,
                                    .ctx = t };
}

/* The thread has ended: what it did not get to, why, and where that is. */
static void say_end(struct sk_track *t, bool is_first)
{
    char text[SK_TRACK_NOTE_TEXT], lacks[SK_TRACK_LACKS_TEXT];
    const char *url = t->context.url;

    if (!is_first)
        return;
    if (t->start_ms == 0)
        (void)snprintf(text, sizeof(text), "not tracked: nothing was trained");
    else if (!*t->run_id)
        (void)snprintf(text, sizeof(text),
                       "not tracked: %.100s got nothing of this run (%zu epochs, the bundle), and "
                       "nothing is sent later: %.300s",
                       url, t->count + t->dropped, t->reason);
    else if (!sk_track_lacks(t, lacks) && t->is_over)
        (void)snprintf(text, sizeof(text), "tracked: run %s at %s", t->run_id, url);
    else
        (void)snprintf(text, sizeof(text), "tracked in part: run %.40s at %.100s %s%.100s%s%.200s",
                       t->run_id, url, *lacks ? "lacks " : "is whole", lacks,
                       t->is_over ? ", and says so (tag skerry.incomplete): "
                                  : ", and could not be ended, so it is RUNNING there: ",
                       *t->reason ? t->reason : "the hub was away for too long");
    t->o.shown.note(t->o.shown.ctx, text);
}

void sk_track_end(struct sk_track *t, const struct sk_train_result *result,
                  const struct sk_err *failed)
{
    if (!t)
        return;
    {
        SK_LOCK(&t->lock);
        t->has_ended = true;
        t->failed = failed != NULL;
        if (failed)
            (void)snprintf(t->why, sizeof(t->why), "%s", failed->text);
        else
            t->result = *result;
        t->end_ms = (int64_t)sk_wall_ms();
        t->last_success_ms = sk_now_ms();
        (void)pthread_cond_signal(&t->wake);
    }
    (void)pthread_join(t->thread, NULL);
    pass_notes(t);
    say_end(t, failed ? t->start_ms != 0 : result->is_first);
    release(t);
}
