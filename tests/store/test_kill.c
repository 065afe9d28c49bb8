/*
 * test_kill.c - processes on one folder: killed at any instant, or working against each other.
 *
 * Children store, name, remove and collect in a loop, and report through a pipe what was
 * acknowledged, and before a removal that it may come. The parent kills all of them a random time
 * after the first report, in some rounds after the start, reads what they reported, and then
 * everything acknowledged must be there, and verify clean.
 */
#include "store/store_util.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum {
    CHILDREN = 3,
    ROUNDS = 60,     /* SKERRY_KILL_ROUNDS changes it */
    LIVE_MAX = 1300, /* reports fill a pipe */
    SIZE_MAX_BYTES = 300000
};

static uint32_t seed;

/* A fork that does not outlive a test which fails. */
static pid_t fork_child(void)
{
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    return child;
}

static uint32_t next_random(uint32_t *x)
{
    *x = *x * 1664525 + 1013904223;
    return *x >> 8;
}

/* What a path's blob holds follows from the path and its size. */
static void fill(const char *path, char *bytes, size_t size)
{
    size_t n = strlen(path);

    for (size_t i = 0; i < size; i++)
        bytes[i] = path[i % n];
}

/* ---- the child ---- */

struct report {
    char kind; /* '+' is named, '?' may be removed, '-' is removed, 'u' an upload has bytes */
    char path[47];
    uint32_t size;
};

static void tell(int fd, char kind, const char *path, size_t size)
{
    struct report r = { .kind = kind, .size = (uint32_t)size };

    (void)snprintf(r.path, sizeof r.path, "%s", path);
    if (write(fd, &r, sizeof r) != sizeof r) /* in one piece: it is smaller than PIPE_BUF */
        _exit(3);
}

static int name_it(struct sk_tx *tx, const char *digest, uint64_t size, void *ctx,
                   struct sk_err *err)
{
    (void)size;
    return sk_artifact_put(tx, ctx, digest, err);
}

static int store_one(struct sk_store *s, char *path, size_t size, char *bytes, uint32_t *x,
                     struct sk_err *err)
{
    SK_OWN(sk_upload_suspend) struct sk_upload *u = NULL;
    char digest[SK_DIGEST_TEXT], id[SK_UPLOAD_ID_TEXT];

    fill(path, bytes, size);
    if (size < 1000) {
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        if (sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, err) < 0 ||
            sk_blob_put(s, tx, SK_SHA256, bytes, size, digest, err) < 0 ||
            sk_artifact_put(tx, path, digest, err) < 0)
            return -1;
        return sk_tx_commit(&tx, err);
    }
    size_t half = next_random(x) % size;
    if (sk_upload_begin(s, "s", &u, err) < 0 || sk_upload_write(u, bytes, half, err) < 0)
        return -1;
    memcpy(id, sk_upload_id(u), sizeof id);
    sk_upload_suspend(SK_TAKE(u));
    if (sk_upload_open(s, id, "s", &u, err) < 0 ||
        sk_upload_write(u, bytes + half, size - half, err) < 0)
        return -1;
    return sk_upload_finish(&u, NULL, name_it, path, digest, err);
}

