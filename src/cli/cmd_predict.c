/*
 * cmd_predict.c - `skerry predict BUNDLE FILE...`: classifies files through the same pipeline as
 * the server.
 *
 * Workers take the next picture from a counter, each with a lane of its own, and put the finished
 * row into its place; the main thread prints the rows in the order of the input as soon as the next
 * one is there. So the output is the same for any number of workers, and a broken picture costs its
 * own row only.
 *
 *     next ->        0 1 2 3 4 5 6 7
 *     rows            done done - done ...      printed up to the first gap
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/thread.h"
#include "cli/cli_priv.h"
#include "cli/predict_priv.h"

#include <limits.h>
#include <stdatomic.h>

struct args {
    struct sk_cli_engine engine;
    const char *labels;
    bool json;
    bool ndjson;
    bool csv;
    uint64_t top_k;
    uint64_t max_pixels;
    uint64_t max_bytes;
};

#define AT(field) .offset = offsetof(struct args, field)

/* clang-format off */
static const struct sk_opt options[] = {
    { "json", 0, SK_OPT_FLAG, NULL, "print a JSON array of what the server answers, with \"file\"", AT(json) },
    { "ndjson", 0, SK_OPT_FLAG, NULL, "print the same without the array, one object a line", AT(ndjson) },
    { "csv", 0, SK_OPT_FLAG, NULL, "print CSV with a header", AT(csv) },
    { "top-k", 'k', SK_OPT_U64, "N", "print the N best classes; 0: the best (JSON: all)",
      .def = "0", .max = SK_LIMIT_LABELS, AT(top_k) },
    { "labels", 'l', SK_OPT_TEXT, "FILE", "labels for a model without: one a line, or JSON", AT(labels) },
    { "max-pixels", 0, SK_OPT_U64, "N", "most pixels in a picture",
      .def = "178956970", .min = 1, .max = 1ull << 32, AT(max_pixels) },
    { "max-file-size", 0, SK_OPT_SIZE, "SIZE", "largest picture file",
      .def = "1G", .min = 1, .max = 1ull << 40, AT(max_bytes) },
    SK_CLI_ENGINE_OPTIONS(struct args),
    { .name = NULL },
};

/* clang-format on */

struct row {
    char *text; /* NULL: not done */
    bool failed;
};

struct job {
    const struct args *args;
    const struct sk_paths *paths;
    const struct sk_rows *rows;
    struct sk_classifier *classifier;
    atomic_size_t next;
    atomic_bool grey_clipped;
    pthread_mutex_t lock; /* guards the following */
    pthread_cond_t changed;
    struct row *done; /* one per path */
    size_t done_count;
    size_t printed;
    unsigned workers;    /* still running */
    struct sk_err fatal; /* what ended a worker early */
};

enum {
    AHEAD_MAX = 4096
}; /* rows that may wait for one slow picture */

static int classify(struct job *job, struct sk_lane *lane, const char *path, struct sk_result *out,
                    struct sk_err *err)
{
    SK_OWN(free) char *bytes = NULL;
    size_t len = 0;
    bool alone = job->paths->count == 1;

    if (sk_file_read(path, job->args->max_bytes, &bytes, &len, err) < 0)
        return -1;
    return sk_lane_classify(lane, bytes, len, job->args->max_pixels, alone, out, err);
}

/* Classifies picture i and keeps its row. Fails only when there is no memory for the row. */
static int do_one(struct job *job, struct sk_lane *lane, size_t i, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);
    const char *path = job->paths->items[i];
    struct sk_err failed = SK_ERR_INIT;
    struct sk_result result = { 0 };
    int rc = classify(job, lane, path, &result, &failed);

    sk_rows_add(job->rows, path, &result, rc < 0 ? &failed : NULL, &text);
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    if (rc == 0 && result.prep.decode.grey16_clipped)
        atomic_store(&job->grey_clipped, true);

    SK_LOCK(&job->lock);
    job->done[i] = (struct row){ .text = sk_buf_take(&text), .failed = rc < 0 };
    job->done_count++;
    (void)pthread_cond_broadcast(&job->changed);
    while (i >= job->printed + AHEAD_MAX && job->fatal.code == SK_OK)
        (void)pthread_cond_wait(&job->changed, &job->lock);
    return 0;
}

