/*
 * upload.c - a file becomes a blob of the hub, from wherever the last try was cut.
 *
 *     HEAD blob --there--> done
 *       POST uploads -> id -> PUT from `at` --201--> done
 *                               | cut, 416, 503: GET uploads/id -> at, PUT again
 *                               | 404: finished (HEAD blob), or given up by the hub: POST again
 *
 * The upload's id is kept in the cache folder until the end, so that a later process goes on too.
 * A try that moved bytes starts the count of tries anew, so a bad line ends a transfer only when
 * nothing gets through any more.
 */
#include "remote/remote_priv.h"

#include "base/file.h"
#include "base/str.h"
#include "crypto/crypto.h"

#include <ctype.h>
#include <sys/stat.h>

struct upload {
    struct sk_remote *r;
    const char *path, *digest, *what;
    uint64_t size, at; /* at: the hub has so many */
    char id[80];       /* "": none */
    char *note;        /* the file that keeps it; NULL: there is none */
    bool is_cut;       /* a failure that a later process may go on from */
    uint64_t shown;
    sk_remote_progress *progress;
    void *ctx;
};

static bool show(void *ctx, uint64_t done, uint64_t total)
{
    struct upload *u = ctx;

    (void)total;
    if (u->at + done > u->shown && u->at + done <= u->size)
        u->shown = u->at + done; /* of the answer's bytes nobody wants to hear */
    return !u->progress || u->progress(u->ctx, u->what, u->shown, u->size);
}

/* ---- the id ---- */

static bool is_id(const char *text)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && text[i] != '-' && text[i] != '_')
            return false;
    return len > 0 && len < sizeof(((struct upload *)NULL)->id);
}

/* One file for each hub and digest. Without a cache folder nothing is kept. */
static void find_note(struct upload *u)
{
    SK_AUTO(sk_buf_done) struct sk_buf key = SK_BUF_INIT(1024);
    SK_OWN(free) char *cache = NULL;
    SK_OWN(free) char *folder = NULL;
    struct sk_err unused = SK_ERR_INIT;
    char hex[SK_SHA256_HEX];

    sk_buf_fmt(&key, "%s %s", u->r->context.url, u->digest);
    if (!sk_buf_ok(&key) || sk_sha256_hex(key.data, key.len, hex, &unused) < 0 ||
        sk_cache_dir(&cache, &unused) < 0)
        return;
    folder = sk_path_join(cache, "uploads");
    if (folder && sk_mkdirs(folder, 0700, &unused) == 0)
        u->note = sk_path_join(folder, hex);
}

static void read_note(struct upload *u)
{
    SK_OWN(free) char *text = NULL;
    struct sk_err unused = SK_ERR_INIT;
    size_t len = 0;

    if (u->note && sk_is_file(u->note) &&
        sk_file_read(u->note, sizeof u->id - 1, &text, &len, &unused) == 0 && is_id(text))
        (void)snprintf(u->id, sizeof u->id, "%s", text);
}

static void write_note(struct upload *u)
{
    struct sk_err unused = SK_ERR_INIT;

    if (u->note && sk_file_write(u->note, u->id, strlen(u->id), 0600, &unused) < 0)
        (void)unlink(u->note); /* a later process begins anew */
}

static int begin(struct upload *u, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    if (sk_remote_call(u->r, "POST", "/api/v1/uploads", NULL, &doc, err) < 0)
        return -1;
    const char *id = sk_json_get_text(doc, "id", "");
    if (!is_id(id))
        return sk_fail(err, SK_REMOTE, "%s gave no usable id for an upload", u->r->context.host);
    (void)snprintf(u->id, sizeof u->id, "%s", id);
    u->at = 0;
    write_note(u);
    return 0;
}

/* ---- the bytes ---- */

/* Everything from `at` on, and the digest. */
static int put(struct upload *u, struct sk_fetch_answer *a, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf url = SK_BUF_INIT(4096);
    char offset[48];
    const char *const headers[] = { "Content-Type: application/octet-stream", offset, NULL };

    sk_buf_fmt(&url, "%s/api/v1/uploads/%s?digest=%s", u->r->context.url, u->id, u->digest);
    if (!sk_buf_ok(&url))
        return sk_buf_fail(&url, err);
    (void)snprintf(offset, sizeof offset, "Upload-Offset: %llu", (unsigned long long)u->at);
    struct sk_fetch_request q = { .method = "PUT",
                                  .url = url.data,
                                  .headers = headers,
                                  .body_path = u->path,
                                  .body_offset = u->at,
                                  .body_len = (size_t)(u->size - u->at),
                                  .progress = show,
                                  .ctx = u };
    return sk_remote_do(u->r, &q, a, err);
}

