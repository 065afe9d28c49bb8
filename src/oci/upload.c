/*
 * upload.c - a file becomes a blob of a registry.
 *
 *     HEAD blob            there already
 *     POST uploads/        mounted (201), or a session: its address is the Location (202)
 *     PATCH piece          for files of more than one piece, each with its Content-Range
 *     PUT ?digest=         the last piece, or all of it
 *
 * Every answer may move the session to another Location; its query is kept. When a connection is
 * cut, the session is asked how far it is (GET, 204 with Range: 0-LAST) and gone on from there; a
 * registry that cannot say (registry:2 loses count of a piece that was cut) gets a new session.
 * What brings nothing new several times in a row is an error. Requests are not repeated by fetch,
 * for it could not know what has arrived of the first one.
 */
#include "oci/oci_priv.h"

#include <sys/stat.h>

enum {
    IDLE_TRIES_MAX = 8, /* in a row that brought nothing */
    PAUSE_MS = 250,     /* before the second of those, then twice as long each time */
    PAUSE_MAX_MS = 4000,
    LOCATION_BYTES = 16 << 10,
    CHUNK_MIN_MAX = 1 << 30 /* the largest smallest piece that a registry may ask for */
};

struct upload {
    struct sk_oci_registry *r;
    const char *repository, *digest, *mount_from;
    const char *path;
    uint64_t size;
    char *location;   /* NULL: no session */
    uint64_t at;      /* the session has so much */
    uint64_t sending; /* from where the request under way goes on */
    uint64_t chunk;
    int status; /* of the last answer to us; 0: none came */
    char what[40], scope[300], from_scope[300];
};

static void upload_done(struct upload *u)
{
    free(u->location);
}

static bool progress(void *ctx, uint64_t done, uint64_t total)
{
    const struct upload *u = ctx;

    (void)total;
    return sk_oci_tell(u->r, u->what, u->sending + done, u->size);
}

/* ---- the session ---- */

/* Takes the Location of an answer. */
static int move_on(struct upload *u, const char *from, const struct sk_fetch_answer *a,
                   struct sk_err *err)
{
    SK_OWN(free) char *room = malloc(LOCATION_BYTES);
    char *next = NULL;

    if (!room)
        return sk_nomem(err);
    if (!sk_fetch_header(a, "location", room, LOCATION_BYTES))
        return u->location ? 0
                           : sk_fail(err, SK_REMOTE, "the registry named no place to upload to");
    if (sk_oci_resolve(from, room, &next, err) < 0)
        return -1;
    bool is_weaker = sk_starts_with(u->r->base, "https://") && !sk_starts_with(next, "https://");
    free(u->location);
    u->location = next;
    return is_weaker ? sk_fail(err, SK_DENIED, "the registry sends the upload away from https") : 0;
}

/* The bytes that "Range: 0-LAST" stands for; false when there is no such header. "0-0" is what
 * registries say for nothing, too. */
static bool read_range(const struct sk_fetch_answer *a, uint64_t *out)
{
    struct sk_err unused = SK_ERR_INIT;
    char text[64];
    const char *last = text;
    uint64_t n = 0;

    if (!sk_fetch_header(a, "range", text, sizeof text))
        return false;
    last += sk_starts_with(text, "bytes=") ? 6 : 0;
    if (!sk_starts_with(last, "0-") ||
        sk_parse_u64("range", last + 2, 0, INT64_MAX, &n, &unused) < 0)
        return false;
    *out = n == 0 ? 0 : n + 1;
    return true;
}

/* 1: mounted, 0: there is a session. */
static int begin(struct upload *u, struct sk_err *err)
{
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf url = SK_BUF_INIT(4096);
    SK_OWN(free) char *uploads = NULL;
    struct sk_err unused = SK_ERR_INIT;
    uint64_t least = 0;
    char text[32];

    if (sk_oci_url(u->r, u->repository, "blobs/uploads/", &uploads, err) < 0)
        return -1;
    sk_buf_str(&url, uploads);
    if (u->mount_from) {
        sk_oci_add_query(&url, "mount", u->digest);
        sk_oci_add_query(&url, "from", u->mount_from);
    }
    if (!sk_buf_ok(&url))
        return sk_buf_fail(&url, err);
    const struct sk_oci_request q = { .method = "POST",
                                      .url = url.data,
                                      .scope = u->scope,
                                      .more_scope = u->mount_from ? u->from_scope : NULL,
                                      .only_once = true };
    int rc = sk_oci_call(u->r, &q, &a, err);
    u->status = a.status;
    if (rc < 0)
        return -1;
    if (a.status == 201)
        return 1;
    u->at = 0;
    u->chunk = u->r->chunk_bytes;
    if (sk_fetch_header(&a, "oci-chunk-min-length", text, sizeof text) &&
        sk_parse_u64("least", text, 0, CHUNK_MIN_MAX, &least, &unused) == 0 && least > u->chunk)
        u->chunk = least;
    return move_on(u, url.data, &a, err);
}

