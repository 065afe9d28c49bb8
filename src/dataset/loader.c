/*
 * loader.c - batches made ahead of time by threads.
 *
 * Batches have a number that grows through the epochs; batch n lies in slot n % slots of a ring.
 * Threads claim one picture at a time, in order, so a batch is complete as early as can be and all
 * share the last one:
 *
 *     in use | ready | ready | being made ...      use: the next one for the caller
 *              ^use            ^make.number        make: the next picture to claim
 *
 * The claim behind an epoch's last batch goes on with the next epoch's order. Starting where the
 * threads are going anyway costs nothing; starting elsewhere waits for the pictures in work (one
 * for each thread) and sets `make` anew.
 *
 * Invariants: a slot is written by claims of its batch only, and a claim is given only when the
 * batch that had the slot before has been handed back, so pictures need no lock. A claim always
 * ends, in failure too, so nobody waits for ever. What a batch holds follows from seed, epoch and
 * its place; a batch fails with the error of its first bad picture, whichever thread met it.
 */
#include "dataset/dataset_priv.h"

#include "base/clock.h"
#include "base/str.h"
#include "base/thread.h"

#include <stdlib.h>
#include <string.h>

enum {
    AHEAD = 3,
    ALIGN = 64
};

struct slot {
    float *pictures;
    uint32_t *labels, *indices;
    /* guarded by the loader's mutex, as are the elements of labels and indices while being set */
    uint64_t number; /* of the batch; NONE: empty */
    unsigned count, total, done;
    bool is_last;
    unsigned failed; /* the first picture that did, count: none */
    struct sk_err err;
};

#define NONE UINT64_MAX

struct worker {
    struct sk_loader *l;
    struct sk_reader reader;
    struct sk_image img, scratch;
    pthread_t thread;
};

/* The next picture to be claimed. */
struct make {
    uint64_t epoch, number; /* number: of the batch in the ring */
    size_t batch;           /* in the epoch */
    unsigned item;
};

struct sk_loader {
    struct sk_source *source;
    const struct sk_indices *which;
    struct sk_loader_options o;
    size_t batches;
    struct slot *slots;
    unsigned slot_count;
    struct worker *workers;
    unsigned worker_count, started_count; /* made, running */
    bool has_work, has_ready, has_idle;   /* the condition variables that exist */

    pthread_mutex_t mutex;
    pthread_cond_t work;  /* there may be something to claim */
    pthread_cond_t ready; /* a batch is complete */
    pthread_cond_t idle;  /* no thread is busy */
    /* guarded by mutex */
    bool is_running, stop;
    uint32_t *order; /* samples of make.epoch */
    struct make make;
    uint64_t epoch; /* the caller's */
    size_t batch;   /* of it, the next one for the caller */
    uint64_t use;   /* its number */
    bool is_held;   /* the caller has batch use - 1 */
    unsigned busy;
    uint64_t waited_ns;
};

/* ---- what is in a batch ---- */

static void make_order(struct sk_loader *l)
{
    memcpy(l->order, l->which->items, l->which->count * sizeof *l->order);
    if (l->o.shuffle) {
        struct sk_rng r = sk_rng_of(l->o.seed, SK_RNG_ORDER, l->make.epoch, 0);
        sk_rng_shuffle(&r, l->order, l->which->count);
    }
}

/* Sets up the slot of make's batch. */
static void begin_batch(struct sk_loader *l, struct slot *b)
{
    const size_t at = l->make.batch * l->o.batch, left = l->which->count - at;
    const unsigned total = left < l->o.batch ? (unsigned)left : l->o.batch;
    const unsigned first = sk_batch_first(total, l->o.rank, l->o.ranks);

    b->number = l->make.number;
    b->total = total;
    b->count = sk_batch_first(total, l->o.rank + 1, l->o.ranks) - first;
    b->is_last = l->make.batch + 1 == l->batches;
    b->done = 0;
    b->failed = b->count;
    for (unsigned i = 0; i < b->count; i++) {
        b->indices[i] = l->order[at + first + i];
        b->labels[i] = l->source->dataset->samples[b->indices[i]].label;
    }
}

