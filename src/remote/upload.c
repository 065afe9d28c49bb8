/*
 * upload.c - a file becomes a blob of the hub.
 *
 * One PATCH carries everything that is missing. When the connection is cut the hub is asked how
 * much came, and the next PATCH goes on there. The upload's id is kept in the cache folder until
 * the end, so that a later process goes on too.
 */
#include "base/file.h"
#include "crypto/crypto.h"
#include "remote/remote_priv.h"

#include <stdlib.h>
#include <string.h>

enum {
    TRIES = 8, /* in a row that brought nothing */
    ID_BYTES = 64
};

struct upload {
    struct sk_remote *r;
    const char *digest;
    struct sk_map map;
    sk_remote_progress *progress;
    void *ctx;
    const char *what;
    char id[ID_BYTES];
    char *note; /* the file with the id; NULL: none */
    uint64_t at;
};

static void upload_done(struct upload *u)
{
    sk_map_close(&u->map);
    free(u->note);
}

static bool tell(void *ctx, uint64_t done, uint64_t total)
{
    struct upload *u = ctx;

    (void)total;
    return !u->progress || u->progress(u->ctx, u->what, u->at + done, u->map.len);
}

static int is_there(struct upload *u, bool *out, struct sk_err *err)
{
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    struct sk_fetch_request q = { .method = "HEAD" };
    struct sk_err why = SK_ERR_INIT;
    char path[128];

    (void)snprintf(path, sizeof(path), "/api/v1/blobs/%s", u->digest);
    *out = sk_remote_do(u->r, path, &q, &a, &why) == 0;
    if (!*out && why.code != SK_NOT_FOUND) {
        *err = why;
        return -1;
    }
    return 0;
}

/* ---- the id ---- */

/* Where the id of an upload of this digest to this hub is kept; without a cache there is none. */
static void find_note(struct upload *u)
{
    SK_OWN(free) char *cache = NULL;
    SK_OWN(free) char *folder = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf key = SK_BUF_INIT(1024);
    struct sk_err ignored = SK_ERR_INIT;
    char hex[SK_SHA256_HEX];

    sk_buf_fmt(&key, "%s %s", u->r->context.url, u->digest);
    if (!sk_buf_ok(&key) || sk_sha256_hex(key.data, key.len, hex, &ignored) < 0 ||
        sk_cache_dir(&cache, &ignored) < 0)
        return;
    folder = sk_path_join(cache, "uploads");
    if (folder && sk_mkdirs(folder, 0700, &ignored) == 0)
        u->note = sk_path_join(folder, hex);
}

static bool is_id(const char *text)
{
    size_t len = strlen(text);

    return len > 0 && len < ID_BYTES && strspn(text, "0123456789abcdef") == len;
}

static int ask_size(struct upload *u, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *answer = NULL;
    char path[128];

    (void)snprintf(path, sizeof(path), "/api/v1/uploads/%s", u->id);
    if (sk_remote_call(u->r, "GET", path, NULL, &answer, err) < 0)
        return -1;

    int64_t size = sk_json_int(sk_json_get(answer, "size"), -1);

    if (size < 0 || (uint64_t)size > u->map.len)
        return sk_fail(err, SK_REMOTE, "%s has %lld bytes of an upload of %zu", u->r->context.host,
                       (long long)size, u->map.len);
    u->at = (uint64_t)size;
    return 0;
}

/* Goes on with what an earlier process began. */
static bool continue_noted(struct upload *u)
{
    SK_OWN(free) char *text = NULL;
    struct sk_err ignored = SK_ERR_INIT;
    size_t len = 0;

    if (!u->note || !sk_is_file(u->note) ||
        sk_file_read(u->note, ID_BYTES, &text, &len, &ignored) < 0 || !is_id(text))
        return false;
    (void)snprintf(u->id, sizeof(u->id), "%s", text);
    return ask_size(u, &ignored) == 0;
}