static int send_piece(struct upload *u, const char *method, const char *url, uint64_t len,
                      struct sk_fetch_answer *a, struct sk_err *err)
{
    char range[64];
    const char *headers[] = { "Content-Type: application/octet-stream", NULL, NULL };

    (void)snprintf(range, sizeof range, "Content-Range: %llu-%llu", (unsigned long long)u->at,
                   (unsigned long long)(u->at + len - 1));
    if (len > 0 && (u->at > 0 || strcmp(method, "PATCH") == 0))
        headers[1] = range;
    const struct sk_oci_request q = { .method = method,
                                      .url = url,
                                      .scope = u->scope,
                                      .more_scope = u->mount_from ? u->from_scope : NULL,
                                      .headers = headers,
                                      .body_path = len > 0 ? u->path : NULL,
                                      .body_offset = u->at,
                                      .body_len = (size_t)len,
                                      .only_once = true,
                                      .progress = progress,
                                      .ctx = u };
    u->sending = u->at;
    int rc = sk_oci_call(u->r, &q, a, err);
    u->status = a->status;
    return rc;
}

static int send_chunk(struct upload *u, struct sk_err *err)
{
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    SK_OWN(free) char *url = strdup(u->location);
    uint64_t has = 0;

    if (!url)
        return sk_nomem(err);
    if (send_piece(u, "PATCH", url, u->chunk, &a, err) < 0)
        return -1;
    bool is_told = read_range(&a, &has) && has > 0;
    if (is_told && (has <= u->at || has > u->at + u->chunk))
        return sk_fail(err, SK_REMOTE, "the registry says that it has %llu bytes of the upload",
                       (unsigned long long)has);
    u->at = is_told ? has : u->at + u->chunk;
    return move_on(u, url, &a, err);
}

static int send_last(struct upload *u, struct sk_err *err)
{
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf url = SK_BUF_INIT(LOCATION_BYTES);
    char announced[160];

    sk_buf_str(&url, u->location);
    sk_oci_add_query(&url, "digest", u->digest);
    if (!sk_buf_ok(&url))
        return sk_buf_fail(&url, err);
    if (send_piece(u, "PUT", url.data, u->size - u->at, &a, err) < 0)
        return -1;
    if (a.status != 201 && a.status != 204 && a.status != 200)
        return sk_fail(err, SK_REMOTE, "the registry answered %d to the end of the upload",
                       a.status);
    if (sk_fetch_header(&a, "docker-content-digest", announced, sizeof announced) &&
        strcmp(announced, u->digest) != 0)
        return sk_fail(err, SK_CORRUPT, "the registry stored it as %.80s", announced);
    return 0;
}

/* ---- going on ---- */

/* How far the session is; without an answer to that there is none any more. -1: the caller wants to
 * stop, or may not go on. */
static int ask(struct upload *u, struct sk_err *err)
{
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    SK_OWN(free) char *url = SK_TAKE(u->location);
    struct sk_err why = SK_ERR_INIT;
    uint64_t has = 0;

    if (!url)
        return 0;
    const struct sk_oci_request q = { .url = url, .scope = u->scope };
    if (sk_oci_call(u->r, &q, &a, &why) < 0) {
        bool is_final = a.status == 401 || a.status == 403 || why.code == SK_CANCELLED ||
                        why.code == SK_NOMEM;
        if (is_final)
            *err = why;
        return is_final ? -1 : 0;
    }
    if (!read_range(&a, &has) || has == 0 || has > u->size)
        return 0;
    u->at = has;
    u->location = SK_TAKE(url);
    return move_on(u, u->location, &a, err);
}

/* Could the same thing work a moment later? A session that is gone or out of step is begun again.
 */