static void erase_box(float *tensor, uint32_t side, struct sk_box box)
{
    for (size_t c = 0; c < 3; c++) {
        for (size_t y = box.y; y < (size_t)box.y + box.h; y++)
            memset(tensor + (c * side + y) * side + box.x, 0, box.w * sizeof *tensor);
    }
}

/* The pixels of a sample: from the cache, or decoded into the worker's picture. A picture that is
 * going to be changed is copied. */
static int find_pixels(struct worker *w, uint32_t index, struct sk_image *out, struct sk_err *err)
{
    struct sk_source *s = w->l->source;
    const uint8_t *kept = s->entries[index].pixels;

    if (!kept) {
        if (sk_source_decode(s, index, &w->reader, &w->img, err) < 0)
            return -1;
    } else if (w->l->o.augment == 0) { /* only read: the cast is for the structure */
        *out = (struct sk_image){ s->side, s->side, (uint8_t *)(uintptr_t)kept, 0 };
        return 0;
    } else {
        if (sk_image_alloc(&w->img, s->side, s->side, err) < 0)
            return -1;
        memcpy(w->img.pixels, kept, sk_source_picture_bytes(s));
    }
    *out = w->img;
    return 0;
}

static int make_picture(struct worker *w, uint64_t epoch, uint32_t index, float *tensor,
                        struct sk_err *err)
{
    const struct sk_loader *l = w->l;
    struct sk_box erase = { 0, 0, 0, 0 };
    struct sk_image img;

    if (find_pixels(w, index, &img, err) < 0)
        return -1;
    if (l->o.augment != 0) {
        if (sk_augment_apply(l->o.augment, l->o.seed, epoch, index, &w->img, &w->scratch, &erase,
                             err) < 0)
            return -1;
        img = w->img;
    }
    sk_image_lut_chw(&img, (const float(*)[256])l->source->table, tensor);
    erase_box(tensor, l->source->side, erase);
    return 0;
}

/* ---- threads ---- */

/* One claimed picture. */
struct claim {
    struct slot *slot;
    unsigned item;
    uint64_t epoch;
};

/* Moves make to the next epoch; false: nothing is to be made there now. */
static bool turn_epoch(struct sk_loader *l)
{
    if (l->make.epoch >= l->epoch && l->o.epochs > 0 && l->make.epoch + 1 >= l->o.epochs)
        return false;
    l->make.epoch++;
    l->make.batch = 0;
    make_order(l);
    return true;
}

/* With the lock. False: nothing to do now. */
static bool claim_picture(struct sk_loader *l, struct claim *out)
{
    while (l->is_running && !l->stop) {
        if (l->make.batch == l->batches && !turn_epoch(l))
            return false;
        if (l->make.number >= l->use - l->is_held + l->slot_count)
            return false;
        struct slot *b = &l->slots[l->make.number % l->slot_count];
        if (l->make.item == 0)
            begin_batch(l, b);
        if (l->make.item < b->count) {
            *out = (struct claim){ b, l->make.item++, l->make.epoch };
            return true;
        }
        if (b->count == 0)
            (void)pthread_cond_signal(&l->ready);
        l->make.batch++;
        l->make.number++;
        l->make.item = 0;
    }
    return false;
}

/* With the lock. */
static void finish_picture(struct sk_loader *l, const struct claim *c, int rc,
                           const struct sk_err *err)
{
    struct slot *b = c->slot;

    if (rc < 0 && c->item < b->failed) {
        b->failed = c->item;
        b->err = *err;
    }
    if (++b->done == b->count)
        (void)pthread_cond_signal(&l->ready);
    if (--l->busy == 0)
        (void)pthread_cond_signal(&l->idle);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct sk_loader *l = w->l;
    const size_t plane = (size_t)l->source->side * l->source->side * 3;
    struct claim c;

    SK_LOCK(&l->mutex);
    while (!l->stop) {
        if (!claim_picture(l, &c)) {
            (void)pthread_cond_wait(&l->work, &l->mutex);
            continue;
        }
        const uint32_t index = c.slot->indices[c.item];
        struct sk_err err = SK_ERR_INIT;
        l->busy++;
        (void)pthread_mutex_unlock(&l->mutex);
        const int rc = make_picture(w, c.epoch, index, c.slot->pictures + c.item * plane, &err);
        (void)pthread_mutex_lock(&l->mutex);
        finish_picture(l, &c, rc, &err);
    }
    return NULL;
}

