/* test_parts.c - artifacts that come in parts. */
#include "runs/fixture.h"

#include <stdio.h>

struct parts {
    char path[128], id[SK_PARTS_ID_TEXT], secret[SK_PARTS_SECRET_TEXT];
};

static void begin(struct fixture *f, struct parts *p, unsigned count)
{
    const char *run = new_run(f, "0", "r");

    (void)snprintf(p->path, sizeof(p->path), "0/%s/artifacts/big.bin", run);
    assert_ok(sk_parts_begin(f->store, p->path, count, p->id, p->secret, &f->err), &f->err);
}

static void put_part(struct fixture *f, const struct parts *p, unsigned number, const char *bytes,
                     char digest[SK_DIGEST_TEXT])
{
    struct sk_tx *tx = NULL;

    put_blob(f, bytes, digest);
    assert_ok(sk_db_begin(sk_store_db(f->store), SK_DB_WRITE, &tx, &f->err), &f->err);
    assert_ok(sk_parts_put(tx, p->id, number, digest, &f->err), &f->err);
    assert_ok(sk_tx_commit(&tx, &f->err), &f->err);
}

static int join(struct fixture *f, const struct parts *p, const char *path,
                char digests[][SK_DIGEST_TEXT], size_t count)
{
    const char *list[8];

    for (size_t i = 0; i < count; i++)
        list[i] = digests[i];
    f->err = (struct sk_err)SK_ERR_INIT;
    return sk_parts_join(f->store, &f->who, p->id, path, list, count, &f->err);
}

static void joined_in_order(void **state)
{
    struct fixture *f = *state;
    struct parts p;
    char digests[3][SK_DIGEST_TEXT], digest[SK_DIGEST_TEXT];
    SK_OWN(free) char *text = NULL;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    uint64_t size = 0;
    size_t len = 0;

    begin(f, &p, 3);
    put_part(f, &p, 3, "three", digests[2]);
    put_part(f, &p, 1, "one", digests[0]);
    assert_failed(join(f, &p, p.path, digests, 3), &f->err, SK_INVALID, "part 2 has not come");
    put_part(f, &p, 2, "wrong", digests[1]);
    put_part(f, &p, 2, "two", digests[1]);
    assert_ok(join(f, &p, p.path, digests, 3), &f->err);
    assert_ok(sk_db_begin(sk_store_db(f->store), SK_DB_READ, &tx, &f->err), &f->err);
    assert_ok(sk_artifact_get(tx, p.path, digest, &size, &f->err), &f->err);
    assert_int_equal(size, 11);
    assert_ok(sk_blob_read(f->store, digest, 100, &text, &len, &f->err), &f->err);
    assert_string_equal(text, "onetwothree");
    assert_int_equal(sql_number(f, "SELECT count(*) FROM part"), 0);
    assert_int_equal(sql_number(f, "SELECT count(*) FROM parts"), 0);
    assert_failed(join(f, &p, p.path, digests, 3), &f->err, SK_NOT_FOUND, "no upload");
}

static void wrong_ones(void **state)
{
    struct fixture *f = *state;
    struct parts p;
    char digests[2][SK_DIGEST_TEXT], other[64] = "0/x/artifacts/y";

    begin(f, &p, 2);
    put_part(f, &p, 1, "one", digests[0]);
    put_part(f, &p, 2, "two", digests[1]);
    assert_failed(join(f, &p, p.path, digests, 1), &f->err, SK_INVALID, "1 parts are named");
    assert_true(join(f, &p, other, digests, 2) < 0);
    memcpy(digests[1], digests[0], SK_DIGEST_TEXT);
    assert_failed(join(f, &p, p.path, digests, 2), &f->err, SK_INVALID, "ETag");

    assert_ok(sk_parts_check(f->store, p.id, p.secret, 1, &f->err), &f->err);
    assert_ok(sk_parts_check(f->store, p.id, p.secret, 2, &f->err), &f->err);
    assert_failed(sk_parts_check(f->store, p.id, p.secret, 3, &f->err), &f->err, SK_INVALID,
                  "parts 1 to 2");
    assert_failed(sk_parts_check(f->store, p.id, p.secret, 0, &f->err), &f->err, SK_INVALID,
                  "parts 1 to 2");
    p.secret[5] ^= 1;
    assert_failed(sk_parts_check(f->store, p.id, p.secret, 1, &f->err), &f->err, SK_UNAUTHENTICATED,
                  "no such upload");
    assert_failed(sk_parts_check(f->store, "nope", "", 1, &f->err), &f->err, SK_UNAUTHENTICATED,
                  "no such upload");
    assert_ok(sk_parts_abort(f->store, p.id, p.path, &f->err), &f->err);
    assert_ok(sk_parts_abort(f->store, p.id, p.path, &f->err), &f->err);
    assert_int_equal(sql_number(f, "SELECT count(*) FROM part"), 0);
}

