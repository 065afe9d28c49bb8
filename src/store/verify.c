/*
 * verify.c - is everything that was acknowledged here, and as it was?
 *
 * The database is checked by SQLite (its pages, indexes and foreign keys), every blob's file is
 * hashed. Rows are read in pages, so that no long transaction keeps the log from being emptied. A
 * file without a row is what a kill at the wrong moment leaves; it is counted and is no problem.
 */
#include "store/store_priv.h"

#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>

enum {
    PAGE = 256
};

struct verify {
    struct sk_store *store;
    sk_store_say *say;
    void *ctx;
    bool (*progress)(void *ctx, uint64_t done, uint64_t total);
    uint64_t done, total;
    struct sk_store_report *out;
};

struct page {
    char digests[PAGE][SK_DIGEST_TEXT];
    uint64_t sizes[PAGE];
    size_t count;
};

static void problem(struct verify *v, const struct sk_err *what)
{
    v->out->problems++;
    if (v->say)
        v->say(v->ctx, what->text);
}

static int sum(struct verify *v, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;

    if (sk_db_begin(v->store->db, SK_DB_READ, &tx, err) < 0 ||
        sk_tx_query(tx, &s, err, "SELECT sum(size) FROM blob", "") < 0 || sk_stmt_next(s, err) < 0)
        return -1;
    v->total = (uint64_t)sk_stmt_int(s, 0);
    return 0;
}

static int find_page(struct verify *v, const char *last, struct page *out, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int more = 0;

    if (sk_db_begin(v->store->db, SK_DB_READ, &tx, err) < 0 ||
        sk_tx_query(tx, &s, err,
                    "SELECT digest, size FROM blob WHERE digest > ?1 ORDER BY digest LIMIT 256",
                    "s", last) < 0)
        return -1;
    for (out->count = 0; out->count < PAGE && (more = sk_stmt_next(s, err)) > 0;) {
        (void)snprintf(out->digests[out->count], SK_DIGEST_TEXT, "%s", sk_stmt_text(s, 0));
        out->sizes[out->count++] = (uint64_t)sk_stmt_int(s, 1);
    }
    return more < 0 ? -1 : 0;
}

static bool go_on(void *ctx, uint64_t bytes)
{
    struct verify *v = ctx;

    v->done += bytes;
    return !v->progress || v->progress(v->ctx, v->done, v->total);
}

/* The file against its name. -1 with SK_CORRUPT, SK_NOT_FOUND (gc came in between), or another. */
static int check_blob(struct verify *v, const char *digest, struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = -1;
    enum sk_hash_kind kind = SK_SHA256;
    char found[SK_DIGEST_TEXT];
    uint64_t size = 0, hashed = 0;

    if (sk_blob_open(v->store, digest, &fd, &size, err) < 0)
        return -1;
    if (!sk_digest_parse(sk_view_of(digest), &kind) ||
        sk_store_hash_fd(fd, kind, found, &hashed, go_on, v, err) < 0) {
        /* An unreadable sector is a finding, too. */
        if (err->code == SK_IO)
            err->code = SK_CORRUPT;
        return sk_wrap(err, "blob %s", digest);
    }
    if (hashed != size || strcmp(found, digest) != 0)
        return sk_fail(err, SK_CORRUPT, "blob %s has other contents (%.71s)", digest, found);
    return 0;
}

static int check_blobs(struct verify *v, struct sk_err *err)
{
    char last[SK_DIGEST_TEXT] = "";
    SK_OWN(free) struct page *page = malloc(sizeof *page);

    if (!page)
        return sk_nomem(err);
    for (;;) {
        if (find_page(v, last, page, err) < 0)
            return -1;
        if (page->count == 0)
            return 0;
        memcpy(last, page->digests[page->count - 1], sizeof last);
        for (size_t i = 0; i < page->count; i++) {
            struct sk_err found = SK_ERR_INIT;
            v->out->blobs++;
            v->out->bytes += page->sizes[i];
            if (check_blob(v, page->digests[i], &found) == 0)
                continue;
            if (found.code == SK_CORRUPT) {
                problem(v, &found);
            } else if (found.code != SK_NOT_FOUND) {
                *err = found;
                return -1;
            }
        }
    }
}

/* ---- strays ---- */

/* folder: of two digits, in that of the kind. */
static int count_strays(struct verify *v, const char *blobs, const char *folder, const char *kind,
                        struct sk_err *err)
{
    SK_OWN(free) char *path = sk_path_join(blobs, folder);
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;

    if (!path)
        return sk_nomem(err);
    if (!sk_is_dir(path))
        return 0;
    /* Names first: a row that comes later than its file would make it look like a stray. */
    if (sk_dir_read(path, &dir, err) < 0 || sk_db_begin(v->store->db, SK_DB_READ, &tx, err) < 0)
        return -1;
    for (size_t i = 0; i < dir.count; i++) {
        SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
        char digest[SK_DIGEST_TEXT + 16];
        struct stat st;
        (void)snprintf(digest, sizeof digest, "%s:%s", kind, dir.names[i]);
        if (sk_tx_query(tx, &s, err, "SELECT 1 FROM blob WHERE digest = ?1", "s", digest) < 0)
            return -1;
        int has = sk_stmt_next(s, err);
        if (has < 0)
            return -1;
        SK_OWN(free) char *file = sk_path_join(path, dir.names[i]);
        if (!file)
            return sk_nomem(err);
        if (has > 0 || stat(file, &st) < 0)
            continue;
        v->out->strays++;
        v->out->stray_bytes += (uint64_t)st.st_size;
    }
    return 0;
}

static int check_strays(struct verify *v, enum sk_hash_kind kind, struct sk_err *err)
{
    const char *name = sk_hash_name(kind);
    SK_OWN(free) char *all = sk_path_join(v->store->dir, "blobs");
    SK_OWN(free) char *blobs = all ? sk_path_join(all, name) : NULL;
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };

    if (!blobs)
        return sk_nomem(err);
    if (sk_dir_read(blobs, &dir, err) < 0)
        return -1;
    for (size_t i = 0; i < dir.count; i++)
        if (count_strays(v, blobs, dir.names[i], name, err) < 0)
            return -1;
    return 0;
}

static int check_all_strays(struct verify *v, struct sk_err *err)
{
    for (int i = 0; i < SK_HASH_COUNT; i++)
        if (check_strays(v, (enum sk_hash_kind)i, err) < 0)
            return -1;
    return 0;
}

int sk_store_verify(struct sk_store *s, sk_store_say *say, void *ctx,
                    bool (*progress)(void *ctx, uint64_t done, uint64_t total),
                    struct sk_store_report *out, struct sk_err *err)
{
    struct sk_store_report report = { 0 };
    struct verify v = { .store = s, .say = say, .ctx = ctx, .progress = progress, .out = &report };
    struct sk_err found = SK_ERR_INIT;

    if (sk_db_check(s->db, &found) < 0) {
        if (found.code != SK_CORRUPT) {
            *err = found;
            return -1;
        }
        problem(&v, &found);
    }
    if (sum(&v, &found) < 0 || check_blobs(&v, &found) < 0 || check_all_strays(&v, &found) < 0) {
        /* What a damaged database cannot tell is a finding; the rest is not known. */
        if (found.code != SK_CORRUPT || report.problems == 0) {
            *err = found;
            return -1;
        }
        problem(&v, &found);
    }
    *out = report;
    return 0;
}
