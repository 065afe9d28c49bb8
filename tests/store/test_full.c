/*
 * test_full.c - a disk that is full, at every few KiB: nothing acknowledged is lost, the error says
 * so, and with space it goes on without help.
 *
 * The disk is a tmpfs of some MiB in a mount namespace of the test's own, where the kernel lets us
 * have one; and a limit on the size of files, which is for every system.
 */
#include "store/store_util.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

enum {
    KIB = 1024,
    BLOB = 90 * KIB,
    STEP = 8 * KIB
};

/* ---- what is done on the full disk ---- */

static int name_it(struct sk_tx *tx, const char *digest, uint64_t size, void *ctx,
                   struct sk_err *err)
{
    (void)size;
    return sk_artifact_put(tx, ctx, digest, err);
}

/* Either it is done, or the disk was full. */
static bool full_or_done(int rc, const struct sk_err *err)
{
    if (rc < 0 && (err->code != SK_FULL || !strstr(err->text, "disk is full")))
        fail_msg("%s: %s", sk_code_name(err->code), err->text);
    return rc == 0;
}

static const char *bytes_of(unsigned i)
{
    static char bytes[BLOB];

    memset(bytes, 'a' + (int)(i % 26), sizeof bytes);
    (void)snprintf(bytes, sizeof bytes, "%u", i);
    return bytes;
}

/* An upload; what fails is begun again after more_space, if there is one. */
static bool upload(struct place *p, unsigned i, char *path, void (*more_space)(void *ctx),
                   void *ctx)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_upload_suspend) struct sk_upload *u = NULL;
    char digest[SK_DIGEST_TEXT];
    const char *bytes = bytes_of(i);
    bool ok = full_or_done(sk_upload_begin(p->store, "s", &u, &err), &err);

    for (size_t at = 0; ok && at < BLOB; at += STEP) {
        size_t len = BLOB - at < STEP ? BLOB - at : STEP;
        ok = full_or_done(sk_upload_write(u, bytes + at, len, &err), &err);
    }
    ok = ok && full_or_done(sk_upload_finish(&u, NULL, name_it, path, digest, &err), &err);
    assert_true(!ok || !u);
    if (!ok && u) { /* what came is given up, and its space given back */
        FAILS(sk_upload_write(u, "x", 1, &err), SK_IO);
        sk_upload_suspend(SK_TAKE(u));
    }
    assert_int_equal(count_files(p, "uploads"), 0);
    if (ok || !more_space)
        return ok;
    more_space(ctx);
    return upload(p, i, path, NULL, NULL);
}

static bool put(struct sk_store *s, unsigned i, char *path)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    char digest[SK_DIGEST_TEXT];

    return full_or_done(sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, &err), &err) &&
           full_or_done(sk_blob_put(s, tx, SK_SHA256, bytes_of(i), 9000, digest, &err), &err) &&
           full_or_done(sk_artifact_put(tx, path, digest, &err), &err) &&
           full_or_done(sk_tx_commit(&tx, &err), &err);
}

static void check(struct place *p, unsigned count)
{
    struct sk_err err = SK_ERR_INIT;

    expect_problems(p->store, 0);
    sk_store_close(SK_TAKE(p->store));
    DONE(sk_store_open(p->dir, &p->store, &err)); /* also on the full disk */
    expect_problems(p->store, 0);
    assert_int_equal(ask(p->store, "SELECT count(*) FROM artifact"), count);
}

/* ---- a disk of our own ---- */