static int remove_one(struct sk_store *s, const char *path, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;

    if (sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, err) < 0 ||
        sk_artifact_remove(tx, path, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

static int leave_upload(struct sk_store *s, int fd, char *bytes, struct sk_err *err)
{
    SK_OWN(sk_upload_suspend) struct sk_upload *u = NULL;

    fill("upload", bytes, 5000);
    if (sk_upload_begin(s, "left", &u, err) < 0 || sk_upload_write(u, bytes, 5000, err) < 0)
        return -1;
    tell(fd, 'u', sk_upload_id(u), 5000);
    return 0;
}

static void work(const char *dir, int fd, unsigned round, unsigned child, uint32_t x)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_store *s = NULL;
    struct sk_store_report report;
    char path[47], bytes[SIZE_MAX_BYTES];
    unsigned made = 0, removed = 0;

    if (sk_store_open(dir, &s, &err) < 0)
        goto failed;
    for (;;) {
        unsigned what = next_random(&x) % 10;
        if (what < 6) {
            (void)snprintf(path, sizeof path, "r%u/%u/%u", round, child, made++);
            size_t size = 1 + next_random(&x) % (what < 3 ? 900 : SIZE_MAX_BYTES - 1);
            if (store_one(s, path, size, bytes, &x, &err) < 0)
                goto failed;
            tell(fd, '+', path, size);
        } else if (what < 8 && removed < made) {
            (void)snprintf(path, sizeof path, "r%u/%u/%u", round, child, removed++);
            tell(fd, '?', path, 0);
            if (remove_one(s, path, &err) < 0)
                goto failed;
            tell(fd, '-', path, 0);
        } else if (what == 8) {
            if (leave_upload(s, fd, bytes, &err) < 0)
                goto failed;
        } else if (sk_store_gc(s, 0, 60000, false, &report, &err) < 0 && err.code != SK_BUSY) {
            goto failed;
        }
    }
failed:
    (void)fprintf(stderr, "child: %s\n", err.text);
    _exit(2);
}

/* ---- the parent ---- */

struct live {
    struct report items[LIVE_MAX];
    size_t count;
};

static void take(struct live *l, const struct report *r)
{
    size_t i = 0;

    if (r->kind == '+' || r->kind == 'u') {
        assert_true(l->count < LIVE_MAX);
        l->items[l->count++] = *r;
        return;
    }
    while (i < l->count && strcmp(l->items[i].path, r->path) != 0)
        i++;
    if (i < l->count)
        l->items[i].kind = r->kind;
}

static void read_reports(int fd, struct live *l)
{
    struct report r;
    ssize_t n = 0;

    while ((n = read(fd, &r, sizeof r)) == sizeof r)
        take(l, &r);
    assert_int_equal(n, 0);
}

static void check_named(struct place *p, const struct report *r, char *bytes)
{
    struct sk_err err = SK_ERR_INIT;
    char digest[SK_DIGEST_TEXT], hex[SK_SHA256_HEX];
    uint64_t size = 0;
    int rc = 0;
    {
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        DONE(sk_db_begin(sk_store_db(p->store), SK_DB_READ, &tx, &err));
        rc = sk_artifact_get(tx, r->path, digest, &size, &err);
    }
    if (r->kind == '?' && rc < 0 && err.code == SK_NOT_FOUND)
        return;
    if (r->kind == '-') {
        if (rc == 0)
            fail_msg("'%s' is back", r->path);
        return;
    }
    if (rc < 0)
        fail_msg("'%s' is lost: %s", r->path, err.text);
    fill(r->path, bytes, r->size);
    DONE(sk_sha256_hex(bytes, r->size, hex, &err));
    assert_string_equal(digest + 7, hex);
    assert_true(has_blob(p->store, digest));
}

static void check_upload(struct place *p, const struct report *r, char *bytes)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_upload_suspend) struct sk_upload *u = NULL;
    char digest[SK_DIGEST_TEXT], hex[SK_SHA256_HEX];

    DONE(sk_upload_open(p->store, r->path, "left", &u, &err));
    assert_int_equal(sk_upload_size(u), r->size);
    DONE(sk_upload_finish(&u, NULL, NULL, NULL, digest, &err));
    fill("upload", bytes, r->size);
    DONE(sk_sha256_hex(bytes, r->size, hex, &err));
    assert_string_equal(digest + 7, hex);
}

static void check_all(struct place *p, struct live *l)
{
    static char bytes[SIZE_MAX_BYTES];
    struct sk_err err = SK_ERR_INIT;

    DONE(sk_store_open(p->dir, &p->store, &err)); /* it needs no help */
    expect_problems(p->store, 0);
    for (size_t i = 0; i < l->count; i++) {
        if (l->items[i].kind == 'u')
            check_upload(p, &l->items[i], bytes);
        else
            check_named(p, &l->items[i], bytes);
    }
    sk_store_close(SK_TAKE(p->store));
}

/* Removes what a round has left, so that the next ones stay fast. */
static void sweep(struct place *p, unsigned round)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report;
    char path[32];

    DONE(sk_store_open(p->dir, &p->store, &err));
    (void)snprintf(path, sizeof path, "r%u", round);
    DONE(remove_one(p->store, path, &err));
    /* Twice: a stray file that an upload shares becomes young again when the upload goes. */
    for (int i = 0; i < 2; i++) {
        const struct timespec pause = { .tv_nsec = 10000000 };
        (void)nanosleep(&pause, NULL);
        DONE(sk_store_gc(p->store, 0, 0, false, &report, &err));
    }
    assert_int_equal(count_files(p, "blobs"), 0);
    assert_int_equal(ask(p->store, "SELECT count(*) FROM blob"), 0);
    assert_int_equal(count_files(p, "trash"), 0);
    expect_problems(p->store, 0);
    sk_store_close(SK_TAKE(p->store));
}

