/*
 * source.c - the pictures of a dataset at one size: checked, digested and kept.
 *
 * One pass in threads, each taking the next sample: the file is read once, its digest and its
 * pixels come from the same bytes. The cache is one block; sample i has slot i, so what is kept
 * when the budget is small does not depend on the threads. The caller's thread tells the progress.
 *
 * Invariant: after the pass nothing of a source changes, so any thread may read it without a lock.
 */
#include "dataset/dataset_priv.h"

#include "base/clock.h"
#include "base/thread.h"
#include "prep/prep.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

enum {
    PROGRESS_NS = 100000000,
    SIDE_MAX = 4096
};

/* ---- reading ---- */

int sk_reader_init(struct sk_reader *r, struct sk_err *err)
{
    *r = (struct sk_reader){ .bytes = SK_BUF_INIT(SIZE_MAX), .work = sk_image_work_new() };
    return r->work ? 0 : sk_nomem(err);
}

void sk_reader_done(struct sk_reader *r)
{
    sk_buf_done(&r->bytes);
    sk_image_work_free(r->work);
    r->work = NULL;
}

size_t sk_source_picture_bytes(const struct sk_source *s)
{
    return (size_t)s->side * s->side * 3;
}

static int to_side(void *ctx, uint32_t width, uint32_t height, struct sk_resize *out,
                   struct sk_err *err)
{
    const struct sk_source *s = ctx;

    (void)width, (void)height, (void)err;
    *out = (struct sk_resize){ .out_w = s->side, .out_h = s->side, .filter = SK_FILTER_BILINEAR };
    return 0;
}

static int decode_bytes(const struct sk_source *s, struct sk_reader *r, struct sk_image *out,
                        struct sk_err *err)
{
    const struct sk_decode_options opts = { .max_pixels = s->max_pixels };

    return sk_image_decode_resized(r->bytes.data, r->bytes.len, &opts, to_side,
                                   (void *)(uintptr_t)s, false, r->work, out, NULL, err);
}

/* SK_UNSUPPORTED: a library is missing, or another one than it should be. */
static bool is_our_fault(const struct sk_err *err)
{
    return err->code == SK_NOMEM || err->code == SK_BUG || err->code == SK_UNSUPPORTED;
}

/* A failure with the path in front, as SK_CORRUPT unless it is not the picture's fault. */
static int blame(const char *path, struct sk_err *err)
{
    if (is_our_fault(err))
        return -1;
    err->code = SK_CORRUPT;
    return sk_wrap(err, "%s", path);
}

int sk_source_decode(const struct sk_source *s, uint32_t index, struct sk_reader *r,
                     struct sk_image *out, struct sk_err *err)
{
    const struct sk_source_entry *e = &s->entries[index];
    const char *path = s->dataset->samples[index].path;

    if (e->bad)
        return sk_fail(err, SK_CORRUPT, "%s", e->bad);
    if (sk_picture_read(path, &e->stamp, &r->bytes, NULL, err) < 0 ||
        decode_bytes(s, r, out, err) < 0)
        return blame(path, err);
    return 0;
}

int sk_source_pixels(struct sk_source *s, uint32_t index, struct sk_image *out, struct sk_err *err)
{
    SK_AUTO(sk_reader_done) struct sk_reader r = { 0 };
    const uint8_t *kept;

    if (index >= s->count)
        return sk_fail(err, SK_INVALID, "there is no sample %u", index);
    kept = s->entries[index].pixels;
    if (kept) {
        if (sk_image_alloc(out, s->side, s->side, err) < 0)
            return -1;
        memcpy(out->pixels, kept, sk_source_picture_bytes(s));
        return 0;
    }
    if (sk_reader_init(&r, err) < 0)
        return -1;
    return sk_source_decode(s, index, &r, out, err);
}

/* ---- the pass ---- */

struct pass {
    struct sk_source *s;
    struct sk_hex *files; /* digests, each written by the thread that has the sample */
    pthread_mutex_t mutex;
    pthread_cond_t ended; /* a thread has */
    /* guarded by mutex */
    size_t next, done;
    unsigned running;
    bool stop;
    struct sk_err err; /* the first failure that is no picture's fault */
};

/* Reads, digests and decodes; a broken picture is noted and no failure. */
static int check_sample(struct pass *p, size_t i, struct sk_reader *r, struct sk_image *img,
                        struct sk_err *err)
{
    struct sk_source *s = p->s;
    struct sk_source_entry *e = &s->entries[i];
    const char *path = s->dataset->samples[i].path;
    uint8_t *slot = i < s->cache_count ? s->cache + i * sk_source_picture_bytes(s) : NULL;
    struct sk_err why = SK_ERR_INIT;
    int rc = sk_picture_read(path, NULL, &r->bytes, &e->stamp, &why);