/* ---- making and freeing ---- */

static int make_slots(struct sk_loader *l, struct sk_err *err)
{
    const unsigned total = l->which->count < l->o.batch ? (unsigned)l->which->count : l->o.batch;
    const size_t most = total / l->o.ranks + (total % l->o.ranks > 0);
    size_t bytes = 0;

    if (!sk_mul_size(most, sk_source_picture_bytes(l->source) * sizeof(float), &bytes) ||
        !sk_add_size(bytes, ALIGN, &bytes))
        return sk_nomem(err);
    l->slots = calloc(l->slot_count, sizeof *l->slots);
    if (!l->slots)
        return sk_nomem(err);
    for (unsigned i = 0; i < l->slot_count; i++) {
        struct slot *b = &l->slots[i];
        b->number = NONE;
        b->pictures = aligned_alloc(ALIGN, bytes / ALIGN * ALIGN);
        b->labels = calloc(most + 1, sizeof *b->labels);
        b->indices = calloc(most + 1, sizeof *b->indices);
        if (!b->pictures || !b->labels || !b->indices)
            return sk_nomem(err);
    }
    return 0;
}

static int make_conditions(struct sk_loader *l, struct sk_err *err)
{
    l->has_work = sk_cond_init(&l->work, err) == 0;
    l->has_ready = l->has_work && sk_cond_init(&l->ready, err) == 0;
    l->has_idle = l->has_ready && sk_cond_init(&l->idle, err) == 0;
    return l->has_idle ? 0 : -1;
}

static int start_workers(struct sk_loader *l, struct sk_err *err)
{
    const unsigned count = l->o.threads > 0 ? l->o.threads : sk_cpu_count();

    l->workers = calloc(count, sizeof *l->workers);
    if (!l->workers)
        return sk_nomem(err);
    for (; l->worker_count < count; l->worker_count++) {
        l->workers[l->worker_count].l = l;
        if (sk_reader_init(&l->workers[l->worker_count].reader, err) < 0)
            return -1;
    }
    for (; l->started_count < count; l->started_count++) {
        struct worker *w = &l->workers[l->started_count];
        if (sk_thread_start(&w->thread, "loader", worker_main, w, err) < 0)
            return -1;
    }
    return 0;
}

static int check_options(const struct sk_source *s, const struct sk_indices *which,
                         const struct sk_loader_options *o, struct sk_err *err)
{
    if (o->batch == 0)
        return sk_fail(err, SK_INVALID, "a batch of 0 pictures");
    if (which->count == 0)
        return sk_fail(err, SK_INVALID, "no pictures to make batches of");
    if (o->ranks > 0 ? o->rank >= o->ranks : o->rank > 0)
        return sk_fail(err, SK_INVALID, "there is no rank %u of %u", o->rank, o->ranks);
    for (size_t i = 0; i < which->count; i++) {
        if (which->items[i] >= s->count)
            return sk_fail(err, SK_INVALID, "there is no sample %u", which->items[i]);
    }
    return 0;
}

int sk_loader_new(struct sk_source *s, const struct sk_indices *which,
                  const struct sk_loader_options *opts, struct sk_loader **out, struct sk_err *err)
{
    SK_OWN(sk_loader_free) struct sk_loader *l = NULL;

    if (check_options(s, which, opts, err) < 0)
        return -1;
    l = calloc(1, sizeof *l);
    if (!l)
        return sk_nomem(err);
    l->source = s;
    l->which = which;
    l->o = *opts;
    l->o.ranks = opts->ranks > 0 ? opts->ranks : 1;
    l->batches = (which->count - 1) / opts->batch + 1;
    l->slot_count = (opts->ahead > 0 ? opts->ahead : AHEAD) + 1; /* and the one in use */
    l->mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    l->order = calloc(which->count, sizeof *l->order);
    if (!l->order)
        return sk_nomem(err);
    if (make_slots(l, err) < 0 || make_conditions(l, err) < 0 || start_workers(l, err) < 0)
        return -1;
    *out = SK_TAKE(l);
    return 0;
}