static size_t run_round(struct place *p, unsigned round, struct live *l)
{
    const struct timespec pause = { .tv_nsec = 1000000L * (1 + next_random(&seed) % 60) };
    pid_t children[CHILDREN];
    int pipes[2];

    l->count = 0;
    assert_int_equal(pipe(pipes), 0);
    for (unsigned i = 0; i < CHILDREN; i++) {
        uint32_t x = next_random(&seed);
        children[i] = fork_child();
        if (children[i] == 0) {
            (void)close(pipes[0]);
            work(p->dir, pipes[1], round, i, x);
        }
    }
    (void)close(pipes[1]);
    /* Else opening the folder would take most of the time, or all; every fourth is killed in it. */
    struct pollfd first = { .fd = pipes[0], .events = POLLIN };
    if (round % 4 != 0)
        assert_int_equal(poll(&first, 1, 20000), 1);
    (void)nanosleep(&pause, NULL);
    for (unsigned i = 0; i < CHILDREN; i++)
        assert_int_equal(kill(children[i], SIGKILL), 0);
    read_reports(pipes[0], l);
    (void)close(pipes[0]);
    for (unsigned i = 0; i < CHILDREN; i++) {
        int status = 0;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFSIGNALED(status)); /* and not by an error of its own */
    }
    return l->count;
}

static void test_kill(void **state)
{
    struct place *p = *state;
    static struct live l;
    const char *more = getenv("SKERRY_KILL_ROUNDS");
    unsigned rounds = more ? (unsigned)strtoul(more, NULL, 10) : ROUNDS;
    size_t acknowledged = 0;

    seed = (uint32_t)sk_now_ns();
    print_message("# seed %u\n", seed);
    sk_store_close(SK_TAKE(p->store));
    for (unsigned round = 0; round < rounds; round++) {
        acknowledged += run_round(p, round, &l);
        check_all(p, &l);
        sweep(p, round);
    }
    print_message("# %zu acknowledged in %u rounds\n", acknowledged, rounds);
    assert_true(acknowledged > rounds / 4);
}

/* ---- gc against pushes ---- */

static void collect(const char *dir, uint64_t grace_ms, int ready)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_store *s = NULL;
    struct sk_store_report report;

    if (sk_store_open(dir, &s, &err) < 0)
        _exit(2);
    for (bool told = false;; told = true) {
        if (sk_store_gc(s, grace_ms, 0, false, &report, &err) < 0) {
            (void)fprintf(stderr, "gc: %s\n", err.text);
            _exit(2);
        }
        if (!told && write(ready, "", 1) != 1)
            _exit(2);
    }
}

/* Uploads blobs, finds them again and names them a little later, as a push of layers and then of
 * the manifest, while another process does nothing but gc. */
static void test_gc_and_push(void **state)
{
    enum {
        PUSHES = 40,
        GRACE_MS = 120000
    };

    struct place *p = *state;
    int pipes[2];
    char byte = 0;

    assert_int_equal(pipe(pipes), 0);
    sk_store_close(SK_TAKE(p->store));
    pid_t child = fork_child();
    if (child == 0)
        collect(p->dir, GRACE_MS, pipes[1]);
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    struct sk_err err = SK_ERR_INIT;
    DONE(sk_store_open(p->dir, &p->store, &err));
    for (int i = 0; i < PUSHES; i++) {
        SK_OWN(sk_upload_suspend) struct sk_upload *u = NULL;
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        char text[32], digest[SK_DIGEST_TEXT], path[32];
        (void)snprintf(text, sizeof text, "layer %d", i);
        (void)snprintf(path, sizeof path, "p/%d", i);
        DONE(sk_upload_begin(p->store, "s", &u, &err)); /* gc takes uploads of any age but open ones
                                                         */
        const struct timespec pause = { .tv_nsec = 3000000 };
        (void)nanosleep(&pause, NULL);
        DONE(sk_upload_write(u, text, strlen(text), &err));
        DONE(sk_upload_finish(&u, NULL, NULL, NULL, digest, &err));
        age_blobs(p->store, GRACE_MS / 2);
        DONE(sk_db_begin(sk_store_db(p->store), SK_DB_WRITE, &tx, &err));
        DONE(sk_blob_touch(tx, digest, &err)); /* found by HEAD */
        DONE(sk_tx_commit(&tx, &err));
        (void)nanosleep(&pause, NULL);
        DONE(sk_db_begin(sk_store_db(p->store), SK_DB_WRITE, &tx, &err));
        DONE(sk_artifact_put(tx, path, digest, &err));
        DONE(sk_tx_commit(&tx, &err));
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    (void)close(pipes[0]);
    (void)close(pipes[1]);
    assert_int_equal(ask(p->store, "SELECT count(*) FROM artifact"), PUSHES);
    assert_int_equal(count_files(p, "blobs"), PUSHES);
    expect_problems(p->store, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kill, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_gc_and_push, place_set_up, place_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
