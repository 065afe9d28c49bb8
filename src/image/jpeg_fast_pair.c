/*
 * jpeg_fast_pair.c - the second thread of a lone request: it reads the Huffman codes while the
 * caller makes pixels.
 *
 * The caller offers the scan and starts on it alone, so a helper that is slow to wake costs
 * nothing. When the helper has claimed the offer, the caller hands over the scan between two spans;
 * from then on spans travel through a ring:
 *
 *     helper  decodes span n into slot n % SLOTS    produced = n + 1
 *     caller  transforms and pushes it              consumed = n + 1
 *
 *             caller offers           helper claims           caller hands over
 *     IDLE ------------------> OFFERED -------------> CLAIMED ------------------> WORKING
 *       ^   caller needs none     |   caller needs none   |     helper is done      |
 *       +-------------------------+-----------------------+-------------------------+
 *
 * Invariants: the scan belongs to the helper in WORKING and to the caller otherwise; a slot belongs
 * to the helper from consumed to produced - SLOTS, to the caller from produced on. All that is
 * shared changes hands by a sequentially consistent store, which the other side has loaded.
 */
#include "image/jpeg_fast_pair.h"

#include "base/cleanup.h"
#include "base/thread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLOTS = 48,
    SPINS = 400
};

enum state {
    IDLE,
    OFFERED,
    CLAIMED,
    WORKING,
    QUIT
};

struct sk_jf_pair {
    pthread_t thread;
    atomic_int state;
    atomic_uint produced, consumed;
    atomic_bool has_failed; /* the helper met something irregular: nothing follows `produced` */
    atomic_bool is_stopped; /* the caller wants no more */
    atomic_uint sleepers;
    pthread_mutex_t mutex; /* guards nothing but going to sleep */
    pthread_cond_t changed;

    /* Set by the caller before it hands over. */
    struct sk_jf_scan *scan;
    const struct sk_jf_kernels *kernels;
    uint32_t mcus_x, x, y, mcus_y; /* of the row; where the helper starts; of the picture */
    struct sk_jf_block slot[SLOTS][SK_JF_SPAN_BLOCKS];
};

typedef bool condition(struct sk_jf_pair *p, unsigned n);

static bool has_offer(struct sk_jf_pair *p, unsigned n)
{
    (void)n;
    int state = atomic_load(&p->state);
    return state == OFFERED || state == QUIT;
}

static bool has_answer(struct sk_jf_pair *p, unsigned n)
{
    (void)n;
    return atomic_load(&p->state) != CLAIMED;
}

static bool has_room(struct sk_jf_pair *p, unsigned n)
{
    return n - atomic_load(&p->consumed) < SLOTS || atomic_load(&p->is_stopped);
}

/* What a sleeping helper waits for: room for many spans, so that it is not woken for each. */
static bool has_much_room(struct sk_jf_pair *p, unsigned n)
{
    return n - atomic_load(&p->consumed) <= SLOTS / 2 || atomic_load(&p->is_stopped);
}

static bool has_span(struct sk_jf_pair *p, unsigned n)
{
    return atomic_load(&p->produced) != n || atomic_load(&p->has_failed);
}

static bool has_stopped(struct sk_jf_pair *p, unsigned n)
{
    (void)n;
    return atomic_load(&p->state) != WORKING;
}

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Spins shortly, then sleeps. */
static void await(struct sk_jf_pair *p, condition *is_true, unsigned n)
{
    for (int i = 0; i < SPINS; i++) {
        if (is_true(p, n))
            return;
        relax();
    }
    SK_LOCK(&p->mutex);
    atomic_fetch_add(&p->sleepers, 1);
    while (!is_true(p, n))
        (void)pthread_cond_wait(&p->changed, &p->mutex);
    atomic_fetch_sub(&p->sleepers, 1);
}

/* After each store that the other side may wait for. It has counted itself before it looked. */
static void tell(struct sk_jf_pair *p)
{
    if (atomic_load(&p->sleepers) == 0)
        return;
    SK_LOCK(&p->mutex);
    (void)pthread_cond_broadcast(&p->changed);
}

