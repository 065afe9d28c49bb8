/* spool_util.c - see spool_util.h. */
#define _XOPEN_SOURCE 700
#include "spool/spool_util.h"

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct sk_spool_clocks real_clocks;

void place_open(struct place *p)
{
    struct sk_err err = SK_ERR_INIT;

    DONE(sk_spool_open(&p->opts, &p->s, &err));
}

void place_close(struct place *p)
{
    sk_spool_close(SK_TAKE(p->s));
}

void place_reopen(struct place *p)
{
    place_close(p);
    place_open(p);
}

int place_set_up(void **state)
{
    struct place *p = calloc(1, sizeof *p);

    assert_non_null(p);
    if (!real_clocks.boot)
        real_clocks = sk_spool_clocks;
    sk_spool_clocks = real_clocks;
    sk_spool_clocks.sync_ms = 0; /* else thousands of puts that are waited for take long */
    p->parent = sk_test_dir();
    (void)snprintf(p->dir, sizeof p->dir, "%s/spool", p->parent);
    p->opts = (struct sk_spool_options){ .dir = p->dir, .segment_bytes = SK_SPOOL_SEGMENT_LEAST };
    place_open(p);
    *state = p;
    return 0;
}

int place_tear_down(void **state)
{
    struct place *p = *state;

    place_close(p);
    sk_spool_clocks = real_clocks;
    sk_test_dir_free(p->parent);
    free(p);
    return 0;
}

struct sk_spool_state state_of(struct place *p)
{
    struct sk_spool_state state;

    sk_spool_state(p->s, &state);
    return state;
}

/* ---- clocks ---- */

struct test_clock test_clock;

static uint64_t wall_ms(void)
{
    return test_clock.wall_ms;
}

static uint64_t boot_ms(void)
{
    return test_clock.boot_ms;
}

static uint32_t boot(void)
{
    return test_clock.boot;
}

static bool is_synced(void)
{
    return test_clock.is_synced;
}

void clocks_set(struct test_clock c)
{
    test_clock = c;
    sk_spool_clocks = (struct sk_spool_clocks){ wall_ms, boot_ms, boot, is_synced, 0 };
}

/* ---- putting ---- */

struct wait {
    pthread_mutex_t mutex;
    pthread_cond_t told;
    bool is_told;
    enum sk_code code;
};

static void tell(void *ctx, const struct sk_err *failed)
{
    struct wait *w = ctx;

    SK_LOCK(&w->mutex);
    w->is_told = true;
    w->code = failed ? failed->code : SK_OK;
    (void)pthread_cond_signal(&w->told);
}

static enum sk_code put_view(struct place *p, const struct sk_spool_target *targets, size_t count,
                             const char *key, struct sk_view body)
{
    struct wait w = { .mutex = PTHREAD_MUTEX_INITIALIZER, .told = PTHREAD_COND_INITIALIZER };
    struct sk_err err = SK_ERR_INIT;
    struct sk_spool_message m = { .key = sk_view_of(key),
                                  .bag = SK_VIEW("$.mid=7"),
                                  .body = body,
                                  .time_ms = (int64_t)sk_spool_clocks.wall_ms(),
                                  .done = tell,
                                  .ctx = &w };

    if (sk_spool_put(p->s, &m, targets, count, &err) < 0) {
        assert_true(err.text[0]);
        return err.code;
    }
    (void)pthread_mutex_lock(&w.mutex);
    while (!w.is_told)
        (void)pthread_cond_wait(&w.told, &w.mutex);
    (void)pthread_mutex_unlock(&w.mutex);
    return w.code;
}

enum sk_code put_to(struct place *p, const struct sk_spool_target *targets, size_t count,
                    const char *key, const char *body)
{
    return put_view(p, targets, count, key, sk_view_of(body));
}

void put(struct place *p, const char *endpoint, unsigned priority, const char *body)
{
    enum sk_code code = put_to(
        p, &(struct sk_spool_target){ .endpoint = endpoint, .priority = priority }, 1, "k", body);

    if (code != SK_OK)
        fail_msg("putting '%s': %s", body, sk_code_name(code));
}

void put_ttl(struct place *p, const char *endpoint, const char *body, int64_t ttl_ms)
{
    struct sk_spool_target t = { .endpoint = endpoint,
                                 .expires_ms = (int64_t)sk_spool_clocks.wall_ms() + ttl_ms };

    assert_int_equal(put_to(p, &t, 1, "k", body), SK_OK);
}

enum sk_code put_large(struct place *p, const char *endpoint, unsigned priority, size_t size)
{
    struct sk_spool_target t = { .endpoint = endpoint, .priority = priority };
    SK_OWN(free) char *body = malloc(size + 1);

    assert_non_null(body);
    memset(body, 'x', size);
    return put_view(p, &t, 1, "k", (struct sk_view){ body, size });
}

/* ---- taking ---- */

const char *take(struct sk_spool_reader *r, size_t most, bool are_delivered)
{
    static char text[65536];
    struct sk_spool_item item;
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;
    int rc = 1;

    text[0] = 0;
    while (most-- > 0 && len < sizeof text - 300 &&
           (rc = sk_spool_next(r, (int64_t)sk_spool_clocks.wall_ms(), &item, &err)) == 1) {
        size_t shown = item.body.len < 200 ? item.body.len : 1;
        len += (size_t)snprintf(text + len, sizeof text - len, "%.*s ", (int)shown, item.body.ptr);
        if (are_delivered)
            sk_spool_delivered(r, item.priority, item.seq);
    }
    if (rc < 0)
        fail_msg("next: %s", err.text);
    return text;
}

const char *take_all(struct place *p, const char *endpoint, bool are_delivered)
{
    SK_OWN(sk_spool_reader_free) struct sk_spool_reader *r = NULL;
    struct sk_err err = SK_ERR_INIT;

    DONE(sk_spool_reader(p->s, endpoint, &r, &err));
    return take(r, SIZE_MAX, are_delivered);
}

/* ---- */

static uint64_t blocks;

static int add_blocks(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)path, (void)type, (void)ftw;
    blocks += (uint64_t)st->st_blocks;
    return 0;
}

uint64_t disk_of(const char *dir)
{
    blocks = 0;
    assert_int_equal(nftw(dir, add_blocks, 16, FTW_PHYS), 0);
    return blocks * 512;
}
