/* test_upload.c - what comes in pieces, breaks, goes on, and becomes a blob or not. */
#include "store/store_util.h"

#include <fcntl.h>
#include <unistd.h>

static void test_pieces(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_upload_suspend) struct sk_upload *u = NULL;
    char id[SK_UPLOAD_ID_TEXT], digest[SK_DIGEST_TEXT];
    uint64_t size = 0;

    DONE(sk_upload_begin(p->store, "repo/a", &u, &err));
    (void)snprintf(id, sizeof id, "%s", sk_upload_id(u));
    assert_int_equal(strlen(id), 32);
    DONE(sk_upload_write(u, "one ", 4, &err));
    DONE(sk_upload_write(u, "", 0, &err));
    assert_int_equal(sk_upload_size(u), 4);
    DONE(sk_upload_stat(p->store, id, "repo/a", &size, &err));
    assert_int_equal(size, 4);
    sk_upload_suspend(SK_TAKE(u));

    DONE(sk_upload_open(p->store, id, "repo/a", &u, &err)); /* the kept hash */
    DONE(sk_upload_write(u, "two ", 4, &err));
    sk_upload_suspend(SK_TAKE(u));
    sk_store_close(p->store);
    DONE(sk_store_open(p->dir, &p->store, &err));
    DONE(sk_upload_open(p->store, id, "repo/a", &u, &err)); /* hashed by the finish */
    assert_int_equal(sk_upload_size(u), 8);
    DONE(sk_upload_write(u, "three", 5, &err));
    DONE(sk_upload_finish(&u, digest_of("one two three"), NULL, NULL, digest, &err));
    assert_null(u);
    assert_string_equal(digest, digest_of("one two three"));
    assert_true(has_blob(p->store, digest));
    assert_int_equal(count_files(p, "uploads"), 0);
    FAILS(sk_upload_open(p->store, id, "repo/a", &u, &err), SK_NOT_FOUND);
    FAILS(sk_upload_stat(p->store, id, "repo/a", &size, &err), SK_NOT_FOUND);
}

/* An upload goes on without its bytes being read, which would hold up an event loop: what was
 * written by an earlier process is hashed by the finish, as it lies on the disk then. */
static void test_open_reads_nothing(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_upload_suspend) struct sk_upload *u = NULL;
    char id[SK_UPLOAD_ID_TEXT], digest[SK_DIGEST_TEXT], path[700];

    DONE(sk_upload_begin(p->store, "s", &u, &err));
    (void)snprintf(id, sizeof id, "%s", sk_upload_id(u));
    (void)snprintf(path, sizeof path, "%s/uploads/%s", p->dir, u->name);
    DONE(sk_upload_write(u, "one ", 4, &err));
    sk_upload_suspend(SK_TAKE(u));
    sk_store_close(p->store);
    DONE(sk_store_open(p->dir, &p->store, &err));
    DONE(sk_upload_open(p->store, id, "s", &u, &err));
    DONE(sk_upload_write(u, "two", 3, &err));
    SK_AUTO(sk_close) int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0 && pwrite(fd, "ONE", 3, 0) == 3);
    FAILS(sk_upload_finish(&u, digest_of("one two"), NULL, NULL, digest, &err), SK_INVALID);
    assert_int_equal(count_files(p, "blobs"), 0);
}

static void test_wrong_digest(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    const char *const wants[] = { digest_of("other"), "sha256:123", "" };

    for (size_t i = 0; i < COUNT(wants); i++) {
        struct sk_upload *u = NULL;
        char digest[SK_DIGEST_TEXT];
        DONE(sk_upload_begin(p->store, "s", &u, &err));
        DONE(sk_upload_write(u, "text", 4, &err));
        FAILS(sk_upload_finish(&u, wants[i], NULL, NULL, digest, &err), SK_INVALID);
        assert_null(u);
    }
    assert_int_equal(count_files(p, "uploads"), 0);
    assert_int_equal(count_files(p, "blobs"), 0);
    assert_int_equal(ask(p->store, "SELECT count(*) FROM blob"), 0);
}

