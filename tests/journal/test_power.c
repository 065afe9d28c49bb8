/*
 * test_power.c - the power goes: of what was written and not synced, any sectors may be missing.
 *
 * The calls of the journal go through a disk that remembers what its unsynced writes replaced. At a
 * random call it dies; then each sector of these writes is put back, or not, by chance. All that
 * was acknowledged must be there, also in segments on space that is used again. SKERRY_KILL_ROUNDS
 * and SKERRY_KILL_SEED change the run.
 */
#include "journal/journal_util.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mix64.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

enum {
    ROUNDS = 150,
    SECTOR = 512,
    WRITES_MAX = 4096
};

static struct sk_journal_ops real;

/* Guards all below. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static struct unsynced {
    ino_t ino;
    uint64_t at;
    size_t len;
    uint8_t *old;
} writes[WRITES_MAX];

static size_t write_count;
static unsigned calls_left;
static bool is_dead;

static bool dies(void)
{
    if (!is_dead && calls_left-- == 0)
        is_dead = true;
    if (is_dead)
        errno = EIO;
    return is_dead;
}

static ino_t inode_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) < 0 ? 0 : st.st_ino;
}

/* What was written to the file so far stays. */
static void forget(ino_t ino)
{
    size_t kept = 0;

    for (size_t i = 0; i < write_count; i++) {
        if (writes[i].ino == ino)
            free(writes[i].old);
        else
            writes[kept++] = writes[i];
    }
    write_count = kept;
}

static int mortal_open(int dir, const char *name, int flags, mode_t mode)
{
    SK_LOCK(&mutex);
    int fd = dies() ? -1 : real.open(dir, name, flags, mode);
    if (flags & O_CREAT) {
        order_made(fd);
        forget(inode_of(fd)); /* of a file that is gone and had its number */
    }
    return fd;
}

static ssize_t mortal_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    SK_LOCK(&mutex);
    order_write(fd, bytes, len, at);
    if (is_dead || write_count == WRITES_MAX) {
        errno = EIO;
        return -1;
    }
    struct unsynced *w = &writes[write_count++];
    w->ino = inode_of(fd);
    w->at = (uint64_t)at;
    w->len = len;
    w->old = calloc(1, len);
    if (!w->old)
        abort();
    (void)sk_journal_pread(fd, w->old, len, w->at);
    ssize_t n = real.pwrite(fd, bytes, len, at);
    return dies() ? -1 : n;
}

static int mortal_sync(int fd)
{
    SK_LOCK(&mutex);
    if (dies())
        return -1;
    forget(inode_of(fd));
    order_synced(fd);
    return 0;
}

static int mortal_allocate(int fd, off_t at, off_t len)
{
    SK_LOCK(&mutex);
    return dies() ? EIO : real.allocate(fd, at, len);
}

static int mortal_truncate(int fd, off_t len)
{
    SK_LOCK(&mutex);
    if (dies() || real.truncate(fd, len) < 0)
        return -1;
    order_cut(fd, len);
    return 0;
}

/* The file may have another name by now, or none. */
static int open_inode(const char *dir, ino_t ino)
{
    SK_AUTO(sk_dir_done) struct sk_dir names = { 0 };
    struct sk_err err = SK_ERR_INIT;

    DONE(sk_dir_read(dir, &names, &err));
    for (size_t i = 0; i < names.count; i++) {
        char path[512];
        (void)snprintf(path, sizeof path, "%s/%s", dir, names.names[i]);
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd >= 0 && inode_of(fd) == ino)
            return fd;
        sk_close(&fd);
    }
    return -1;
}

/* Puts sectors back; the newest write first. */
static void lose_some(const char *dir, uint64_t seed)
{
    for (size_t i = write_count; i-- > 0;) {
        struct unsynced *w = &writes[i];
        SK_AUTO(sk_close) int fd = open_inode(dir, w->ino);
        for (size_t at = 0, len; fd >= 0 && at < w->len; at += len) {
            len = SECTOR - (size_t)((w->at + at) % SECTOR);
            if (len > w->len - at)
                len = w->len - at;
            if (sk_mix64(seed + i * 7919 + at) % 2)
                assert_int_equal(pwrite(fd, w->old + at, len, (off_t)(w->at + at)), (ssize_t)len);
        }
        free(w->old);
    }
    write_count = 0;
}

/* ---- */

static atomic_uint_fast64_t acknowledged;

static void acknowledge(void *ctx, uint64_t seq, const struct sk_err *failed)
{
    (void)ctx;
    if (!failed)
        atomic_store(&acknowledged, seq);
}