static void *work(void *p)
{
    struct job *job = p;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_lane_free) struct sk_lane *lane = NULL;
    int rc = sk_lane_new(job->classifier, &lane, &err);

    while (rc == 0) {
        size_t i = atomic_fetch_add(&job->next, 1);
        if (i >= job->paths->count)
            break;
        rc = do_one(job, lane, i, &err);
    }
    SK_LOCK(&job->lock);
    job->workers--;
    if (rc < 0) {
        job->fatal = err;
        atomic_store(&job->next, job->paths->count); /* the others end too */
    }
    (void)pthread_cond_broadcast(&job->changed);
    return NULL;
}

/* Moves the rows that are next in order to out. True: no more will come. */
static bool take_rows(struct job *job, struct sk_buf *out, size_t *failed, size_t *done)
{
    SK_LOCK(&job->lock);
    if (job->workers > 0 && !job->done[job->printed].text) /* wakes up for the bar, too */
        (void)sk_cond_wait_until(&job->changed, &job->lock, sk_now_ns() + 200000000u);
    for (; job->printed < job->paths->count && job->done[job->printed].text; job->printed++) {
        struct row *row = &job->done[job->printed];
        if (job->printed > 0)
            sk_rows_between(job->rows, out);
        sk_buf_str(out, row->text);
        *failed += row->failed;
        free(row->text);
        row->text = NULL;
    }
    *done = job->done_count;
    (void)pthread_cond_broadcast(&job->changed);
    return job->workers == 0 || job->printed == job->paths->count;
}

/* Prints rows in order as they come. *failed: broken pictures. */
static int print_rows(struct job *job, size_t *failed, struct sk_err *err)
{
    struct sk_progress progress;
    bool over = false;

    *failed = 0;
    sk_progress_init(&progress, job->paths->count);
    while (!over) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SIZE_MAX - 1);
        size_t done = 0;

        over = take_rows(job, &out, failed, &done);
        if (out.len > 0 || !sk_buf_ok(&out)) {
            sk_progress_clear(&progress);
            if (sk_cli_print(&out, err) < 0)
                return -1;
            if (fflush(stdout) == EOF)
                return sk_fail_errno(err, "standard output");
        }
        sk_progress_update(&progress, done);
    }
    sk_progress_clear(&progress);
    return 0;
}

static void stop_workers(struct job *job, const struct sk_err *why)
{
    SK_LOCK(&job->lock);
    if (job->fatal.code == SK_OK)
        job->fatal = *why;
    atomic_store(&job->next, job->paths->count);
    (void)pthread_cond_broadcast(&job->changed);
}

/* Runs the job with up to n workers; fewer when the system gives fewer threads. */
static int run_workers(struct job *job, unsigned n, size_t *failed, struct sk_err *err)
{
    SK_OWN(free) pthread_t *threads = calloc(n, sizeof *threads);
    unsigned started = 0;
    int rc = 0;

    if (!threads)
        return sk_nomem(err);
    job->workers = n;
    while (started < n && sk_thread_start(&threads[started], "predict", work, job, err) == 0)
        started++;
    {
        SK_LOCK(&job->lock);
        job->workers -= n - started;
    }
    if (started == 0)
        return -1;
    rc = print_rows(job, failed, err);
    if (rc < 0)
        stop_workers(job, err);
    for (unsigned i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    if (rc == 0 && job->fatal.code != SK_OK) {
        *err = job->fatal;
        rc = -1;
    }
    return rc;
}

static void job_done(struct job *job)
{
    for (size_t i = 0; job->done && i < job->paths->count; i++)
        free(job->done[i].text);
    free(job->done);
    (void)pthread_mutex_destroy(&job->lock);
    (void)pthread_cond_destroy(&job->changed);
}

static int print_foot(const struct sk_rows *rows, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf foot = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);

    sk_rows_foot(rows, &foot);
    return sk_cli_print(&foot, err);
}

