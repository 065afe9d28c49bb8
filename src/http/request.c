/*
 * request.c - a request from its first line to the end of its headers: target, route, and all that
 * can be refused early.
 *
 * libmicrohttpd is told to be lenient and not to decode; the strictness is here, so that refusals
 * are JSON. One pass over the headers picks out the few that matter. A message whose length could
 * be understood in two ways (RFC 9112, section 6.3: both lengths, two lengths, an unknown transfer
 * coding) is refused and the connection ended.
 */
#include "http/http_priv.h"

#include "base/clock.h"
#include "base/mix64.h"

#include <ctype.h>
#include <stdarg.h>
#include <strings.h>

/* What the header pass finds; NULL: absent. */
struct seen {
    const char *content_length, *transfer_encoding, *expect, *authorization, *api_key, *request_id,
        *content_type, *content_encoding, *host;
    unsigned count;
    bool is_repeated; /* a header that must be single */
    bool is_bad;      /* a name that is no token, a value with control characters */
};

/* ---- target ---- */

/* Percent-decoding; NULL when malformed, when it yields NUL, or without memory. */
static const char *decode(struct sk_arena *arena, const char *text, size_t len, bool plus_is_space)
{
    char *out = sk_arena_strndup(arena, text, len);
    size_t n = 0;
    for (size_t i = 0; out && i < len; i++) {
        char c = text[i];
        if (c == '%') {
            int hi = len - i > 2 ? sk_hex_digit(text[i + 1]) : -1;
            int lo = hi >= 0 ? sk_hex_digit(text[i + 2]) : -1;
            if (lo < 0 || (hi | lo) == 0)
                return NULL;
            c = (char)(hi << 4 | lo);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        out[n++] = c;
    }
    if (out)
        out[n] = '\0';
    return out;
}

const char *sk_http_decoded(struct sk_http_req *r, const char *text, size_t len)
{
    return decode(&r->arena, text, len, false);
}

static bool split_query(struct sk_http_req *r, const char *query)
{
    while (*query) {
        size_t len = strcspn(query, "&");
        size_t name_len = strcspn(query, "=&");
        if (len > 0) {
            if (r->query_count == SK_HTTP_QUERY_MAX)
                return false;
            struct sk_pair *q = &r->query[r->query_count];
            q->name = decode(&r->arena, query, name_len, true);
            q->value = name_len < len
                           ? decode(&r->arena, query + name_len + 1, len - name_len - 1, true)
                           : "";
            if (!q->name || !q->value)
                return false;
            r->query_count++;
        }
        query += len + (query[len] == '&');
    }
    return true;
}

bool sk_req_target(struct sk_http_req *r, const char *target)
{
    for (const char *p = target; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f || *p == '#')
            return false;
    if (strncasecmp(target, "http://", 7) == 0 || strncasecmp(target, "https://", 8) == 0) {
        target = strstr(target, "://") + 3; /* the absolute form, as through a proxy */
        target += strcspn(target, "/?");
    }
    size_t path_len = strcspn(target, "?");
    r->target = path_len > 0 ? sk_arena_strndup(&r->arena, target, path_len) : "/";
    r->path = path_len > 0 ? decode(&r->arena, target, path_len, false) : "/";
    if (!r->target || !r->path)
        return false;
    return target[path_len] != '?' || split_query(r, target + path_len + 1);
}

/* ---- life ---- */

void sk_req_begin(struct sk_http_req *r, const char *target)
{
    r->begun = true;
    r->start_ns = sk_now_ns();
    r->method = "";
    r->rest = "";
    r->type = "application/json";
    if (!sk_req_target(r, target)) {
        r->query_count = 0;
        r->target = r->path = "";
        sk_req_refuse(r, 0, SK_INVALID, "the request target is malformed");
    }
}

/* Keeps what the next request of the connection can use, gives back what is large. */
void sk_req_clear(struct sk_http_req *r)
{
    enum {
        KEEP_BYTES = 65536
    };

    sk_body_release(r);
    sk_source_end(r);
    sk_answer_drop_file(r);
    if (r->out.cap > KEEP_BYTES)
        sk_buf_done(&r->out);
    sk_buf_clear(&r->out);
    if (r->arena.used_bytes > KEEP_BYTES)
        sk_arena_done(&r->arena);
    else
        sk_arena_clear(&r->arena);

    struct sk_http_req kept = {
        .conn = r->conn,
        .arena = r->arena,
        .out = r->out,
        .multipart = r->multipart,
    };
    *r = kept;
}

void sk_req_free(struct sk_http_req *r)
{
    sk_body_release(r);
    sk_source_end(r);
    sk_answer_drop_file(r);
    sk_buf_done(&r->out);
    sk_arena_done(&r->arena);
    sk_multipart_free(r->multipart);
}

void sk_req_refuse(struct sk_http_req *r, int status, enum sk_code code, const char *fmt, ...)
{
    if (r->refused)
        return;
    struct sk_err err = { .code = code };
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(err.text, sizeof err.text, fmt, args);
    va_end(args);
    r->refused = true;
    r->status = status;
    sk_http_error(r, &err);
}

/* ---- headers ---- */

static bool is_token(const char *text)
{
    static const char extra[] = "!#$%&'*+-.^_`|~";
    for (const char *p = text; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr(extra, *p))
            return false;
    return text[0] != '\0';
}

static enum MHD_Result see_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    (void)kind;
    struct seen *s = cls;

    const struct {
        const char *name;
        const char **value;
        bool is_single;
    } wanted[] = {
        { "Content-Length", &s->content_length, true },
        { "Transfer-Encoding", &s->transfer_encoding, true },
        { "Host", &s->host, true },
        { "Content-Type", &s->content_type, true },
        { "Content-Encoding", &s->content_encoding, true },
        { "Expect", &s->expect, true },
        { "Authorization", &s->authorization, true },
        { "X-API-Key", &s->api_key, true },
        { "X-Request-Id", &s->request_id, false },
    };

    s->count++;
    if (!is_token(name))
        s->is_bad = true;
    for (const char *p = value; value && *p; p++)
        if ((unsigned char)*p < ' ' && *p != '\t')
            s->is_bad = true;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (strcasecmp(name, wanted[i].name) != 0)
            continue;
        s->is_repeated |= *wanted[i].value && wanted[i].is_single;
        *wanted[i].value = value ? value : "";
        break;
    }
    return MHD_YES;
}