    if (rc == 0 && sk_sha256_hex(r->bytes.data, r->bytes.len, p->files[i].text, err) < 0)
        return -1;
    if (rc == 0)
        rc = decode_bytes(s, r, img, &why);
    if (rc == 0 && slot) {
        memcpy(slot, img->pixels, sk_source_picture_bytes(s));
        e->pixels = slot;
    }
    if (rc == 0)
        return 0;
    if (is_our_fault(&why)) {
        *err = why;
        return -1;
    }
    (void)sk_wrap(&why, "%s", path);
    e->bad = strdup(why.text);
    return e->bad ? 0 : sk_nomem(err);
}

/* The next sample; false when there is no more to do. */
static bool take_sample(struct pass *p, size_t *i)
{
    SK_LOCK(&p->mutex);
    if (p->stop || p->next == p->s->count)
        return false;
    *i = p->next++;
    return true;
}

static int check_samples(struct pass *p, struct sk_err *err)
{
    SK_AUTO(sk_reader_done) struct sk_reader r = { 0 };
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };

    if (sk_reader_init(&r, err) < 0)
        return -1;
    for (size_t i = 0; take_sample(p, &i);) {
        if (check_sample(p, i, &r, &img, err) < 0)
            return -1;
        SK_LOCK(&p->mutex);
        p->done++;
    }
    return 0;
}

static void *pass_main(void *arg)
{
    struct pass *p = arg;
    struct sk_err err = SK_ERR_INIT;
    const int rc = check_samples(p, &err);

    SK_LOCK(&p->mutex);
    if (rc < 0 && p->err.code == SK_OK)
        p->err = err;
    p->stop = p->stop || rc < 0;
    p->running--;
    (void)pthread_cond_signal(&p->ended);
    return NULL;
}

/* Until all threads have ended; tells the progress now and then, without the lock. */
static void watch(struct pass *p, const struct sk_source_options *o)
{
    (void)pthread_mutex_lock(&p->mutex);
    for (;;) {
        const size_t done = p->done;
        const bool is_over = p->running == 0;
        if (o->progress && p->err.code == SK_OK) {
            (void)pthread_mutex_unlock(&p->mutex);
            const bool goes_on = o->progress(o->ctx, done, p->s->count);
            (void)pthread_mutex_lock(&p->mutex);
            if (!goes_on && !is_over && !p->stop) {
                p->stop = true;
                (void)sk_fail(&p->err, SK_CANCELLED, "stopped after %zu of %zu pictures", done,
                              p->s->count);
            }
        }
        if (is_over)
            break;
        const uint64_t until = o->progress ? sk_now_ns() + PROGRESS_NS : UINT64_MAX;
        while (p->running > 0 && sk_cond_wait_until(&p->ended, &p->mutex, until) == 0)
            ;
    }
    (void)pthread_mutex_unlock(&p->mutex);
}

static unsigned thread_count(unsigned wanted, size_t most)
{
    const size_t n = wanted > 0 ? wanted : sk_cpu_count();

    return (unsigned)(n < most ? n : most);
}

