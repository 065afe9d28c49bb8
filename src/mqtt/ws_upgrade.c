/*
 * ws_upgrade.c - the HTTP request that a WebSocket begins with, and its answer (RFC 6455, section
 * 4.2).
 *
 * A request is looked at when it is whole; it is small, and comes once. It must be a GET of
 * HTTP/1.1 without a body, of the one path, with one Host, `Upgrade: websocket`, `Connection:
 * upgrade`, a key of 16 bytes, version 13, and the subprotocol "mqtt" in any case, which is
 * answered as the client wrote it: some clients compare.
 */
#include "mqtt/mqtt_priv.h"

#include "crypto/crypto.h"

#include <string.h>

enum {
    KEY_BYTES = 16,
    KEY_TEXT = 24
};

struct request {
    struct sk_view target, key, protocol, version;
    unsigned hosts, keys, versions;
    bool has_upgrade, has_connection, has_body;
};

/* Cuts the view up to a separator off the front of rest; the whole when there is none. */
static struct sk_view cut(struct sk_view *rest, char separator)
{
    if (rest->len == 0)
        return *rest;
    const char *at = memchr(rest->ptr, separator, rest->len);
    struct sk_view piece = { rest->ptr, at ? (size_t)(at - rest->ptr) : rest->len };
    size_t skip = at ? piece.len + 1 : piece.len;

    rest->ptr += skip;
    rest->len -= skip;
    return piece;
}

/* The element of a list between commas, in any case; an empty view when it is not there. */
static struct sk_view find_token(struct sk_view list, const char *token)
{
    while (list.len > 0) {
        struct sk_view piece = sk_view_trim(cut(&list, ','));
        if (sk_view_eq_nocase(piece, token))
            return piece;
    }
    return (struct sk_view){ NULL, 0 };
}

static bool is_token(struct sk_view v)
{
    for (size_t i = 0; i < v.len; i++)
        if (v.ptr[i] <= ' ' || v.ptr[i] > '~' || strchr("\"(),/:;<=>?@[\\]{}", v.ptr[i]))
            return false;
    return v.len > 0;
}

static bool is_field_text(struct sk_view v)
{
    for (size_t i = 0; i < v.len; i++)
        if (((unsigned char)v.ptr[i] < ' ' && v.ptr[i] != '\t') || v.ptr[i] == 127)
            return false;
    return true;
}

static bool add_header(struct request *r, struct sk_view name, struct sk_view value)
{
    if (sk_view_eq_nocase(name, "Host")) {
        r->hosts++;
    } else if (sk_view_eq_nocase(name, "Upgrade")) {
        r->has_upgrade |= find_token(value, "websocket").len > 0;
    } else if (sk_view_eq_nocase(name, "Connection")) {
        r->has_connection |= find_token(value, "upgrade").len > 0;
    } else if (sk_view_eq_nocase(name, "Sec-WebSocket-Key")) {
        r->keys++;
        r->key = value;
    } else if (sk_view_eq_nocase(name, "Sec-WebSocket-Version")) {
        r->versions++;
        r->version = value;
    } else if (sk_view_eq_nocase(name, "Sec-WebSocket-Protocol")) {
        if (r->protocol.len == 0)
            r->protocol = find_token(value, "mqtt");
    } else if (sk_view_eq_nocase(name, "Transfer-Encoding")) {
        r->has_body = true;
    } else if (sk_view_eq_nocase(name, "Content-Length")) {
        r->has_body |= !sk_view_eq(value, "0");
    }
    return is_token(name) && is_field_text(value);
}

/* text ends with the empty line. False: no HTTP, or too much of it. */
static bool parse(struct sk_view text, struct request *r)
{
    struct sk_view line = cut(&text, '\n');
    unsigned count = 0;

    if (line.len == 0 || line.ptr[--line.len] != '\r' || !sk_view_eq(cut(&line, ' '), "GET"))
        return false;
    r->target = cut(&line, ' ');
    if (!sk_view_eq(line, "HTTP/1.1"))
        return false;
    for (;;) {
        line = cut(&text, '\n');
        if (line.len == 0 || line.ptr[--line.len] != '\r')
            return false;
        if (line.len == 0)
            return true;
        if (++count > SK_WS_REQUEST_HEADERS || !memchr(line.ptr, ':', line.len))
            return false;
        struct sk_view name = cut(&line, ':');
        if (!add_header(r, name, sk_view_trim(line)))
            return false;
    }
}