static void limits(void **state)
{
    struct fixture *f = *state;
    struct parts p;

    begin(f, &p, SK_PARTS_MAX);
    assert_failed(sk_parts_begin(f->store, p.path, SK_PARTS_MAX + 1, p.id, p.secret, &f->err),
                  &f->err, SK_LIMIT, "1 to 10000");
    assert_failed(sk_parts_begin(f->store, p.path, 0, p.id, p.secret, &f->err), &f->err, SK_LIMIT,
                  "1 to 10000");
    assert_failed(sk_parts_begin(f->store, "models/a/1/x", 1, p.id, p.secret, &f->err), &f->err,
                  SK_DENIED, "only");
}

/* Those of yesterday go when another one begins. */
static void idle_ones_go(void **state)
{
    struct fixture *f = *state;
    struct parts old, new;
    char digest[SK_DIGEST_TEXT];
    struct sk_tx *tx = NULL;

    begin(f, &old, 2);
    put_part(f, &old, 1, "one", digest);
    assert_ok(sk_db_begin(sk_store_db(f->store), SK_DB_WRITE, &tx, &f->err), &f->err);
    assert_ok(sk_tx_run(tx, &f->err, "UPDATE parts SET touched_ms = touched_ms - 90000000", ""),
              &f->err);
    assert_ok(sk_tx_commit(&tx, &f->err), &f->err);
    begin(f, &new, 1);
    assert_int_equal(sql_number(f, "SELECT count(*) FROM parts"), 1);
    assert_int_equal(sql_number(f, "SELECT count(*) FROM part"), 0);
    assert_ok(sk_db_begin(sk_store_db(f->store), SK_DB_WRITE, &tx, &f->err), &f->err);
    assert_failed(sk_parts_put(tx, old.id, 1, digest, &f->err), &f->err, SK_NOT_FOUND, "ended");
    sk_tx_end(tx);
}

/* [runs-53] And without another one, when the hub looks after its folder. */
static void expire(void **state)
{
    struct fixture *f = *state;
    struct parts old, new;
    char digest[SK_DIGEST_TEXT];
    struct sk_tx *tx = NULL;

    begin(f, &old, 2);
    begin(f, &new, 1);
    put_part(f, &old, 1, "one", digest);
    assert_ok(sk_db_begin(sk_store_db(f->store), SK_DB_WRITE, &tx, &f->err), &f->err);
    assert_ok(sk_tx_run(tx, &f->err,
                        "UPDATE parts SET touched_ms = touched_ms - 90000000 WHERE id = ?1", "s",
                        old.id),
              &f->err);
    assert_ok(sk_tx_commit(&tx, &f->err), &f->err);
    assert_ok(sk_parts_expire(f->store, &f->err), &f->err);
    assert_int_equal(sql_number(f, "SELECT count(*) FROM parts"), 1);
    assert_int_equal(sql_number(f, "SELECT count(*) FROM part"), 0);
    assert_ok(sk_parts_check(f->store, new.id, new.secret, 1, &f->err), &f->err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(joined_in_order, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(wrong_ones, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(limits, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(idle_ones_go, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(expire, fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