static void stop_workers(struct sk_loader *l)
{
    (void)pthread_mutex_lock(&l->mutex);
    l->stop = true;
    if (l->has_work)
        (void)pthread_cond_broadcast(&l->work);
    (void)pthread_mutex_unlock(&l->mutex);
    for (unsigned i = 0; i < l->started_count; i++)
        (void)pthread_join(l->workers[i].thread, NULL);
}

void sk_loader_free(struct sk_loader *l)
{
    if (!l)
        return;
    stop_workers(l);
    for (unsigned i = 0; i < l->worker_count; i++) {
        sk_reader_done(&l->workers[i].reader);
        sk_image_done(&l->workers[i].img);
        sk_image_done(&l->workers[i].scratch);
    }
    for (unsigned i = 0; l->slots && i < l->slot_count; i++) {
        free(l->slots[i].pictures);
        free(l->slots[i].labels);
        free(l->slots[i].indices);
    }
    if (l->has_work)
        (void)pthread_cond_destroy(&l->work);
    if (l->has_ready)
        (void)pthread_cond_destroy(&l->ready);
    if (l->has_idle)
        (void)pthread_cond_destroy(&l->idle);
    free(l->workers);
    free(l->slots);
    free(l->order);
    free(l);
}

/* ---- the caller's side ---- */

size_t sk_loader_batches(const struct sk_loader *l)
{
    return l->batches;
}

/* Drops what is under way and begins elsewhere. With the lock. */
static void restart(struct sk_loader *l, uint64_t epoch, size_t first)
{
    l->is_running = false;
    while (l->busy > 0)
        (void)pthread_cond_wait(&l->idle, &l->mutex);
    for (unsigned i = 0; i < l->slot_count; i++)
        l->slots[i].number = NONE;
    l->make = (struct make){ .epoch = epoch, .batch = first };
    l->use = 0;
    l->is_held = false;
    make_order(l);
    l->is_running = true;
}

int sk_loader_start(struct sk_loader *l, uint64_t epoch, size_t first, struct sk_err *err)
{
    if (first > l->batches)
        return sk_fail(err, SK_INVALID, "an epoch has %zu batches, there is no batch %zu",
                       l->batches, first);
    SK_LOCK(&l->mutex);
    const bool is_next = l->is_running && l->batch == l->batches && epoch == l->epoch + 1;
    if (!is_next || first != 0)
        restart(l, epoch, first);
    l->epoch = epoch;
    l->batch = first;
    l->waited_ns = 0;
    (void)pthread_cond_broadcast(&l->work);
    return 0;
}

/* The caller's next batch, once it is complete. With the lock. */
static const struct slot *wait_for_batch(struct sk_loader *l)
{
    const struct slot *b = &l->slots[l->use % l->slot_count];

    if (b->number == l->use && b->done == b->count)
        return b;
    const uint64_t start = sk_now_ns();
    while (b->number != l->use || b->done < b->count)
        (void)pthread_cond_wait(&l->ready, &l->mutex);
    l->waited_ns += sk_now_ns() - start;
    return b;
}

int sk_loader_next(struct sk_loader *l, struct sk_batch *out, struct sk_err *err)
{
    SK_LOCK(&l->mutex);
    if (!l->is_running)
        return sk_fail(err, SK_BUG, "the loader was not started");
    if (l->is_held) { /* room for another one */
        l->is_held = false;
        (void)pthread_cond_broadcast(&l->work);
    }
    if (l->batch == l->batches) {
        *out = (struct sk_batch){ 0 };
        return 0;
    }
    const struct slot *b = wait_for_batch(l);
    if (b->failed < b->count) {
        *err = b->err;
        return -1;
    }
    *out = (struct sk_batch){ b->pictures, b->labels, b->indices, b->count, b->total, b->is_last };
    l->batch++;
    l->use++;
    l->is_held = true;
    return 0;
}

uint64_t sk_loader_waited_ns(const struct sk_loader *l)
{
    return l->waited_ns; /* changed by the caller's own calls only */
}
