/*
 * exchange.c - one request and its answer, by libcurl's easy interface.
 *
 * Bytes flow through, nothing is collected but an answer that the caller wants in memory and the
 * beginning of one that tells what went wrong. Status and headers are in the answer before the sink
 * sees its first byte, so it can tell a 206 from a 200. The sink only sees the body of a success.
 *
 * libcurl calls watch() at least about once a second, also when nothing moves: the one place for
 * progress, for stopping, and for the end of patience with a server that has gone silent.
 */
#include "fetch/curl_priv.h"

#include "base/clock.h"
#include "base/str.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <strings.h>

enum {
    PIECE_BYTES = 256 << 10 /* at most so many bytes reach a sink at once */
};

struct transfer {
    const struct sk_curl_api *lib;
    CURL *handle;
    struct sk_exchange *x;
    struct sk_err *err;
    struct sk_buf head; /* of the answer that is arriving */
    bool is_head_open;  /* between a status line and the blank line behind its headers */
    bool has_failed;    /* one of our callbacks said no; err says why */
    bool is_stalled;    /* that one was the watch, out of patience */
    bool is_cut;        /* enough was read of an error's or a redirect's body */
    uint64_t done;      /* of a success's body */
    uint64_t total;     /* as announced, 0: unknown */
    uint64_t skipped;   /* of another body */
    uint64_t moved_ms;  /* when a byte last went either way */
    uint64_t quiet_ms;  /* the same; connecting counts as quiet here */
    bool is_waiting;    /* and that was told */
    curl_off_t up;
    int file; /* of the body, -1: none */
    uint64_t read;
    struct curl_slist *headers;
    char reason[CURL_ERROR_SIZE];
};

static void transfer_done(struct transfer *t)
{
    sk_buf_done(&t->head);
    sk_close(&t->file);
    t->lib->curl_slist_free_all(t->headers);
}

static bool is_success(int status)
{
    return status >= 200 && status < 300;
}

/* ---- what arrives ---- */

static size_t stop(struct transfer *t)
{
    t->has_failed = true;
    return 0;
}

/* "HTTP/1.1 200 OK", "HTTP/2 200" */
static int status_of(struct sk_view line)
{
    const char *space = memchr(line.ptr, ' ', line.len);
    size_t at = space ? (size_t)(space - line.ptr) + 1 : line.len;
    int status = 0;

    for (size_t i = at; i < line.len && i < at + 3; i++)
        status = line.ptr[i] >= '0' && line.ptr[i] <= '9' ? status * 10 + (line.ptr[i] - '0')
                                                          : 1000;
    return status >= 100 && status < 600 ? status : 0;
}

static void add_header(struct sk_buf *head, struct sk_view line)
{
    const char *colon = memchr(line.ptr, ':', line.len);
    size_t name = colon ? (size_t)(colon - line.ptr) : 0;

    if (name == 0)
        return;
    for (size_t i = 0; i < name; i++)
        sk_buf_chr(head, (char)(line.ptr[i] >= 'A' && line.ptr[i] <= 'Z' ? line.ptr[i] + 32
                                                                         : line.ptr[i]));
    struct sk_view value = sk_view_trim((struct sk_view){ colon + 1, line.len - name - 1 });
    sk_buf_str(head, ": ");
    for (size_t i = 0; i < value.len; i++)
        sk_buf_chr(head, (unsigned char)value.ptr[i] < ' ' ? ' ' : value.ptr[i]);
    sk_buf_chr(head, '\n');
}

/* The blank line: what was collected is the answer's head, unless an interim one. */
static size_t close_head(struct transfer *t)
{
    struct sk_fetch_answer *a = t->x->answer;

    t->is_head_open = false;
    if (a->status < 200)
        return 1;
    free(a->headers);
    a->headers = sk_buf_take(&t->head);
    if (!a->headers)
        a->headers = strdup("");
    if (!a->headers) {
        (void)sk_nomem(t->err);
        return 0;
    }
    return 1;
}