/* The query does not count; %24 is $. */
static bool is_path(struct sk_view target, const char *path)
{
    struct sk_view v = cut(&target, '?');

    while (v.len > 0 && *path) {
        char c = *v.ptr;
        size_t step = 1;
        if (c == '%' && v.len > 2 && sk_hex_digit(v.ptr[1]) >= 0 && sk_hex_digit(v.ptr[2]) >= 0) {
            c = (char)(sk_hex_digit(v.ptr[1]) << 4 | sk_hex_digit(v.ptr[2]));
            step = 3;
        }
        if (c != *path++)
            return false;
        v.ptr += step;
        v.len -= step;
    }
    return v.len == 0 && *path == 0;
}

/* 4.1: may be absolute, too. */
static struct sk_view path_of(struct sk_view target)
{
    static const char *const schemes[] = { "http://", "https://" };

    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t n = strlen(schemes[i]);
        struct sk_view front = { target.ptr, n };
        if (target.len < n || !sk_view_eq_nocase(front, schemes[i]))
            continue;
        const char *slash = memchr(target.ptr + n, '/', target.len - n);
        return slash ? (struct sk_view){ slash, target.len - (size_t)(slash - target.ptr) }
                     : (struct sk_view){ NULL, 0 };
    }
    return target;
}

static bool is_key(struct sk_view v)
{
    SK_AUTO(sk_buf_done) struct sk_buf bytes = SK_BUF_INIT(KEY_TEXT);
    struct sk_err err = SK_ERR_INIT;

    return v.len == KEY_TEXT && sk_base64_decode(v.ptr, v.len, &bytes, &err) == 0 &&
           bytes.len == KEY_BYTES;
}

static int check(const struct request *r, const char *path)
{
    if (r->hosts != 1 || r->has_body)
        return 400;
    if (!is_path(path_of(r->target), path))
        return 404;
    if (!r->has_upgrade || !r->has_connection)
        return 426;
    if (r->versions > 1)
        return 400;
    if (!sk_view_eq(r->version, "13"))
        return 426; /* 4.2.2 */
    return r->keys == 1 && is_key(r->key) && r->protocol.len > 0 ? 101 : 400;
}

static int accept_it(const struct request *r, struct sk_buf *answer)
{
    static const char salt[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[KEY_TEXT + sizeof salt];
    unsigned char sha1[20];
    struct sk_err err = SK_ERR_INIT;

    (void)snprintf(text, sizeof text, "%.*s%s", KEY_TEXT, r->key.ptr, salt);
    if (sk_sha1(text, sizeof text - 1, sha1, &err) < 0)
        return 500;
    sk_buf_str(answer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\nSec-WebSocket-Accept: ");
    sk_base64(answer, sha1, sizeof sha1);
    sk_buf_str(answer, "\r\nSec-WebSocket-Protocol: ");
    sk_buf_add(answer, r->protocol.ptr, r->protocol.len);
    sk_buf_str(answer, "\r\n\r\n");
    return 101;
}

static int refuse(int status, struct sk_buf *answer)
{
    sk_buf_str(answer, status == 404   ? "HTTP/1.1 404 Not Found\r\n"
                       : status == 426 ? "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n"
                                         "Sec-WebSocket-Version: 13\r\n"
                       : status == 431 ? "HTTP/1.1 431 Request Header Fields Too Large\r\n"
                       : status == 500 ? "HTTP/1.1 500 Internal Server Error\r\n"
                                       : "HTTP/1.1 400 Bad Request\r\n");
    sk_buf_str(answer, status == 426 ? "Connection: Upgrade, close\r\nContent-Length: 0\r\n\r\n"
                                     : "Connection: close\r\nContent-Length: 0\r\n\r\n");
    return status;
}

int sk_ws_upgrade(const char *bytes, size_t len, const char *path, size_t *used,
                  struct sk_buf *answer)
{
    struct request r = { .hosts = 0 };
    size_t look = len < SK_WS_REQUEST_BYTES ? len : SK_WS_REQUEST_BYTES;
    const char *end = look > 0 ? memmem(bytes, look, "\r\n\r\n", 4) : NULL;

    if (!end)
        return len < SK_WS_REQUEST_BYTES ? 0 : refuse(431, answer);
    *used = (size_t)(end - bytes) + 4;
    int status = parse((struct sk_view){ bytes, *used }, &r) ? check(&r, path) : 400;
    if (status == 101)
        status = accept_it(&r, answer);
    return status == 101 ? status : refuse(status, answer);
}