static void produce(struct sk_jf_pair *p)
{
    unsigned n = 0;
    for (uint32_t y = p->y, x = p->x; y < p->mcus_y; y++, x = 0) {
        for (; x < p->mcus_x; x += SK_JF_SPAN_MCUS) {
            if (!has_room(p, n))
                await(p, has_much_room, n);
            if (atomic_load(&p->is_stopped))
                return;
            if (!sk_jf_scan_span(p->scan, p->kernels, sk_jf_span_mcus(p->mcus_x, x),
                                 p->slot[n % SLOTS])) {
                atomic_store(&p->has_failed, true);
                return;
            }
            atomic_store(&p->produced, ++n);
            tell(p);
        }
    }
}

static void *helper_main(void *arg)
{
    struct sk_jf_pair *p = arg;
    for (;;) {
        await(p, has_offer, 0);
        if (atomic_load(&p->state) == QUIT)
            return NULL;
        int expected = OFFERED;
        if (!atomic_compare_exchange_strong(&p->state, &expected, CLAIMED))
            continue;
        await(p, has_answer, 0);
        if (atomic_load(&p->state) != WORKING)
            continue;
        produce(p);
        atomic_store(&p->state, IDLE);
        tell(p);
    }
}

struct sk_jf_pair *sk_jf_pair_new(struct sk_err *err)
{
    struct sk_jf_pair *p = aligned_alloc(_Alignof(struct sk_jf_pair), sizeof(*p));
    if (!p) {
        (void)sk_nomem(err);
        return NULL;
    }
    memset(p, 0, sizeof(*p));
    (void)pthread_mutex_init(&p->mutex, NULL);
    (void)pthread_cond_init(&p->changed, NULL);
    if (sk_thread_start(&p->thread, "sk-jpeg", helper_main, p, err) < 0) {
        (void)pthread_cond_destroy(&p->changed);
        (void)pthread_mutex_destroy(&p->mutex);
        free(p);
        return NULL;
    }
    return p;
}

void sk_jf_pair_free(struct sk_jf_pair *p)
{
    if (!p)
        return;
    atomic_store(&p->state, QUIT); /* between decodes the helper is idle */
    tell(p);
    (void)pthread_join(p->thread, NULL);
    (void)pthread_cond_destroy(&p->changed);
    (void)pthread_mutex_destroy(&p->mutex);
    free(p);
}

void sk_jf_pair_offer(struct sk_jf_pair *p, struct sk_jf_scan *scan, const struct sk_jf_head *head,
                      const struct sk_jf_kernels *kernels, uint32_t mcus_x, uint32_t mcus_y)
{
    p->scan = scan;
    p->kernels = kernels;
    p->mcus_x = mcus_x;
    p->mcus_y = mcus_y;
    for (unsigned i = 0; i < SLOTS; i++)
        sk_jf_scan_prepare(scan, head, p->slot[i], SK_JF_SPAN_MCUS);
    atomic_store(&p->produced, 0);
    atomic_store(&p->consumed, 0);
    atomic_store(&p->has_failed, false);
    atomic_store(&p->is_stopped, false);
    atomic_store(&p->state, OFFERED);
    tell(p);
}

bool sk_jf_pair_hand_over(struct sk_jf_pair *p, uint32_t x, uint32_t y)
{
    if (atomic_load(&p->state) != CLAIMED)
        return false;
    p->x = x;
    p->y = y;
    atomic_store(&p->state, WORKING);
    tell(p);
    return true;
}

struct sk_jf_block *sk_jf_pair_next(struct sk_jf_pair *p, unsigned n)
{
    await(p, has_span, n);
    return atomic_load(&p->produced) != n ? p->slot[n % SLOTS] : NULL;
}

void sk_jf_pair_give_back(struct sk_jf_pair *p, unsigned n)
{
    atomic_store(&p->consumed, n + 1);
    if (atomic_load(&p->produced) - (n + 1) <= SLOTS / 2)
        tell(p);
}

void sk_jf_pair_end(struct sk_jf_pair *p)
{
    int expected = OFFERED;
    if (atomic_compare_exchange_strong(&p->state, &expected, IDLE))
        return;
    expected = CLAIMED;
    if (atomic_compare_exchange_strong(&p->state, &expected, IDLE)) {
        tell(p);
        return;
    }
    atomic_store(&p->is_stopped, true);
    tell(p);
    await(p, has_stopped, 0);
}