static size_t take_header(char *bytes, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    struct sk_view line = { bytes, size * count };

    t->moved_ms = t->quiet_ms = sk_now_ms();
    while (line.len > 0 && (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
        line.len--;
    if (line.len >= 5 && memcmp(line.ptr, "HTTP/", 5) == 0 && !t->is_head_open) {
        sk_buf_clear(&t->head);
        t->is_head_open = true;
        t->x->answer->status = status_of(line);
    } else if (!t->is_head_open) {
        return size * count; /* a trailer */
    } else if (line.len == 0) {
        if (close_head(t) == 0)
            return stop(t);
    } else {
        add_header(&t->head, line);
    }
    if (!sk_buf_ok(&t->head)) {
        (void)sk_buf_fail(&t->head, t->err);
        return stop(t);
    }
    return size * count;
}

static size_t take_success(struct transfer *t, const char *bytes, size_t len)
{
    const struct sk_fetch_request *r = t->x->request;
    struct sk_buf *body = &t->x->answer->body;

    t->moved_ms = t->quiet_ms = sk_now_ms();
    t->done += len;
    if (r->sink)
        return r->sink(r->ctx, bytes, len, t->err) < 0 ? stop(t) : len;
    sk_buf_add(body, bytes, len);
    if (sk_buf_ok(body))
        return len;
    (void)sk_buf_fail(body, t->err);
    return stop(t);
}

static size_t take_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    struct sk_buf *body = &t->x->answer->body;
    size_t len = size * count;

    if (is_success(t->x->answer->status))
        return take_success(t, bytes, len);
    t->moved_ms = t->quiet_ms = sk_now_ms();
    t->skipped += len;
    if (t->skipped <= SK_FETCH_ERROR_BYTES)
        sk_buf_add(body, bytes, len);
    t->is_cut = t->skipped > SK_FETCH_ERROR_BYTES;
    return t->is_cut ? 0 : len;
}

/* ---- what is watched ---- */

static bool is_wanted(struct transfer *t, uint64_t up, uint64_t up_total)
{
    const struct sk_fetch_request *r = t->x->request;
    bool is_down = is_success(t->x->answer->status);

    if (!r->progress)
        return true;
    return r->progress(r->ctx, is_down ? t->done : up, is_down ? t->total : up_total);
}

static void tell(struct transfer *t, bool is_waiting)
{
    const struct sk_fetch_options *o = t->x->opts;
    const char *host = strstr(t->x->url->origin, "//");
    char text[300];

    if (is_waiting == t->is_waiting)
        return;
    t->is_waiting = is_waiting;
    host = host ? host + 2 : t->x->url->origin;
    (void)snprintf(text, sizeof text, "%.*s", (int)strcspn(host, "/"), host);
    if (o->waiting)
        o->waiting(o->waiting_ctx, text, is_waiting);
}

static int watch(void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                 curl_off_t up)
{
    struct transfer *t = ctx;
    const uint64_t own_ms = t->x->request->stall_ms;
    uint64_t now = sk_now_ms(), patience = own_ms > 0 ? own_ms : t->x->opts->stall_ms;
    curl_off_t connected_us = 0;

    (void)down; /* t->done is newer */
    t->total = (uint64_t)down_total;
    if (!is_wanted(t, (uint64_t)up, (uint64_t)up_total)) {
        (void)sk_fail(t->err, SK_CANCELLED, "stopped");
        t->has_failed = true;
        return 1;
    }
    (void)t->lib->curl_easy_getinfo(t->handle, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
    if (connected_us == 0 || up != t->up) /* until it is connected, libcurl's own clock runs */
        t->moved_ms = now;
    if (up != t->up)
        t->quiet_ms = now;
    t->up = up;
    tell(t, now - t->quiet_ms >= SK_FETCH_QUIET_MS);
    if (now - t->moved_ms <= patience)
        return 0;
    (void)sk_fail(t->err, SK_TIMEOUT, "no byte came for %g s", (double)patience / 1000);
    t->has_failed = t->is_stalled = true;
    return 1;
}

/* ---- what is sent ---- */

/* The body from its file. Where it stands is ours, so a client that repeats begins anew. */
static size_t give_body(char *out, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    const struct sk_fetch_request *r = t->x->request;
    uint64_t left = r->body_len - t->read;
    size_t room = size * count < left ? size * count : (size_t)left;

    ssize_t n = room > 0 ? pread(t->file, out, room, (off_t)(r->body_offset + t->read)) : 0;
    if (n < 0 || (n == 0 && room > 0)) {
        if (n < 0)
            (void)sk_fail_errno(t->err, "'%s'", r->body_path);
        else
            (void)sk_fail(t->err, SK_IO, "'%s' has become shorter than %llu bytes", r->body_path,
                          (unsigned long long)(r->body_offset + r->body_len));
        t->has_failed = true;
        return CURL_READFUNC_ABORT;
    }
    t->read += (uint64_t)n;
    return (size_t)n;
}

static int seek_body(void *ctx, curl_off_t offset, int origin)
{
    struct transfer *t = ctx;

    if (origin != SEEK_SET || (t->x->request->body_once && t->read > 0))
        return CURL_SEEKFUNC_CANTSEEK;
    t->read = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* No control characters: a line break would be a header of somebody else's. */
static bool is_one_line(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    return true;
}

static int add_line(struct transfer *t, const char *line, struct sk_err *err)
{
    if (!is_one_line(line))
        return sk_fail(err, SK_INVALID, "a token or header has a control character in it");
    struct curl_slist *longer = t->lib->curl_slist_append(t->headers, line);
    if (!longer)
        return sk_nomem(err);
    t->headers = longer;
    return 0;
}

static bool is_secret(const char *line)
{
    static const char *const names[] = { "authorization:", "cookie:", "proxy-authorization:" };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strncasecmp(line, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static int add_bearer(struct transfer *t, const char *token, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf line = SK_BUF_INIT(64 << 10);

    sk_buf_str(&line, "Authorization: Bearer ");
    sk_buf_str(&line, token);
    if (!sk_buf_ok(&line))
        return sk_buf_fail(&line, err);
    return add_line(t, line.data, err);
}

static int make_headers(struct transfer *t, struct sk_err *err)
{
    const struct sk_fetch_request *r = t->x->request;
    bool has_type = false;
    char range[48];

    if (r->basic_user && (!is_one_line(r->basic_user) || strchr(r->basic_user, ':') ||
                          (r->basic_password && !is_one_line(r->basic_password))))
        return sk_fail(err, SK_INVALID,
                       "a user name or password has a character that cannot be sent");
    for (const char *const *h = r->headers; h && *h; h++) {
        has_type = has_type || strncasecmp(*h, "content-type:", 13) == 0;
        if ((t->x->is_trusted || !is_secret(*h)) && add_line(t, *h, err) < 0)
            return -1;
    }
    if (r->bearer && t->x->is_trusted && add_bearer(t, r->bearer, err) < 0)
        return -1;
    (void)snprintf(range, sizeof range, "Range: bytes=%llu-", (unsigned long long)r->range_from);
    if (r->range_from > 0 && add_line(t, range, err) < 0)
        return -1;
    /* No form that nobody filled in, and no pause for a "100 Continue" that many never send. */
    if (t->x->has_body && !has_type && add_line(t, "Content-Type:", err) < 0)
        return -1;
    return add_line(t, "Expect:", err);
}

#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (code == CURLE_OK)                                                                      \
            code = t->lib->curl_easy_setopt(t->handle, (option), (value));                         \
    } while (0)

static CURLcode set_method(struct transfer *t)
{
    const struct sk_exchange *x = t->x;
    CURLcode code = CURLE_OK;

    if (strcmp(x->method, "HEAD") == 0) {
        SET(CURLOPT_NOBODY, 1L);
    } else if (t->file >= 0) {
        SET(CURLOPT_UPLOAD, 1L);
        SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)x->request->body_len);
        SET(CURLOPT_READFUNCTION, give_body);
        SET(CURLOPT_READDATA, t);
        SET(CURLOPT_SEEKFUNCTION, seek_body);
        SET(CURLOPT_SEEKDATA, t);
        SET(CURLOPT_UPLOAD_BUFFERSIZE, (long)PIECE_BYTES);
    } else if (x->has_body) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->request->body_len);
        SET(CURLOPT_POSTFIELDS, x->request->body ? x->request->body : "");
    }
    if (strcmp(x->method, "HEAD") != 0)
        SET(CURLOPT_CUSTOMREQUEST, x->method);
    return code;
}