static void choose_id(struct sk_http_req *r, const char *given)
{
    size_t len = given ? strlen(given) : 0;
    bool is_sane = len > 0 && len <= SK_LIMIT_REQUEST_ID_BYTES;
    for (size_t i = 0; is_sane && i < len; i++)
        is_sane = isalnum((unsigned char)given[i]) || strchr("-_.:/+=@", given[i]);
    if (is_sane) {
        memcpy(r->id, given, len + 1);
        return;
    }
    /* splitmix64 of a counter: different in each request, not guessable from one to the next
     * process */
    struct sk_http_server *s = r->conn->server;
    uint64_t z = sk_mix64(s->id_seed + atomic_fetch_add(&s->id_next, 1) * SK_MIX64_STEP);
    (void)snprintf(r->id, sizeof r->id, "%016llx", (unsigned long long)z);
}

/* ---- checks, in the order of their answers ---- */

static void check_message(struct sk_http_req *r, const struct seen *h, struct MHD_Connection *mhd,
                          const char *version)
{
    const struct sk_http_options *o = &r->conn->server->opts;
    const union MHD_ConnectionInfo *size = MHD_get_connection_info(
        mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    const bool is_1_1 = strcmp(version, "HTTP/1.0") != 0;

    r->is_1_0 = !is_1_1;
    r->expected = 0;
    if (h->transfer_encoding)
        r->expected = UINT64_MAX;
    else if (h->content_length)
        r->expected = strtoull(h->content_length, NULL, 10); /* libmicrohttpd has checked it */

    if (h->is_bad || !is_token(r->method))
        sk_req_refuse(r, 0, SK_INVALID, "a header field is malformed");
    if (size && size->header_size > o->max_header_bytes)
        sk_req_refuse(r, 431, SK_LIMIT,
                      "the headers have %zu bytes, at most %zu are allowed (max-header-size)",
                      size->header_size, o->max_header_bytes);
    if (h->count > SK_HTTP_HEADERS_MAX)
        sk_req_refuse(r, 431, SK_LIMIT, "there are %u header fields, at most %d are allowed",
                      h->count, SK_HTTP_HEADERS_MAX);
    if (h->is_repeated || (h->content_length && h->transfer_encoding))
        sk_req_refuse(r, 0, SK_INVALID, "header fields contradict each other");
    if (!h->host && is_1_1)
        sk_req_refuse(r, 0, SK_INVALID, "HTTP/1.1 needs a Host header");
    if (h->transfer_encoding && !is_1_1)
        sk_req_refuse(r, 0, SK_INVALID, "HTTP/1.0 has no Transfer-Encoding");
    r->closes = r->refused;
    if (h->transfer_encoding && strcasecmp(h->transfer_encoding, "chunked") != 0) {
        sk_req_refuse(r, 0, SK_UNSUPPORTED, "transfer coding '%.40s': only chunked is supported",
                      h->transfer_encoding);
        r->closes = true;
    }
}

static bool route_has_path(const struct sk_http_route *route, const struct sk_http_req *r,
                           const char **rest)
{
    if (!(route->flags & SK_HTTP_PREFIX))
        return strcmp(route->path, r->path) == 0;
    if (!sk_starts_with(r->target, route->path))
        return false;
    *rest = r->target + strlen(route->path);
    return true;
}

/* The first row that fits path and method. */
static void find_route(struct sk_http_req *r)
{
    char allow[256] = "";
    size_t used = 0;
    const char *method = strcmp(r->method, "HEAD") == 0 ? "GET" : r->method;

    for (const struct sk_http_route *route = r->conn->server->opts.routes; route->method; route++) {
        const char *rest = "";
        if (!route_has_path(route, r, &rest))
            continue;
        if (strcmp(route->method, method) == 0 || strcmp(route->method, r->method) == 0) {
            r->route = route;
            r->rest = rest;
            return;
        }
        if (strstr(allow, route->method) || used + 16 > sizeof allow)
            continue;
        bool is_get = strcmp(route->method, "GET") == 0;
        used += (size_t)snprintf(allow + used, sizeof allow - used, "%s%.8s%s", used ? ", " : "",
                                 route->method, is_get ? ", HEAD" : "");
    }
    if (!used) {
        sk_req_refuse(r, 0, SK_NOT_FOUND, "no such path: %.200s", r->path);
        return;
    }
    sk_req_refuse(r, 0, SK_METHOD, "%.20s is not allowed here, only %s", r->method, allow);
    sk_http_set_header(r, "Allow", allow);
}

static void check_key(struct sk_http_req *r, const struct seen *h)
{
    const char *key = r->conn->server->opts.api_key;
    if (!key || r->route->flags & SK_HTTP_OPEN)
        return;
    const char *given = h->api_key;
    if (!given && h->authorization && strncasecmp(h->authorization, "Bearer ", 7) == 0)
        given = h->authorization + 7 + strspn(h->authorization + 7, " ");
    if (given && sk_equal_secret(given, strlen(given), key, strlen(key)))
        return;
    sk_req_refuse(r, 0, SK_UNAUTHENTICATED,
                  given ? "the API key is wrong"
                        : "an API key is needed: Authorization: Bearer KEY");
    sk_http_set_header(r, "WWW-Authenticate", "Bearer");
}

static void ask_admit(struct sk_http_req *r)
{
    const struct sk_http_options *o = &r->conn->server->opts;
    if (!o->admit || o->admit(r, o->ctx) == 0)
        return;
    atomic_store(&r->turn, SK_TURN_LOOP);
    r->refused = true;
}

static void check_body(struct sk_http_req *r, const struct seen *h)
{
    if (h->content_encoding && r->expected > 0 && !(r->route->flags & SK_HTTP_CODED) &&
        strcasecmp(h->content_encoding, "identity") != 0)
        sk_req_refuse(r, 0, SK_UNSUPPORTED_MEDIA,
                      "content coding '%.40s' is not supported: send the body as it is",
                      h->content_encoding);
    if (r->expected != UINT64_MAX && r->expected > sk_body_limit(r))
        sk_req_refuse(r, 0, SK_TOO_LARGE, "the body has %llu bytes, at most %llu are allowed%s",
                      (unsigned long long)r->expected, (unsigned long long)sk_body_limit(r),
                      r->route->max_body_bytes ? "" : " (max-body-size)");
    if (h->expect && strcasecmp(h->expect, "100-continue") != 0)
        sk_req_refuse(r, 417, SK_INVALID, "expectation '%.40s' is not known", h->expect);
}

static void begin_multipart(struct sk_http_req *r, const char *content_type)
{
    static const char form[] = "multipart/form-data";
    if (!(r->route->flags & SK_HTTP_MULTIPART) || !content_type ||
        strncasecmp(content_type, form, sizeof form - 1) != 0)
        return;
    struct sk_err err = SK_ERR_INIT;
    if (!r->multipart)
        r->multipart = sk_multipart_alloc();
    r->is_multipart = true;
    if (!r->multipart)
        sk_req_refuse(r, 0, SK_NOMEM, "out of memory");
    else if (sk_multipart_begin(r->multipart, content_type, &r->body,
                                r->conn->server->opts.max_parts, &err) < 0)
        sk_req_refuse(r, 0, err.code, "%s", err.text);
}

void sk_req_admit(struct sk_http_req *r, struct MHD_Connection *mhd, const char *method,
                  const char *version)
{
    struct seen h = { 0 };
    r->seen = true;
    r->mhd = mhd;
    r->start_ns = sk_now_ns();
    r->method = method;
    (void)MHD_get_connection_values(mhd, MHD_HEADER_KIND, see_header, &h);
    choose_id(r, h.request_id);
    check_message(r, &h, mhd, version);
    if (!r->refused)
        find_route(r);
    if (!r->refused)
        check_key(r, &h);
    if (!r->refused)
        ask_admit(r);
    if (!r->refused)
        check_body(r, &h);
    if (!r->refused && r->route->flags & SK_HTTP_STREAM) {
        if (r->expected > 0)
            sk_http_stream_begin(r);
    } else if (!r->refused && r->expected > 0) {
        sk_body_begin(r);
        begin_multipart(r, h.content_type);
    }
    bool waits = h.expect != NULL; /* the client has not sent its body yet */
    r->discards = r->refused;
    if (r->refused && r->expected > 0 && (waits || r->expected > SK_HTTP_DISCARD_BYTES))
        r->closes = true;
}

/* ---- what handlers ask ---- */

const char *sk_http_method(const struct sk_http_req *r)
{
    return r->method;
}

const char *sk_http_path(const struct sk_http_req *r)
{
    return r->path;
}

const char *sk_http_rest(const struct sk_http_req *r)
{
    return r->rest;
}

const char *sk_http_query(const struct sk_http_req *r, const char *name)
{
    return sk_http_query_at(r, name, 0);
}

const char *sk_http_query_at(const struct sk_http_req *r, const char *name, size_t i)
{
    for (size_t k = 0; k < r->query_count; k++)
        if (strcmp(r->query[k].name, name) == 0 && i-- == 0)
            return r->query[k].value;
    return NULL;
}

const char *sk_http_header(const struct sk_http_req *r, const char *name)
{
    return r->mhd ? MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, name) : NULL;
}