static bool is_passing(const struct sk_err *why, int status)
{
    if (status < 400) /* none came, or it was cut */
        return why->code == SK_IO || why->code == SK_TIMEOUT;
    return status == 404 || status == 408 || status == 409 || status == 416 || status == 429 ||
           (status >= 500 && status != 507); /* a full disk stays full */
}

static int one_pass(struct upload *u, struct sk_err *err)
{
    if (!u->location) {
        int rc = begin(u, err);
        if (rc != 0)
            return rc;
    }
    while (u->size - u->at > u->chunk)
        if (send_chunk(u, err) < 0)
            return -1;
    return send_last(u, err) < 0 ? -1 : 1;
}

/* The end may have arrived though its answer did not. */
static bool is_there(const struct upload *u)
{
    struct sk_err unused = SK_ERR_INIT;
    bool has = false;

    return sk_oci_has_blob(u->r, u->repository, u->digest, &has, &unused) == 0 && has;
}

static int send_all(struct upload *u, struct sk_err *err)
{
    uint64_t best = 0, pause_ms = 0;
    struct sk_err why = SK_ERR_INIT;

    for (int idle = 0; idle < IDLE_TRIES_MAX;) {
        int rc = one_pass(u, &why);
        if (rc > 0)
            return 0;
        if (!is_passing(&why, u->status))
            break;
        if (ask(u, err) < 0)
            return -1;
        if (!u->location && is_there(u))
            return 0;
        bool is_new = u->location && u->at > best;
        idle = is_new ? 0 : idle + 1;
        best = is_new ? u->at : best;
        pause_ms = idle < 2 ? 0 : pause_ms == 0 ? PAUSE_MS : pause_ms * 2;
        pause_ms = pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS;
        if (pause_ms > 0 && sk_oci_pause(u->r, u->what, pause_ms, err) < 0)
            return -1;
    }
    *err = why;
    return -1;
}

static int check_file(const struct upload *u, struct sk_err *err)
{
    struct stat st;

    if (stat(u->path, &st) < 0)
        return sk_fail_errno(err, "'%s'", u->path);
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != u->size)
        return sk_fail(err, SK_CORRUPT, "'%s' has %lld bytes, not the %llu of %s", u->path,
                       (long long)st.st_size, (unsigned long long)u->size, u->digest);
    return 0;
}

int sk_oci_put_blob(struct sk_oci_registry *r, const char *repository, const char *digest,
                    uint64_t size, const char *path, const char *mount_from, struct sk_err *err)
{
    SK_AUTO(upload_done)
    struct upload u = {
        .r = r, .repository = repository, .digest = digest, .path = path, .size = size
    };
    char name[16];
    bool has = false;

    (void)snprintf(u.what, sizeof u.what, "upload %s", sk_oci_short(digest, name));
    if (mount_from && !sk_oci_is_repository(sk_view_of(mount_from)))
        return sk_fail(err, SK_INVALID, "'%.200s' is no name of a repository", mount_from);
    if (sk_oci_has_blob(r, repository, digest, &has, err) < 0)
        return -1;
    if (has)
        return sk_oci_tell(r, u.what, size, size) ? 0 : sk_fail(err, SK_CANCELLED, "stopped");
    u.mount_from = mount_from && strcmp(mount_from, repository) != 0 ? mount_from : NULL;
    (void)sk_oci_scope(repository, "pull,push", u.scope);
    (void)sk_oci_scope(mount_from ? mount_from : "", "pull", u.from_scope);
    if (check_file(&u, err) < 0)
        return -1;
    if (send_all(&u, err) < 0)
        return sk_wrap(err, "%s/%s, upload of %s", r->host, repository, digest);
    return 0;
}

int sk_oci_mount_blob(struct sk_oci_registry *r, const char *repository, const char *digest,
                      const char *mount_from, bool *is_there, struct sk_err *err)
{
    SK_AUTO(upload_done)
    struct upload u = {
        .r = r, .repository = repository, .digest = digest, .mount_from = mount_from
    };

    (void)sk_oci_scope(repository, "pull,push", u.scope);
    (void)sk_oci_scope(mount_from, "pull", u.from_scope);
    if (sk_oci_has_blob(r, repository, digest, is_there, err) < 0)
        return -1;
    if (*is_there)
        return 0;
    int rc = begin(&u, err);
    *is_there = rc == 1;
    return rc < 0 ? -1 : 0;
}