static int begin(struct upload *u, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *answer = NULL;
    struct sk_err ignored = SK_ERR_INIT;

    find_note(u);
    if (continue_noted(u))
        return 0;
    u->at = 0;
    if (sk_remote_call(u->r, "POST", "/api/v1/uploads", "", &answer, err) < 0)
        return -1;

    const char *id = sk_json_text(sk_json_get(answer, "id"), "");

    if (!is_id(id))
        return sk_fail(err, SK_REMOTE, "%s gave no usable id for an upload", u->r->context.host);
    (void)snprintf(u->id, sizeof(u->id), "%s", id);
    if (u->note)
        (void)!sk_file_write(u->note, id, strlen(id), 0600, &ignored); /* only for a later process
                                                                        */
    return 0;
}

/* ---- the bytes ---- */

static int send_rest(struct upload *u, struct sk_err *err)
{
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    char path[128], offset[64];
    const char *const headers[] = { offset, "Content-Type: application/octet-stream", NULL };
    struct sk_fetch_request q = { .method = "PATCH",
                                  .headers = headers,
                                  .body = (const char *)u->map.ptr + u->at,
                                  .body_len = u->map.len - u->at,
                                  .progress = tell,
                                  .ctx = u };

    (void)snprintf(path, sizeof(path), "/api/v1/uploads/%s", u->id);
    (void)snprintf(offset, sizeof(offset), "Upload-Offset: %llu", (unsigned long long)u->at);
    if (sk_remote_do(u->r, path, &q, &a, err) < 0)
        return -1;
    u->at = u->map.len;
    return 0;
}

static int send_all(struct upload *u, struct sk_err *err)
{
    unsigned idle = 0;

    while (u->at < u->map.len) {
        struct sk_err why = SK_ERR_INIT;
        uint64_t before = u->at;

        if (send_rest(u, &why) == 0)
            return 0;
        if (!sk_remote_is_cut(&why)) {
            *err = why;
            return -1;
        }
        sk_remote_pause(idle);
        if (ask_size(u, &why) == 0 && u->at > before)
            idle = 0;
        else if (++idle == TRIES || !sk_remote_is_cut(&why)) {
            *err = why;
            return -1;
        }
    }
    return 0;
}

/* When the answer is lost, the blob itself tells. */
static int finish(struct upload *u, struct sk_err *err)
{
    struct sk_err why = SK_ERR_INIT;
    char path[256];
    bool there = false;

    (void)snprintf(path, sizeof(path), "/api/v1/uploads/%s?digest=%s", u->id, u->digest);
    for (unsigned i = 0; i < TRIES; i++) {
        why = (struct sk_err)SK_ERR_INIT;
        if (sk_remote_call(u->r, "PUT", path, "", NULL, &why) == 0)
            return 0;
        if (!sk_remote_is_cut(&why) && why.code != SK_NOT_FOUND)
            break;
        if (is_there(u, &there, err) == 0 && there)
            return 0;
        if (why.code == SK_NOT_FOUND)
            break;
        sk_remote_pause(i);
    }
    *err = why;
    return -1;
}

int sk_remote_upload(struct sk_remote *r, const char *path, const char *digest, uint64_t size,
                     sk_remote_progress *progress, void *ctx, struct sk_err *err)
{
    SK_AUTO(upload_done)
    struct upload u = { .r = r, .digest = digest, .progress = progress, .ctx = ctx };
    const char *slash = strrchr(path, '/');
    bool there = false;

    u.what = slash ? slash + 1 : path;
    if (is_there(&u, &there, err) < 0 || there)
        return there ? 0 : -1;
    if (sk_map_open(path, &u.map, err) < 0)
        return -1;
    if (u.map.len != size)
        return sk_fail(err, SK_IO, "%s has changed: %zu bytes, it had %llu", path, u.map.len,
                       (unsigned long long)size);
    if (begin(&u, err) < 0 || send_all(&u, err) < 0)
        return -1;

    int rc = finish(&u, err);

    /* Done, or refused for good: the id is of no more use. */
    if (u.note)
        (void)unlink(u.note);
    return rc;
}