/* An id opens nothing without its scope, and nothing beside the uploads. */
static void test_names(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_upload_suspend) struct sk_upload *u = NULL;
    struct sk_upload *second = NULL;
    char id[SK_UPLOAD_ID_TEXT];
    uint64_t size = 0;

    DONE(sk_upload_begin(p->store, "repo/a", &u, &err));
    (void)snprintf(id, sizeof id, "%s", sk_upload_id(u));
    FAILS(sk_upload_open(p->store, id, "repo/a", &second, &err), SK_BUSY);
    FAILS(sk_upload_abort(p->store, id, "repo/a", &err), SK_BUSY);
    sk_upload_suspend(SK_TAKE(u));

    const struct {
        const char *id, *scope;
    } rows[] = {
        { id, "repo/b" },
        { id, "" },
        { "00000000000000000000000000000000", "repo/a" },
        { "../registry.db", "repo/a" },
        { "", "repo/a" },
        { NULL, "repo/a" },
        { "0123456789ABCDEF0123456789ABCDEF", "repo/a" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        FAILS(sk_upload_open(p->store, rows[i].id, rows[i].scope, &u, &err), SK_NOT_FOUND);
        FAILS(sk_upload_stat(p->store, rows[i].id, rows[i].scope, &size, &err), SK_NOT_FOUND);
        FAILS(sk_upload_abort(p->store, rows[i].id, rows[i].scope, &err), SK_NOT_FOUND);
    }
    DONE(sk_upload_abort(p->store, id, "repo/a", &err));
    FAILS(sk_upload_open(p->store, id, "repo/a", &u, &err), SK_NOT_FOUND);
    assert_int_equal(count_files(p, "uploads"), 0);
}

static int fail_once(struct sk_tx *tx, const char *digest, uint64_t size, void *ctx,
                     struct sk_err *err)
{
    bool *fails = ctx;

    (void)tx;
    (void)size;
    if (!*fails)
        return 0;
    *fails = false;
    return sk_fail(err, SK_BUSY, "%s: not now", digest);
}

/* Another kind of digest than the one that is made as the bytes come; also after a first finish by
 * the one failed, or a resume. */
static void test_other_digest(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_upload_suspend) struct sk_upload *u = NULL;
    char id[SK_UPLOAD_ID_TEXT], digest[SK_DIGEST_TEXT];
    bool fails = true;

    DONE(sk_upload_begin(p->store, "s", &u, &err));
    DONE(sk_upload_write(u, "ab", 2, &err));
    memcpy(id, sk_upload_id(u), sizeof id);
    sk_upload_suspend(SK_TAKE(u));
    DONE(sk_upload_open(p->store, id, "s", &u, &err));
    DONE(sk_upload_write(u, "c", 1, &err));
    FAILS(sk_upload_finish(&u, NULL, fail_once, &fails, digest, &err), SK_BUSY);
    fails = true;
    FAILS(sk_upload_finish(&u, digest_512("abc"), fail_once, &fails, digest, &err), SK_BUSY);
    FAILS(sk_upload_write(u, "d", 1, &err), SK_INVALID);
    memcpy(id, sk_upload_id(u), sizeof id);
    sk_upload_suspend(SK_TAKE(u));
    DONE(sk_upload_open(p->store, id, "s", &u, &err));
    DONE(sk_upload_finish(&u, digest_512("abc"), NULL, NULL, digest, &err));
    assert_null(u);
    assert_string_equal(digest, digest_512("abc"));
    assert_true(has_blob(p->store, digest));
    assert_false(has_blob(p->store, digest_of("abc")));

    static const char *const wrong[] = { "abd", "" };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        DONE(sk_upload_begin(p->store, "s", &u, &err));
        DONE(sk_upload_write(u, "abc", 3, &err));
        FAILS(sk_upload_finish(&u, digest_512(wrong[i]), NULL, NULL, digest, &err), SK_INVALID);
        assert_null(u);
    }
    assert_int_equal(count_files(p, "uploads"), 0);
    assert_int_equal(ask(p->store, "SELECT count(*) FROM blob"), 1);
}