static int predict_all(const struct args *a, struct sk_classifier *c, const struct sk_paths *paths,
                       struct sk_err *err)
{
    struct sk_rows rows;
    struct job job = {
        .args = a,
        .paths = paths,
        .rows = &rows,
        .classifier = c,
        .lock = PTHREAD_MUTEX_INITIALIZER,
    };
    SK_AUTO(sk_buf_done) struct sk_buf head = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);
    unsigned cores = a->engine.threads ? (unsigned)a->engine.threads : sk_cpu_count();
    size_t failed = 0;

    sk_rows_init(&rows,
                 a->json     ? SK_ROW_JSON
                 : a->ndjson ? SK_ROW_NDJSON
                 : a->csv    ? SK_ROW_CSV
                             : SK_ROW_TABLE,
                 c, a->top_k, paths);
    sk_rows_head(&rows, &head);
    if (sk_cli_print(&head, err) < 0 || sk_cond_init(&job.changed, err) < 0)
        return -1;
    job.done = calloc(paths->count, sizeof *job.done);
    int rc = job.done ? run_workers(&job, paths->count < cores ? (unsigned)paths->count : cores,
                                    &failed, err)
                      : sk_nomem(err);
    if (rc == 0)
        rc = print_foot(&rows, err);
    bool clipped = atomic_load(&job.grey_clipped);
    job_done(&job);
    if (clipped)
        (void)fprintf(
            stderr,
            "skerry: warning: 16-bit grey pictures were clipped; \"grey16\" in skerry.json can be "
            "high_byte or min_max\n");
    if (rc == 0 && failed > 0)
        return sk_fail(err, SK_CORRUPT, "%zu of %zu pictures failed", failed, paths->count);
    return rc;
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_AUTO(sk_paths_done) struct sk_paths paths = { 0 };
    SK_OWN(sk_engine_close) struct sk_engine *engine = NULL;
    SK_OWN(sk_classifier_unref) struct sk_classifier *c = NULL;

    if (a->json + a->ndjson + a->csv > 1)
        return sk_fail(err, SK_USAGE, "--json, --ndjson and --csv exclude each other");
    if (sk_cli_model_first(operands, err) < 0)
        return -1;
    sk_log_setup(SK_WARN, SK_LOG_TEXT, STDERR_FILENO);
    if (sk_paths_collect(operands + 1, count - 1, &paths, err) < 0)
        return -1;
    if (sk_cli_open_classifier(&a->engine, operands[0], a->labels, &engine, &c, err) < 0)
        return -1;
    if (sk_classifier_refusal(c))
        return sk_fail(err, SK_NOT_SCORES, "'%s': %s", operands[0], sk_classifier_refusal(c));
    return predict_all(a, c, &paths, err);
}

const struct sk_cmd sk_cli_predict = {
    .name = "predict",
    .operands = "BUNDLE FILE...",
    .summary = "Classifies pictures in files",
    .details = "FILE is a picture, a folder (all pictures below it, by their extension; names that "
               "begin with a dot are "
               "left out) or - for standard input. Rows come in the order of the input.\n\n"
               "A picture that cannot be read has its error in its row; the others get their "
               "answers, and the exit "
               "status is 1.",
    .examples =
        "skerry predict models/digits scan.png # one picture\n"
        "skerry predict --csv models/digits photos/ >answers.csv # a whole folder\n"
        "curl -s https://example.org/cat.jpg | skerry predict --json models/pets - # from a pipe",
    .options = options,
    .args_size = sizeof(struct args),
    .min_operands = 2,
    .max_operands = UINT_MAX,
    .run = run,
};