static CURLcode set_login(struct transfer *t)
{
    const struct sk_fetch_request *r = t->x->request;
    CURLcode code = CURLE_OK;

    if (!r->basic_user || !t->x->is_trusted)
        return code;
    SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    SET(CURLOPT_USERNAME, r->basic_user);
    SET(CURLOPT_PASSWORD, r->basic_password ? r->basic_password : "");
    return code;
}

static CURLcode set_options(struct transfer *t)
{
    const struct sk_fetch_options *o = t->x->opts;
    CURLcode code = set_method(t);

    if (code == CURLE_OK)
        code = set_login(t);
    /* Refused (43) while the handle still has the buffer of a request whose host was not found;
     * that one is as large. So the result says nothing. */
    (void)t->lib->curl_easy_setopt(t->handle, CURLOPT_BUFFERSIZE, (long)PIECE_BYTES);

    SET(CURLOPT_URL, t->x->url->text);
    SET(CURLOPT_HTTPHEADER, t->headers);
    SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE); /* ours are not for a proxy */
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_USERAGENT, "skerry/" SK_VERSION);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (o->ca_file)
        SET(CURLOPT_CAINFO, o->ca_file);
    if (o->cert_file && o->key_file) {
        SET(CURLOPT_SSLCERT, o->cert_file);
        SET(CURLOPT_SSLKEY, o->key_file);
    }
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_ms);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_NOSIGNAL, 1L); /* other threads have signals of their own */
    SET(CURLOPT_ERRORBUFFER, t->reason);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_XFERINFOFUNCTION, watch);
    SET(CURLOPT_XFERINFODATA, t);
    SET(CURLOPT_NOPROGRESS, 0L);
    return code;
}