/* More suspended uploads than hashes are kept; each still ends right. */
static void test_many_suspended(void **state)
{
    enum {
        MANY = SK_STORE_HASHES + 8
    };

    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    char ids[MANY][SK_UPLOAD_ID_TEXT];

    for (int i = 0; i < MANY; i++) {
        struct sk_upload *u = NULL;
        DONE(sk_upload_begin(p->store, "s", &u, &err));
        memcpy(ids[i], sk_upload_id(u), sizeof ids[i]);
        DONE(sk_upload_write(u, ids[i], 16, &err));
        sk_upload_suspend(u);
    }
    for (int i = 0; i < MANY; i++) {
        struct sk_upload *u = NULL;
        char digest[SK_DIGEST_TEXT];
        DONE(sk_upload_open(p->store, ids[i], "s", &u, &err));
        DONE(sk_upload_write(u, ids[i] + 16, 16, &err));
        DONE(sk_upload_finish(&u, digest_of(ids[i]), NULL, NULL, digest, &err));
    }
    assert_int_equal(ask(p->store, "SELECT count(*) FROM blob"), MANY);
}

struct also {
    int calls;
    enum sk_code fail;
};

static int count_also(struct sk_tx *tx, const char *digest, uint64_t size, void *ctx,
                      struct sk_err *err)
{
    struct also *a = ctx;

    a->calls++;
    if (a->fail)
        return sk_fail(err, a->fail, "not this time");
    assert_int_equal(size, 4);
    return sk_artifact_put(tx, "a/file", digest, err);
}

/* What runs in the same transaction: with it or not at all; then it can be tried again. */
static void test_also(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_upload_suspend) struct sk_upload *u = NULL;
    struct also also = { 0, SK_EXISTS };
    char id[SK_UPLOAD_ID_TEXT], digest[SK_DIGEST_TEXT];

    DONE(sk_upload_begin(p->store, "s", &u, &err));
    (void)snprintf(id, sizeof id, "%s", sk_upload_id(u));
    DONE(sk_upload_write(u, "text", 4, &err));
    FAILS(sk_upload_finish(&u, NULL, count_also, &also, digest, &err), SK_EXISTS);
    assert_non_null(u);
    assert_int_equal(ask(p->store, "SELECT count(*) FROM blob"), 0);
    FAILS(sk_upload_write(u, "more", 4, &err), SK_INVALID); /* its bytes may be a blob's */
    sk_upload_suspend(SK_TAKE(u));
    DONE(sk_upload_open(p->store, id, "s", &u, &err)); /* also after a break */
    FAILS(sk_upload_write(u, "more", 4, &err), SK_INVALID);
    also.fail = SK_OK;
    DONE(sk_upload_finish(&u, digest_of("text"), count_also, &also, digest, &err));
    assert_int_equal(also.calls, 2);
    assert_int_equal(ask(p->store, "SELECT count(*) FROM artifact"), 1);
    assert_int_equal(count_files(p, "uploads"), 0);
    expect_problems(p->store, 0);
}