static bool write_text(const char *path, const char *text)
{
    SK_AUTO(sk_close) int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static bool own_mounts(void)
{
    char map[64];
    unsigned uid = (unsigned)geteuid(), gid = (unsigned)getegid();

    if (unshare(CLONE_NEWNS) == 0)
        return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        return false;
    (void)snprintf(map, sizeof map, "0 %u 1", uid);
    if (!write_text("/proc/self/setgroups", "deny") || !write_text("/proc/self/uid_map", map))
        return false;
    (void)snprintf(map, sizeof map, "0 %u 1", gid);
    return write_text("/proc/self/gid_map", map);
}

struct disk {
    char ballast[600];
    const struct place *place;
};

/* Leaves this much free: the ballast takes the rest. */
static void leave(struct disk *d, size_t want)
{
    struct statvfs st;

    assert_int_equal(statvfs(d->place->top, &st), 0);
    SK_AUTO(sk_close) int fd = open(d->ballast, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    off_t now = lseek(fd, 0, SEEK_END);
    size_t have = st.f_bavail * st.f_bsize + (size_t)now;
    off_t size = have > want ? (off_t)(have - want) : 0;
    assert_int_equal(ftruncate(fd, size < now ? size : now), 0);
    if (size > now)
        assert_int_equal(posix_fallocate(fd, now, size - now), 0);
}

/* A full disk, to the last page, is emptied; meanwhile nothing takes the room that this makes. */
static void empty(struct place *p, struct disk *d)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report;
    struct stat st;
    SK_OWN(free) char *reserve = sk_path_join(p->dir, SK_STORE_RESERVE);

    leave(d, 2 << 20);
    assert_true(upload(p, 1, (char[]){ "c/1" }, NULL, NULL)); /* fills the reserve again */
    for (unsigned i = 2; i < 10; i++)
        assert_true(upload(p, i, (char[]){ 'c', '/', (char)('0' + i), '\0' }, NULL, NULL));
    assert_int_equal(stat(reserve, &st), 0);
    assert_true((uint64_t)st.st_blocks * 512 >= p->store->reserve_bytes);
    leave(d, 0);
    {
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        DONE(sk_db_begin(sk_store_db(p->store), SK_DB_SHRINK, &tx, &err));
        assert_int_equal(stat(reserve, &st), 0);
        assert_int_equal(st.st_size, 0);
        DONE(sk_artifact_remove(tx, "c", &err));
        DONE(sk_tx_commit(&tx, &err));
    }
    leave(d, p->store->reserve_bytes / 2); /* the commit itself may have found room in the log */
    SK_OWN(sk_upload_suspend) struct sk_upload *u = NULL;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    FAILS(sk_upload_begin(p->store, "s", &u, &err), SK_FULL);
    FAILS(sk_db_begin(sk_store_db(p->store), SK_DB_WRITE, &tx, &err), SK_FULL);
    DONE(sk_store_gc(p->store, 0, 0, false, &report, &err));
    assert_int_equal(report.removed, 9);
    assert_int_equal(stat(reserve, &st), 0);
    assert_true((uint64_t)st.st_blocks * 512 >= p->store->reserve_bytes);
    assert_true(upload(p, 1, (char[]){ "c/1" }, NULL, NULL));
}

static void more(void *ctx)
{
    leave(ctx, 1 << 20);
}

enum {
    NO_MOUNT = 77
};

static void on_tmpfs(struct place *p)
{
    struct sk_err err = SK_ERR_INIT;
    struct disk d = { .place = p };
    unsigned count = 0, refused = 0, i = 0;
    char path[32];
    struct sk_store_report report;

    sk_store_close(SK_TAKE(p->store));
    DONE(sk_remove_tree(p->dir, &err));
    if (!own_mounts() || mount("tmpfs", p->top, "tmpfs", 0, "size=12m") < 0)
        _exit(NO_MOUNT);
    (void)snprintf(d.ballast, sizeof d.ballast, "%s/ballast", p->top);
    DONE(sk_store_create(p->dir, &err));
    DONE(sk_store_open(p->dir, &p->store, &err));
    for (size_t left = 0; left < 320 * KIB; left += 4 * KIB) {
        leave(&d, left);
        (void)snprintf(path, sizeof path, "a/%u", i++);
        bool ok = (i % 2 ? upload(p, i, path, NULL, NULL) : put(p->store, i, path));
        count += ok;
        refused += !ok;
        check(p, count);
        if (i % 10 == 0) { /* what failed is finished once there is space */
            leave(&d, left / 4);
            (void)snprintf(path, sizeof path, "b/%u", i);
            assert_true(upload(p, i + 1000, path, more, &d));
            check(p, ++count);
            SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
            DONE(sk_db_begin(sk_store_db(p->store), SK_DB_WRITE, &tx, &err));
            DONE(sk_artifact_remove(tx, "a", &err));
            DONE(sk_artifact_remove(tx, "b", &err));
            DONE(sk_tx_commit(&tx, &err));
            count = 0;
            DONE(sk_store_gc(p->store, 0, 0, false, &report, &err));
            assert_int_equal(count_files(p, "blobs"), 0);
        }
    }
    if (refused < 10 || refused == i)
        fail_msg("%u of %u were refused", refused, i);
    empty(p, &d);
    /* A backup that does not fit leaves nothing, and a restore neither. */
    SK_OWN(free) char *tar = sk_path_join(p->top, "hub.tar");
    SK_OWN(free) char *dir = sk_path_join(p->top, "new");
    leave(&d, 4 << 20);
    (void)put_blob(p->store, "one");
    DONE(sk_store_backup(p->store, tar, NULL, NULL, &report, &err));
    leave(&d, 100 * KIB);
    assert_false(full_or_done(sk_store_restore(tar, dir, NULL, NULL, &report, &err), &err));
    assert_false(sk_is_dir(dir));
    assert_int_equal(unlink(tar), 0);
    leave(&d, 100 * KIB);
    assert_false(full_or_done(sk_store_backup(p->store, tar, NULL, NULL, &report, &err), &err));
    assert_false(sk_is_file(tar));
    assert_int_equal(count_files(p, "uploads"), 0);
    sk_store_close(SK_TAKE(p->store));
    assert_int_equal(umount(p->top), 0);
}

/* ---- a limit on files ---- */

static void with_limit(struct place *p)
{
    unsigned count = 0, refused = 0, i = 0;
    struct rlimit limit;
    char path[32];

    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    for (rlim_t left = 0; left < 160 * KIB; left += 4 * KIB) {
        limit.rlim_cur = left;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        (void)snprintf(path, sizeof path, "a/%u", i++);
        bool ok = (i % 2 ? upload(p, i, path, NULL, NULL) : put(p->store, i, path));
        count += ok;
        refused += !ok;
        limit.rlim_cur = limit.rlim_max;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        check(p, count);
        (void)snprintf(path, sizeof path, "b/%u", i);
        assert_true(upload(p, i + 1000, path, NULL, NULL));
        check(p, ++count);
    }
    if (refused < 10 || refused == i)
        fail_msg("%u of %u were refused", refused, i);
}

/* ---- a program of its own: neither mounts nor limits are for the rest of the tests ---- */

static void run_tmpfs(void **state)
{
    on_tmpfs(*state);
}

static void run_limit(void **state)
{
    with_limit(*state);
}

static int run_alone(const char *which)
{
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(STDERR_FILENO, STDOUT_FILENO); /* standard output is the report of the tests */
        (void)execl("/proc/self/exe", "test_store_full", which, (char *)NULL);
        _exit(1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_tmpfs(void **state)
{
    int status = run_alone("tmpfs");

    (void)state;
    if (status == NO_MOUNT)
        skip();
    assert_int_equal(status, 0);
}

static void test_limit(void **state)
{
    (void)state;
    assert_int_equal(run_alone("limit"), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tmpfs[] = {
        cmocka_unit_test_setup_teardown(run_tmpfs, place_set_up, place_tear_down),
    };
    const struct CMUnitTest limit[] = {
        cmocka_unit_test_setup_teardown(run_limit, place_set_up, place_tear_down),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tmpfs),
        cmocka_unit_test(test_limit),
    };

    if (argc == 2 && strcmp(argv[1], "tmpfs") == 0)
        return cmocka_run_group_tests(tmpfs, NULL, NULL);
    if (argc == 2 && strcmp(argv[1], "limit") == 0)
        return cmocka_run_group_tests(limit, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
