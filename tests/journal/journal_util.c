/* journal_util.c - see journal_util.h. */
#include "journal/journal_util.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

void place_open(struct place *p)
{
    struct sk_err err = SK_ERR_INIT;

    order_forget();
    DONE(sk_journal_open(&p->opts, &p->j, &err));
}

void place_close(struct place *p)
{
    sk_journal_close(SK_TAKE(p->j));
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
    p->parent = sk_test_dir();
    (void)snprintf(p->dir, sizeof p->dir, "%s/journal", p->parent);
    p->opts = (struct sk_journal_options){ .dir = p->dir, .segment_bytes = SK_SEGMENT_LEAST };
    place_open(p);
    *state = p;
    return 0;
}

int place_tear_down(void **state)
{
    struct place *p = *state;

    (void)faulty_disarm();
    place_close(p);
    sk_test_dir_free(p->parent);
    free(p);
    return 0;
}

uint64_t put(struct place *p, const char *key, const char *text)
{
    struct sk_err err = SK_ERR_INIT;
    uint64_t seq = 0;

    DONE(sk_journal_write(
        p->j, &(struct sk_journal_record){ .key = sk_view_of(key), .body = sk_view_of(text) }, &seq,
        &err));
    return seq;
}

uint64_t put_large(struct place *p, const char *key, size_t size, int64_t time_ms)
{
    SK_OWN(free) char *body = malloc(size + 1);
    struct sk_err err = SK_ERR_INIT;
    uint64_t seq = 0;

    assert_non_null(body);
    memset(body, 'a', size);
    DONE(sk_journal_write(p->j,
                          &(struct sk_journal_record){
                              .key = sk_view_of(key), .time_ms = time_ms, .body = { body, size } },
                          &seq, &err));
    return seq;
}

void put_fails(struct place *p, const char *key, const char *text, enum sk_code code)
{
    struct sk_err err = SK_ERR_INIT;
    uint64_t seq = 0;
    int rc = sk_journal_write(
        p->j, &(struct sk_journal_record){ .key = sk_view_of(key), .body = sk_view_of(text) }, &seq,
        &err);

    if (rc == 0 || err.code != code || err.text[0] == 0)
        fail_msg("%s: %d %s: %s", text, rc, sk_code_name(err.code), err.text);
}

const char *numbers_of(struct sk_journal *j, const struct sk_journal_filter *f)
{
    static char text[8192];
    SK_OWN(sk_journal_cursor_free) struct sk_journal_cursor *c = NULL;
    struct sk_journal_item item;
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;
    int rc;

    text[0] = 0;
    DONE(sk_journal_cursor(j, f, &c, &err));
    while ((rc = sk_journal_next(c, &item, &err)) == 1 && len < sizeof text - 32)
        len += (size_t)snprintf(text + len, sizeof text - len, "%" PRIu64 " ", item.seq);
    assert_int_equal(rc, 0);
    return text;
}

void check_all(struct sk_journal *j, uint64_t from, uint64_t until)
{
    SK_OWN(sk_journal_cursor_free) struct sk_journal_cursor *c = NULL;
    struct sk_journal_item item;
    struct sk_err err = SK_ERR_INIT;

    DONE(sk_journal_cursor(j, &(struct sk_journal_filter){ .from_seq = from }, &c, &err));
    for (uint64_t seq = from; seq <= until; seq++) {
        if (sk_journal_next(c, &item, &err) != 1 || item.seq != seq)
            fail_msg("record %" PRIu64 " is not there", seq);
    }
    assert_int_equal(sk_journal_next(c, &item, &err), 0);
}

struct sk_journal_state state_of(struct place *p)
{
    struct sk_journal_state state;

    sk_journal_state(p->j, &state);
    return state;
}

const char *path_of(struct place *p, uint64_t first, const char *end)
{
    static char path[512];
    char name[SK_SEGMENT_NAME];

    sk_segment_name(first, end, name);
    (void)snprintf(path, sizeof path, "%s/%s", p->dir, name);
    return path;
}

void flip_byte(const char *path, size_t at, uint8_t with)
{
    SK_AUTO(sk_close) int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte;

    assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= with;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
}

size_t size_of(const char *path)
{
    struct stat st;

    return stat(path, &st) < 0 ? 0 : (size_t)st.st_size;
}

/* ---- the order of writes ---- */

enum {
    FILES_MAX = 256
};

static pthread_mutex_t order_mutex = PTHREAD_MUTEX_INITIALIZER;

/* Guarded by it: */
static struct zeroed {
    dev_t dev;
    ino_t ino;
    off_t from, until, synced;
    bool is_made; /* since order_forget; else what lies before its first zeros are records */
} files[FILES_MAX];

static size_t file_count;
static uint64_t zero_sum, record_sum;

static struct zeroed *zeroed_of(int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return NULL;
    for (size_t i = 0; i < file_count; i++) {
        if (files[i].dev == st.st_dev && files[i].ino == st.st_ino)
            return &files[i];
    }
    if (file_count == FILES_MAX)
        abort();
    files[file_count] = (struct zeroed){ .dev = st.st_dev, .ino = st.st_ino };
    return &files[file_count++];
}

static bool is_zeros(const uint8_t *bytes, size_t len)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