struct visit {
    void (*each)(void *ctx, const char *name, const char *value);
    void *ctx;
};

static enum MHD_Result visit_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                    const char *value)
{
    const struct visit *v = cls;
    (void)kind;
    v->each(v->ctx, name, value ? value : "");
    return MHD_YES;
}

void sk_http_headers(const struct sk_http_req *r,
                     void (*each)(void *ctx, const char *name, const char *value), void *ctx)
{
    struct visit v = { each, ctx };
    if (r->mhd)
        (void)MHD_get_connection_values(r->mhd, MHD_HEADER_KIND, visit_header, &v);
}

unsigned sk_http_flags(const struct sk_http_req *r)
{
    return r->route ? r->route->flags : 0;
}

const struct sk_http_route *sk_http_route_of(const struct sk_http_req *r)
{
    return r->route;
}

const struct sk_http_server *sk_http_server_of(const struct sk_http_req *r)
{
    return r->conn->server;
}

void *sk_http_tag(const struct sk_http_req *r)
{
    return r->conn->tag;
}

const char *sk_http_peer(const struct sk_http_req *r)
{
    return r->conn->peer;
}

const char *sk_http_id(const struct sk_http_req *r)
{
    return r->id;
}

struct sk_view sk_http_body(const struct sk_http_req *r)
{
    if (r->is_multipart || !r->body.data)
        return (struct sk_view){ "", 0 };
    return (struct sk_view){ r->body.data, r->body.len };
}

uint64_t sk_http_content_length(const struct sk_http_req *r)
{
    return r->expected;
}

struct sk_view sk_http_client_cert(const struct sk_http_req *r)
{
    return (struct sk_view){ r->conn->cert ? r->conn->cert : "", r->conn->cert_len };
}

uint64_t sk_http_start_ns(const struct sk_http_req *r)
{
    return r->start_ns;
}

uint64_t sk_http_read_ns(const struct sk_http_req *r)
{
    return r->read_ns;
}

struct sk_arena *sk_http_arena(struct sk_http_req *r)
{
    return &r->arena;
}

bool sk_http_is_multipart(const struct sk_http_req *r)
{
    return r->is_multipart;
}

size_t sk_http_part_count(const struct sk_http_req *r)
{
    return r->is_multipart ? sk_multipart_count(r->multipart) : 0;
}

const struct sk_http_part *sk_http_part_at(const struct sk_http_req *r, size_t i)
{
    return r->is_multipart ? sk_multipart_at(r->multipart, i) : NULL;
}

void sk_http_set_user(struct sk_http_req *r, void *user)
{
    r->user = user;
}

void *sk_http_user(const struct sk_http_req *r)
{
    return r->user;
}