/* Larger than what is flushed and hashed at once. */
static void test_large(void **state)
{
    enum {
        BYTES = (20 << 20) + 77,
        STEP = 300001
    };

    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_upload_suspend) struct sk_upload *u = NULL;
    SK_OWN(free) char *bytes = malloc(BYTES);
    char digest[SK_DIGEST_TEXT], hex[SK_SHA256_HEX], id[SK_UPLOAD_ID_TEXT];
    uint32_t x = 1;

    assert_non_null(bytes);
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = (char)((x = x * 1664525 + 1013904223) >> 24);
    DONE(sk_upload_begin(p->store, "s", &u, &err));
    memcpy(id, sk_upload_id(u), sizeof id);
    for (size_t at = 0; at < BYTES; at += STEP)
        DONE(sk_upload_write(u, bytes + at, BYTES - at < STEP ? BYTES - at : STEP, &err));
    sk_upload_suspend(SK_TAKE(u));
    sk_store_close(p->store);
    DONE(sk_store_open(p->dir, &p->store, &err));
    DONE(sk_upload_open(p->store, id, "s", &u, &err));
    DONE(sk_upload_finish(&u, NULL, NULL, NULL, digest, &err));
    DONE(sk_sha256_hex(bytes, BYTES, hex, &err));
    assert_string_equal(digest + 7, hex);
    expect_problems(p->store, 0);
}

/* ---- threads: as the hub's workers share a store ---- */

enum {
    THREADS = 6,
    UPLOADS = 12
};

struct thread {
    struct sk_store *store;
    unsigned number;
    pthread_t id;
    struct sk_err err;
};

static int upload_in_two(struct thread *t, unsigned i, struct sk_err *err)
{
    SK_OWN(sk_upload_suspend) struct sk_upload *u = NULL;
    char text[64], id[SK_UPLOAD_ID_TEXT], digest[SK_DIGEST_TEXT];

    (void)snprintf(text, sizeof text, "thread %u upload %u", t->number, i);
    if (sk_upload_begin(t->store, "s", &u, err) < 0 || sk_upload_write(u, text, 4, err) < 0)
        return -1;
    memcpy(id, sk_upload_id(u), sizeof id);
    sk_upload_suspend(SK_TAKE(u));
    if (sk_upload_open(t->store, id, "s", &u, err) < 0 ||
        sk_upload_write(u, text + 4, strlen(text) - 4, err) < 0)
        return -1;
    return sk_upload_finish(&u, NULL, NULL, NULL, digest, err);
}

static void *upload_many(void *arg)
{
    struct thread *t = arg;
    struct sk_store_report report;

    for (unsigned i = 0; i < UPLOADS; i++)
        if (upload_in_two(t, i, &t->err) < 0)
            return t;
    if (t->number == 0 && sk_store_gc(t->store, 60000, 60000, false, &report, &t->err) < 0)
        return t;
    return NULL;
}

static void test_threads(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct thread threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        threads[i] = (struct thread){ .store = p->store, .number = i };
        DONE(sk_thread_start(&threads[i].id, "upload", upload_many, &threads[i], &err));
    }
    for (unsigned i = 0; i < THREADS; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i].id, &failed), 0);
        if (failed)
            fail_msg("%s", threads[i].err.text);
    }
    assert_int_equal(ask(p->store, "SELECT count(*) FROM blob"), THREADS * UPLOADS);
    expect_problems(p->store, 0);
}

static int upload_once(void *ctx, struct sk_err *err)
{
    struct place *p = ctx;
    SK_OWN(sk_upload_suspend) struct sk_upload *u = NULL;
    char digest[SK_DIGEST_TEXT], id[SK_UPLOAD_ID_TEXT];

    if (sk_upload_begin(p->store, "s", &u, err) < 0 || sk_upload_write(u, "once", 4, err) < 0)
        return -1;
    memcpy(id, sk_upload_id(u), sizeof id);
    sk_upload_suspend(SK_TAKE(u));
    if (sk_upload_open(p->store, id, "s", &u, err) < 0)
        return -1;
    return sk_upload_finish(&u, NULL, NULL, NULL, digest, err);
}

static void test_allocations(void **state)
{
    struct place *p = *state;

    assert_true(sk_alloc_sweep("upload", upload_once, p, 0) > 1);
    expect_problems(p->store, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pieces, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_open_reads_nothing, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_digest, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_names, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_other_digest, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_many_suspended, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_also, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_threads, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_large, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_allocations, place_set_up, place_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