/* Starts the threads, waits for them, and passes their failure on. */
static int run_threads(struct pass *p, const struct sk_source_options *o, struct sk_err *err)
{
    const unsigned wanted = thread_count(o->threads, p->s->count);
    SK_OWN(free) pthread_t *threads = calloc(wanted > 0 ? wanted : 1, sizeof *threads);
    struct sk_err why = SK_ERR_INIT;
    unsigned started = 0;

    if (!threads)
        return sk_nomem(err);
    for (; started < wanted; started++) {
        (void)pthread_mutex_lock(&p->mutex);
        p->running++;
        (void)pthread_mutex_unlock(&p->mutex);
        if (sk_thread_start(&threads[started], "dataset", pass_main, p, &why) < 0)
            break;
    }
    if (started < wanted) {
        SK_LOCK(&p->mutex);
        p->running--;
        p->stop = true;
        if (p->err.code == SK_OK)
            p->err = why;
    }
    watch(p, o);
    for (unsigned i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    if (p->err.code == SK_OK)
        return 0;
    *err = p->err;
    return -1;
}

static int run_pass(struct sk_source *s, const struct sk_source_options *o, struct sk_err *err)
{
    SK_OWN(free) struct sk_hex *files = calloc(s->count + 1, sizeof *files);
    struct pass p = { .s = s, .files = files, .mutex = PTHREAD_MUTEX_INITIALIZER };

    if (!files)
        return sk_nomem(err);
    if (sk_cond_init(&p.ended, err) < 0)
        return -1;
    int rc = run_threads(&p, o, err);
    (void)pthread_cond_destroy(&p.ended);
    if (rc == 0)
        rc = sk_dataset_digest_of(s->dataset, files, s->digest.text, err);
    return rc;
}

/* ---- opening ---- */

/* prep's own numbers: a picture whose pixels are all bytes in order, sent through a plan that
 * rescales and normalises, is the table. */
static int make_table(struct sk_source *s, const struct sk_source_options *o, struct sk_err *err)
{
    const struct sk_prep_input input = { .dtype = SK_DT_F32 };
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(4096);
    SK_OWN(sk_json_free) struct sk_json *config = NULL;
    SK_OWN(sk_prep_free) struct sk_prep *plan = NULL;
    SK_OWN(sk_prep_work_free) struct sk_prep_work *work = sk_prep_work_new();
    SK_AUTO(sk_image_done) struct sk_image bytes = { 0 };

    if (!work)
        return sk_nomem(err);
    sk_buf_str(&text, "{\"do_resize\":false,\"do_center_crop\":false,\"do_rescale\":true,"
                      "\"do_normalize\":true,\"image_mean\":[");
    for (int c = 0; c < 3; c++) {
        sk_buf_str(&text, c > 0 ? "," : "");
        sk_buf_num(&text, (double)o->mean[c], 9);
    }
    sk_buf_str(&text, "],\"image_std\":[");
    for (int c = 0; c < 3; c++) {
        sk_buf_str(&text, c > 0 ? "," : "");
        sk_buf_num(&text, (double)o->std[c], 9);
    }
    sk_buf_str(&text, "]}");
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    if (sk_json_parse(text.data, text.len, NULL, &config, err) < 0 ||
        sk_prep_new(config, &input, NULL, &plan, err) < 0 ||
        sk_image_alloc(&bytes, 256, 1, err) < 0)
        return -1;
    for (size_t i = 0; i < (size_t)256 * 3; i++)
        bytes.pixels[i] = (uint8_t)(i / 3);
    return sk_prep_run_pixels(plan, &bytes, work, s->table, sizeof s->table, NULL, err);
}

static int make_cache(struct sk_source *s, uint64_t budget, struct sk_err *err)
{
    const uint64_t fits = budget / sk_source_picture_bytes(s);

    s->cache_count = fits < s->count ? (size_t)fits : s->count;
    if (s->cache_count == 0)
        return 0;
    s->cache = malloc(s->cache_count * sk_source_picture_bytes(s));
    if (!s->cache)
        return sk_fail(err, SK_NOMEM, "no memory for a cache of %zu pictures of %u x %u pixels",
                       s->cache_count, s->side, s->side);
    return 0;
}

static int list_bad(struct sk_source *s, struct sk_err *err)
{
    for (size_t i = 0; i < s->count; i++) {
        s->cached += s->entries[i].pixels != NULL;
        s->bad_count += s->entries[i].bad != NULL;
    }
    s->bad = calloc(s->bad_count + 1, sizeof *s->bad);
    if (!s->bad)
        return sk_nomem(err);
    for (size_t i = 0, n = 0; i < s->count; i++) {
        if (s->entries[i].bad)
            s->bad[n++] = (struct sk_bad){ (uint32_t)i, s->entries[i].bad };
    }
    return 0;
}

int sk_source_open(const struct sk_dataset *d, const struct sk_source_options *opts,
                   struct sk_source **out, struct sk_err *err)
{
    SK_OWN(sk_source_free) struct sk_source *s = calloc(1, sizeof *s);

    if (!s)
        return sk_nomem(err);
    if (opts->side == 0 || opts->side > SIDE_MAX)
        return sk_fail(err, SK_INVALID, "pictures of %u x %u pixels: the side is 1 to %d",
                       opts->side, opts->side, SIDE_MAX);
    s->dataset = d;
    s->side = opts->side;
    s->max_pixels = opts->max_pixels;
    s->count = d->count;
    s->entries = calloc(d->count + 1, sizeof *s->entries);
    if (!s->entries)
        return sk_nomem(err);
    if (make_table(s, opts, err) < 0 || make_cache(s, opts->cache_bytes, err) < 0 ||
        run_pass(s, opts, err) < 0 || list_bad(s, err) < 0)
        return -1;
    *out = SK_TAKE(s);
    return 0;
}

void sk_source_free(struct sk_source *s)
{
    if (!s)
        return;
    for (size_t i = 0; s->entries && i < s->count; i++)
        free(s->entries[i].bad);
    free(s->entries);
    free(s->bad);
    free(s->cache);
    free(s);
}

const struct sk_bad *sk_source_bad(const struct sk_source *s, size_t *count)
{
    *count = s->bad_count;
    return s->bad;
}

const char *sk_source_digest(const struct sk_source *s)
{
    return s->digest.text;
}

size_t sk_source_cached(const struct sk_source *s)
{
    return s->cached;
}
