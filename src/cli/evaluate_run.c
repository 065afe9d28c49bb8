/*
 * evaluate_run.c - the answers of a classifier for all pictures of a dataset.
 *
 * Workers take the next picture from a counter, each with a lane of its own, and write into the
 * picture's own place; so the result is the same for any number of workers. Afterwards the places
 * of broken pictures are closed up.
 *
 *     data     0 1 2 3 4         which          0 1 3 4
 *     errors   . . x . .    ->   truth          0 0 1 1
 *     answers  a b   d e         probabilities  a b d e
 */
#include "cli/evaluate_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "base/thread.h"
#include "cli/predict_priv.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

struct job {
    struct sk_evaluation *e;
    atomic_size_t next, done;
    atomic_bool grey_clipped;
    pthread_mutex_t lock; /* guards the following */
    pthread_cond_t ended;
    unsigned workers; /* still running */
    struct sk_err fatal;
};

/* What is wrong with the picture itself goes to *bad. */
static int classify(struct job *job, struct sk_lane *lane, size_t i, struct sk_err *bad,
                    struct sk_err *err)
{
    const struct sk_evaluation *e = job->e;
    const char *path = e->data->samples[i].path;
    SK_OWN(free) char *bytes = NULL;
    size_t len = 0;
    struct sk_result result = { 0 };

    if (sk_file_read(path, e->max_bytes, &bytes, &len, bad) < 0 ||
        sk_lane_prepare(lane, bytes, len, e->max_pixels, false, &result, bad) < 0) {
        if (bad->code != SK_NOMEM)
            return 0;
        *err = *bad;
        return sk_wrap(err, "'%s'", path);
    }
    if (sk_lane_infer(lane, false, &result, err) < 0)
        return sk_wrap(err, "'%s'", path);
    if (result.classes != e->classes)
        return sk_fail(err, SK_INVALID, "'%s': the model gives %zu scores, not %zu", path,
                       result.classes, e->classes);
    for (size_t k = 0; k < result.classes; k++)
        if (!isfinite(result.probabilities[k]))
            return sk_fail(err, SK_INVALID, "'%s': the model's score of class '%s' is not a number",
                           path, sk_classifier_label(e->classifier, k));
    memcpy(e->probabilities + i * e->classes, result.probabilities,
           e->classes * sizeof *e->probabilities);
    if (result.prep.decode.grey16_clipped)
        atomic_store(&job->grey_clipped, true);
    return 0;
}

static int do_one(struct job *job, struct sk_lane *lane, size_t i, struct sk_err *err)
{
    struct sk_err bad = SK_ERR_INIT;

    if (classify(job, lane, i, &bad, err) < 0)
        return -1;
    if (bad.code != SK_OK && !(job->e->errors[i] = strdup(bad.text)))
        return sk_nomem(err);
    atomic_fetch_add(&job->done, 1);
    return 0;
}

static void *work(void *p)
{
    struct job *job = p;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_lane_free) struct sk_lane *lane = NULL;
    int rc = sk_lane_new(job->e->classifier, &lane, &err);

    while (rc == 0) {
        size_t i = atomic_fetch_add(&job->next, 1);
        if (i >= job->e->data->count)
            break;
        rc = do_one(job, lane, i, &err);
    }
    SK_LOCK(&job->lock);
    job->workers--;
    if (rc < 0) {
        job->fatal = job->fatal.code == SK_OK ? err : job->fatal;
        atomic_store(&job->next, job->e->data->count); /* the others end too */
    }
    (void)pthread_cond_broadcast(&job->ended);
    return NULL;
}

/* Shows how far it is until the last worker has ended. */
static void watch(struct job *job)
{
    struct sk_progress progress;
    bool over = false;

    sk_progress_init(&progress, job->e->data->count);
    while (!over) {
        {
            SK_LOCK(&job->lock);
            if (job->workers > 0)
                (void)sk_cond_wait_until(&job->ended, &job->lock, sk_now_ns() + 200000000u);
            over = job->workers == 0;
        }
        sk_progress_update(&progress, atomic_load(&job->done));
    }
    sk_progress_clear(&progress);
}

/* Runs with up to `workers` threads; fewer when the system gives fewer. */
static int run_workers(struct job *job, struct sk_err *err)
{
    unsigned n = job->e->workers, started = 0;
    SK_OWN(free) pthread_t *threads = calloc(n, sizeof *threads);

    if (!threads)
        return sk_nomem(err);
    job->workers = n;
    while (started < n && sk_thread_start(&threads[started], "evaluate", work, job, err) == 0)
        started++;
    {
        SK_LOCK(&job->lock);
        job->workers -= n - started;
    }
    if (started == 0)
        return -1;
    watch(job);
    for (unsigned i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    if (job->fatal.code == SK_OK)
        return 0;
    *err = job->fatal;
    return -1;
}

static int make_room(struct sk_evaluation *e, struct sk_err *err)
{
    size_t n = e->data->count, numbers = 0;

    e->classes = sk_classifier_classes(e->classifier);
    if (!sk_mul_size(n, e->classes, &numbers))
        return sk_nomem(err);
    e->which = calloc(n, sizeof *e->which);
    e->truth = calloc(n, sizeof *e->truth);
    e->errors = calloc(n, sizeof *e->errors);
    e->probabilities = calloc(numbers, sizeof *e->probabilities);
    return e->which && e->truth && e->errors && e->probabilities ? 0 : sk_nomem(err);
}

static void close_up(struct sk_evaluation *e)
{
    for (size_t i = 0; i < e->data->count; i++) {
        if (e->errors[i]) {
            e->bad++;
            continue;
        }
        e->which[e->count] = (uint32_t)i;
        e->truth[e->count] = e->data->samples[i].label;
        memmove(e->probabilities + e->count * e->classes, e->probabilities + i * e->classes,
                e->classes * sizeof *e->probabilities);
        e->count++;
    }
}

int sk_evaluation_run(struct sk_evaluation *e, struct sk_err *err)
{
    struct job job = { .e = e, .lock = PTHREAD_MUTEX_INITIALIZER };

    if (make_room(e, err) < 0 || sk_cond_init(&job.ended, err) < 0)
        return -1;
    int rc = run_workers(&job, err);
    (void)pthread_mutex_destroy(&job.lock);
    (void)pthread_cond_destroy(&job.ended);
    if (rc < 0)
        return -1;
    e->grey_clipped = atomic_load(&job.grey_clipped);
    close_up(e);
    return 0;
}

void sk_evaluation_done(struct sk_evaluation *e)
{
    for (size_t i = 0; e->errors && i < e->data->count; i++)
        free(e->errors[i]);
    free(e->errors);
    free(e->which);
    free(e->truth);
    free(e->probabilities);
    e->errors = NULL;
    e->which = e->truth = NULL;
    e->probabilities = NULL;
}