static void write_until_dead(struct place *p, uint64_t seed, size_t scale)
{
    static char body[90000];
    struct sk_err err = SK_ERR_INIT;
    struct sk_journal_state s = { 0 };

    memset(body, 'x', sizeof body);
    for (uint64_t i = 0; i < 3000 && !s.is_failing; i++) {
        size_t len = sk_mix64(seed + i) % (scale * (i % 20 ? 700 : 9000));
        struct sk_journal_record r = { .key = SK_VIEW("device"),
                                       .time_ms = (int64_t)len + 1,
                                       .body = { body, len },
                                       .done = acknowledge };
        if (sk_journal_append(p->j, &r, &err) < 0 || i % 8 == 0)
            (void)usleep(20);
        sk_journal_state(p->j, &s);
        uint64_t told = atomic_load(&acknowledged);
        if (p->opts.reuses_space && i % 20 == 0 && told > 100 &&
            sk_journal_forget(p->j, told - 100, false, &err) < 0)
            return;
    }
}

static uint64_t check_records(struct place *p, uint64_t least, uint64_t round)
{
    SK_OWN(sk_journal_cursor_free) struct sk_journal_cursor *c = NULL;
    struct sk_journal_item item;
    struct sk_err err = SK_ERR_INIT;
    uint64_t last = state_of(p).first - 1;

    DONE(
        sk_journal_cursor(p->j, &(struct sk_journal_filter){ .key = SK_VIEW("device") }, &c, &err));
    while (sk_journal_next(c, &item, &err) == 1) {
        /* Beyond what was acknowledged there may be gaps. */
        if (item.seq <= least && item.seq != last + 1)
            fail_msg("round %" PRIu64 ": %" PRIu64 " after %" PRIu64, round, item.seq, last);
        assert_int_equal(item.body.len + 1, item.time_ms);
        last = item.seq;
    }
    if (last < least)
        fail_msg("round %" PRIu64 ": up to %" PRIu64 ", not %" PRIu64, round, last, least);
    /* Where space is used again, a write that was cut may look like damage. */
    assert_in_range(state_of(p).damaged, 0, p->opts.reuses_space ? last - least : 0);
    return last;
}

static void test_power(void **state)
{
    struct place *p = *state;
    const char *set = getenv("SKERRY_KILL_SEED"), *rounds = getenv("SKERRY_KILL_ROUNDS");
    uint64_t seed = set ? strtoull(set, NULL, 10) : sk_wall_ms();
    uint64_t count = rounds ? strtoull(rounds, NULL, 10) : ROUNDS, told = 0;

    print_message("# seed %" PRIu64 "\n", seed);
    for (uint64_t i = 0; i < count; i++) {
        struct sk_err err = SK_ERR_INIT;
        place_close(p);
        DONE(sk_remove_tree(p->dir, &err));
        atomic_store(&acknowledged, 0);
        is_dead = false;
        /* Every other round in segments that have several pieces of zeros. */
        p->opts.segment_bytes = i % 2 ? 4 * SK_ZERO_PIECE : SK_SEGMENT_LEAST;
        p->opts.reuses_space = i / 2 % 2;
        calls_left = (unsigned)(sk_mix64(seed + i) % (p->opts.reuses_space ? 400 : 120)) + 3;
        /* Twice: the second time what the first cut left is gone on with. */
        for (int half = 0; half < 2; half++) {
            order_forget();
            if (sk_journal_open(&p->opts, &p->j, &err) == 0)
                write_until_dead(p, seed + i * 3 + (uint64_t)half, i % 2 ? 10 : 1);
            place_close(p);
            lose_some(p->dir, seed + i + (uint64_t)half);
            is_dead = false;
            calls_left = UINT32_MAX;
            place_open(p);
            told = atomic_load(&acknowledged);
            uint64_t last = check_records(p, told, i);
            if (half == 0 && last > told)
                break; /* unacknowledged ones may have gaps: the next round begins anew */
            place_close(p);
            calls_left = (unsigned)(sk_mix64(seed + i + 99) % 60) + 6;
        }
        calls_left = UINT32_MAX;
        if (!p->j)
            place_open(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_power, place_set_up, place_tear_down),
    };

    real = sk_journal_ops;
    sk_journal_ops = (struct sk_journal_ops){ mortal_open, mortal_pwrite,   mortal_sync,
                                              mortal_sync, mortal_allocate, mortal_truncate };
    calls_left = UINT32_MAX;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