void order_write(int fd, const void *bytes, size_t len, off_t at)
{
    SK_LOCK(&order_mutex);
    struct zeroed *f = zeroed_of(fd);
    off_t end = at + (off_t)len;
    if (!f || at == 0) /* a segment's header, an .idx */
        return;
    if (is_zeros(bytes, len)) {
        if (at < f->from || at > f->until) {
            f->from = f->is_made ? at : 0;
            f->until = f->synced = at;
        }
        if (end > f->until)
            f->until = end;
        zero_sum += len;
        return;
    }
    record_sum += len;
    if (at >= f->from && end <= f->synced)
        return;
    (void)fprintf(stderr, "a record at %jd to %jd; synced zeros are from %jd to %jd\n",
                  (intmax_t)at, (intmax_t)end, (intmax_t)f->from, (intmax_t)f->synced);
    abort();
}

void order_made(int fd)
{
    SK_LOCK(&order_mutex);
    struct zeroed *f = fd >= 0 ? zeroed_of(fd) : NULL;
    if (f) { /* another file may have had its number */
        f->from = f->until = f->synced = 0;
        f->is_made = true;
    }
}

void order_synced(int fd)
{
    SK_LOCK(&order_mutex);
    struct zeroed *f = zeroed_of(fd);
    if (f)
        f->synced = f->until;
}

void order_cut(int fd, off_t len)
{
    SK_LOCK(&order_mutex);
    struct zeroed *f = zeroed_of(fd);
    if (f && !f->is_made && f->until == 0) /* it is cut behind its records */
        f->until = f->synced = len;
    if (f && f->until > len)
        f->until = len;
    if (f && f->synced > len)
        f->synced = len;
}

void order_forget(void)
{
    SK_LOCK(&order_mutex);
    file_count = 0;
}

void order_sums(uint64_t *zeros, uint64_t *records)
{
    SK_LOCK(&order_mutex);
    *zeros = zero_sum;
    *records = record_sum;
}

/* ---- the disk ---- */

static struct sk_journal_ops real;
static atomic_int armed, error_number, fails_for_good, has_failed;
static atomic_uint calls_left, slow_us, waiting;
static atomic_bool is_held;

static bool fails(enum faulty_call call)
{
    if (atomic_load(&armed) != (int)call)
        return false;
    if (atomic_load(&calls_left) > 1) {
        (void)atomic_fetch_sub(&calls_left, 1);
        return false;
    }
    if (!atomic_load(&fails_for_good))
        atomic_store(&armed, FAULTY_NONE);
    atomic_store(&has_failed, 1);
    errno = atomic_load(&error_number);
    return true;
}

static int faulty_open(int dir, const char *name, int flags, mode_t mode)
{
    int fd = fails(FAULTY_OPEN) ? -1 : real.open(dir, name, flags, mode);

    if (flags & O_CREAT)
        order_made(fd);
    return fd;
}

static ssize_t faulty_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    order_write(fd, bytes, len, at);
    if (fails(FAULTY_WRITE))
        return -1;
    if (fails(FAULTY_TEAR)) {
        (void)real.pwrite(fd, bytes, len / 2, at);
        errno = atomic_load(&error_number);
        return -1;
    }
    return real.pwrite(fd, bytes, len, at);
}

static int faulty_datasync(int fd)
{
    if (atomic_load(&slow_us))
        (void)usleep(atomic_load(&slow_us));
    (void)atomic_fetch_add(&waiting, 1);
    while (atomic_load(&is_held))
        (void)usleep(500);
    (void)atomic_fetch_sub(&waiting, 1);
    if (fails(FAULTY_DATASYNC) || real.datasync(fd) < 0)
        return -1;
    order_synced(fd);
    return 0;
}

static int faulty_sync(int fd)
{
    if (fails(FAULTY_SYNC) || real.sync(fd) < 0)
        return -1;
    order_synced(fd);
    return 0;
}

static int faulty_allocate(int fd, off_t at, off_t len)
{
    return fails(FAULTY_ALLOCATE) ? errno : real.allocate(fd, at, len);
}

static int faulty_truncate(int fd, off_t len)
{
    if (fails(FAULTY_TRUNCATE) || real.truncate(fd, len) < 0)
        return -1;
    order_cut(fd, len);
    return 0;
}

void faulty_install(void)
{
    real = sk_journal_ops;
    sk_journal_ops = (struct sk_journal_ops){ faulty_open, faulty_pwrite,   faulty_datasync,
                                              faulty_sync, faulty_allocate, faulty_truncate };
}

void faulty_arm(enum faulty_call call, unsigned n, int number, bool for_good)
{
    atomic_store(&has_failed, 0);
    atomic_store(&calls_left, n);
    atomic_store(&error_number, number);
    atomic_store(&fails_for_good, for_good);
    atomic_store(&armed, (int)call);
}

bool faulty_disarm(void)
{
    atomic_store(&armed, FAULTY_NONE);
    atomic_store(&slow_us, 0);
    atomic_store(&is_held, false);
    return atomic_load(&has_failed);
}

void faulty_slow(unsigned us)
{
    atomic_store(&slow_us, us);
}

void faulty_hold(void)
{
    atomic_store(&is_held, true);
}

void faulty_wait_held(void)
{
    for (int i = 0; i < 20000 && atomic_load(&waiting) == 0; i++)
        (void)usleep(1000);
    assert_int_equal(atomic_load(&waiting), 1);
}

void faulty_release(void)
{
    atomic_store(&is_held, false);
}