/* ---- the exchange ---- */

/* libcurl leaves SIGPIPE to the program; a server that hangs up must not end ours. */
static CURLcode perform(struct transfer *t)
{
    const struct timespec at_once = { 0, 0 };
    sigset_t pipe_only, before, pending;

    (void)sigemptyset(&pipe_only);
    (void)sigaddset(&pipe_only, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    CURLcode code = t->lib->curl_easy_perform(t->handle);
    if (sigismember(&before, SIGPIPE) == 0) {
        while (sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1 &&
               sigtimedwait(&pipe_only, NULL, &at_once) == SIGPIPE)
            continue;
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    return code;
}

static enum sk_code meaning_of(CURLcode code)
{
    switch (code) {
    case CURLE_OUT_OF_MEMORY:
        return SK_NOMEM;
    case CURLE_OPERATION_TIMEDOUT:
        return SK_TIMEOUT;
    default:
        return SK_IO;
    }
}

static int judge(struct transfer *t, CURLcode code, struct sk_err *err)
{
    struct sk_exchange *x = t->x;
    curl_off_t connected_us = 0;

    if (t->is_cut && !t->has_failed)
        return 0;
    if (code == CURLE_OK && x->answer->headers)
        return 0;
    if (code == CURLE_OK) { /* libcurl is content with headers that do not end */
        code = CURLE_GOT_NOTHING;
        (void)snprintf(t->reason, sizeof t->reason, "the answer ended in its headers");
    }
    (void)t->lib->curl_easy_getinfo(t->handle, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
    x->was_sent = connected_us > 0;
    if (!t->has_failed) {
        enum sk_code meaning = meaning_of(code);
        const char *words = t->reason[0] ? t->reason : t->lib->curl_easy_strerror(code);
        (void)sk_fail(err, meaning, meaning == SK_TIMEOUT ? "it does not answer (%s)" : "%s",
                      words);
        x->is_repeatable = t->done == 0 && (meaning == SK_IO || meaning == SK_TIMEOUT);
    }
    x->is_repeatable = x->is_repeatable || (t->is_stalled && t->done == 0);
    return -1;
}

static int open_body(struct transfer *t, struct sk_err *err)
{
    const struct sk_exchange *x = t->x;

    if (!x->has_body || !x->request->body_path)
        return 0;
    t->file = open(x->request->body_path, O_RDONLY | O_CLOEXEC);
    if (t->file < 0)
        return sk_fail_errno(err, "'%s'", x->request->body_path);
    return 0;
}

int sk_exchange(const struct sk_curl_api *lib, CURL *handle, struct sk_exchange *x,
                struct sk_err *err)
{
    SK_AUTO(transfer_done)
    struct transfer t = { .lib = lib,
                          .handle = handle,
                          .x = x,
                          .err = err,
                          .moved_ms = sk_now_ms(),
                          .quiet_ms = sk_now_ms(),
                          .file = -1,
                          .head = SK_BUF_INIT(SK_FETCH_HEAD_BYTES) };
    CURLcode code;

    x->is_repeatable = x->was_sent = false;
    sk_fetch_answer_done(x->answer);
    x->answer->body.ceiling = SK_FETCH_BODY_BYTES;
    if (make_headers(&t, err) < 0 || open_body(&t, err) < 0)
        return -1;
    lib->curl_easy_reset(handle); /* its connections stay */
    code = set_options(&t);
    if (code == CURLE_OK)
        code = perform(&t);
    tell(&t, false);
    int rc = judge(&t, code, err);
    lib->curl_easy_reset(handle); /* nothing of ours is pointed to any more */
    return rc;
}