/* After a cut. 1: the hub has all of it already; 0: go on at u->at, or (no id) from the start. */
static int find_place(struct upload *u, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err why = SK_ERR_INIT;
    char path[128];

    (void)snprintf(path, sizeof path, "/api/v1/uploads/%s", u->id);
    if (sk_remote_call(u->r, "GET", path, NULL, &doc, &why) < 0) {
        if (why.code != SK_NOT_FOUND) {
            *err = why;
            return -1;
        }
        u->id[0] = '\0';
        int has = sk_remote_has(u->r, u->digest, err);
        return has < 0 ? -1 : has == 0;
    }
    int64_t size = sk_json_int(sk_json_get(doc, "size"), -1);
    if (size < 0 || (uint64_t)size > u->size)
        return sk_fail(err, SK_REMOTE, "%s has %lld bytes of an upload of %llu", u->r->context.host,
                       (long long)size, (unsigned long long)u->size);
    u->at = (uint64_t)size;
    return 0;
}

/* One round: 1: done, 0: cut, err says how. */
static int try_once(struct upload *u, struct sk_err *err)
{
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };

    if (!u->id[0] && begin(u, err) < 0)
        return -1;
    if (put(u, &a, err) == 0)
        return 1;
    if (a.status == 404) { /* finished by a try whose answer was lost, or given up */
        u->id[0] = '\0';
        struct sk_err why = SK_ERR_INIT;
        return sk_remote_has(u->r, u->digest, &why) == 0 ? 1 : 0;
    }
    return sk_remote_may_go_on(&a, err) ? 0 : -1;
}

/* 1: done already. */
static int go_on_with_earlier(struct upload *u)
{
    struct sk_err unused = SK_ERR_INIT;

    find_note(u);
    read_note(u);
    if (!u->id[0])
        return 0;
    int rc = find_place(u, &unused);
    if (rc < 0)
        u->id[0] = '\0';
    return rc > 0;
}

static int stop(struct upload *u, struct sk_err *err)
{
    u->is_cut = true;
    return sk_fail(err, SK_CANCELLED, "stopped");
}

static int transfer(struct upload *u, struct sk_err *err)
{
    if (go_on_with_earlier(u))
        return 0;
    for (unsigned tries = 0;; tries++) {
        struct sk_err why = SK_ERR_INIT;
        const uint64_t before = u->at;
        int rc = try_once(u, &why);
        if (rc > 0)
            return 0;
        if (rc == 0 && tries + 1 < SK_REMOTE_TRIES) {
            if (!sk_remote_pause(tries, u->progress, u->ctx, u->what, u->at, u->size))
                return stop(u, err);
            struct sk_err lost = SK_ERR_INIT;
            rc = u->id[0] ? find_place(u, &lost) : 0;
            if (rc > 0)
                return 0;
            if (u->at > before)
                tries = 0;
            continue; /* also when the hub could not be asked: the next round says why */
        }
        *err = why;
        u->is_cut = rc == 0 || why.code == SK_CANCELLED;
        return sk_wrap(err, "upload of '%s'", u->path);
    }
}

int sk_remote_upload(struct sk_remote *r, const char *path, const char *digest, uint64_t size,
                     sk_remote_progress *progress, void *ctx, struct sk_err *err)
{
    const char *slash = strrchr(path, '/');
    struct upload u = { .r = r,
                        .path = path,
                        .digest = digest,
                        .what = slash ? slash + 1 : path,
                        .size = size,
                        .progress = progress,
                        .ctx = ctx };
    struct stat st;

    if (sk_remote_check_digest(digest, err) < 0)
        return -1;
    if (stat(path, &st) < 0)
        return sk_fail_errno(err, "'%s'", path);
    if ((uint64_t)st.st_size != size)
        return sk_fail(err, SK_INVALID, "'%s' has %lld bytes, not %llu", path,
                       (long long)st.st_size, (unsigned long long)size);
    int rc = sk_remote_has(r, digest, err);
    if (rc == 1) {
        rc = transfer(&u, err);
        if (u.note && !u.is_cut)
            (void)unlink(u.note);
        free(u.note);
    }
    if (rc < 0)
        return -1;
    if (progress && !progress(ctx, u.what, size, size))
        return sk_fail(err, SK_CANCELLED, "stopped");
    return 0;
}
