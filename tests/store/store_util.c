/* store_util.c - see store_util.h. */
#include "store/store_util.h"

int place_set_up(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct place *p = calloc(1, sizeof *p);

    assert_non_null(p);
    p->top = sk_test_dir();
    (void)snprintf(p->dir, sizeof p->dir, "%s/hub", p->top);
    DONE(sk_store_create(p->dir, &err));
    DONE(sk_store_open(p->dir, &p->store, &err));
    *state = p;
    return 0;
}

int place_tear_down(void **state)
{
    struct place *p = *state;

    sk_store_close(p->store);
    sk_test_dir_free(p->top);
    free(p);
    return 0;
}

static char *next_digest(void)
{
    static char texts[8][SK_DIGEST_TEXT];
    static unsigned at;

    return texts[at++ % 8];
}

static const char *put(struct sk_store *s, enum sk_hash_kind kind, const char *text)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    char *digest = next_digest();

    DONE(sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, &err));
    DONE(sk_blob_put(s, tx, kind, text, strlen(text), digest, &err));
    DONE(sk_tx_commit(&tx, &err));
    return digest;
}

const char *put_blob(struct sk_store *s, const char *text)
{
    return put(s, SK_SHA256, text);
}

const char *put_blob_512(struct sk_store *s, const char *text)
{
    return put(s, SK_SHA512, text);
}

const char *upload_blob(struct sk_store *s, const char *text)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_upload_suspend) struct sk_upload *u = NULL;
    char *digest = next_digest();

    DONE(sk_upload_begin(s, "test", &u, &err));
    DONE(sk_upload_write(u, text, strlen(text), &err));
    DONE(sk_upload_finish(&u, NULL, NULL, NULL, digest, &err));
    assert_null(u);
    return digest;
}

void put_artifact(struct sk_store *s, const char *path, const char *digest)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;

    DONE(sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, &err));
    DONE(sk_artifact_put(tx, path, digest, &err));
    DONE(sk_tx_commit(&tx, &err));
}

static const char *digest_by(enum sk_hash_kind kind, const char *text)
{
    struct sk_err err = SK_ERR_INIT;
    char *digest = next_digest();

    DONE(sk_digest_of(kind, text, strlen(text), digest, &err));
    return digest;
}

const char *digest_of(const char *text)
{
    return digest_by(SK_SHA256, text);
}

const char *digest_512(const char *text)
{
    return digest_by(SK_SHA512, text);
}

bool has_blob(struct sk_store *s, const char *digest)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *bytes = NULL;
    size_t len = 0;

    if (sk_blob_read(s, digest, 1 << 24, &bytes, &len, &err) == 0)
        return true;
    if (err.code != SK_NOT_FOUND)
        fail_msg("%s", err.text);
    return false;
}

void age_blobs(struct sk_store *s, uint64_t ms)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;

    DONE(sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, &err));
    DONE(sk_tx_run(tx, &err, "UPDATE blob SET touched_ms = touched_ms - ?1", "i", (int64_t)ms));
    DONE(sk_tx_commit(&tx, &err));
}

int64_t ask(struct sk_store *s, const char *sql)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *row = NULL;

    DONE(sk_db_begin(sk_store_db(s), SK_DB_READ, &tx, &err));
    DONE(sk_tx_query(tx, &row, &err, sql, ""));
    assert_int_equal(sk_stmt_next(row, &err), 1);
    return sk_stmt_int(row, 0);
}

static size_t count_below(const char *path)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    size_t count = 0;

    DONE(sk_dir_read(path, &dir, &err));
    for (size_t i = 0; i < dir.count; i++) {
        SK_OWN(free) char *below = sk_path_join(path, dir.names[i]);
        count += sk_is_dir(below) ? count_below(below) : 1;
    }
    return count;
}

size_t count_files(const struct place *p, const char *sub)
{
    SK_OWN(free) char *path = sk_path_join(p->dir, sub);

    return count_below(path);
}

const char *blob_file(const struct place *p, const char *digest)
{
    static char path[700];
    char name[SK_BLOB_PATH];

    sk_blob_path(digest, name);
    (void)snprintf(path, sizeof path, "%s/blobs/%s", p->dir, name);
    return path;
}

static void print_problem(void *ctx, const char *text)
{
    (void)ctx;
    print_message("# verify: %s\n", text);
}

void expect_problems(struct sk_store *s, uint64_t problems)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report = { 0 };

    DONE(sk_store_verify(s, print_problem, NULL, NULL, &report, &err));
    assert_int_equal(report.problems, problems);
}

char *slurp(const char *path, size_t *len)
{
    struct sk_err err = SK_ERR_INIT;
    char *text = NULL;

    DONE(sk_file_read(path, 1 << 26, &text, len, &err));
    return text;
}

void spit(const char *path, const char *text)
{
    struct sk_err err = SK_ERR_INIT;

    DONE(sk_file_write(path, text, strlen(text), 0600, &err));
}
