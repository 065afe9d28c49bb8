/*
 * address.c - where a hub is: "hub", "hub:8443", "https://hub", "[::1]:8443".
 *
 * The port is 8443 unless one is given. Nothing may follow it but one slash; user names, queries
 * and paths are refused, so a URL that is stored and shown holds no secret. Plain http carries
 * tokens in clear text, so it is for this machine only.
 */
#include "remote/remote_priv.h"

#include "base/str.h"
#include "crypto/crypto.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <strings.h>

enum {
    HUB_PORT = 8443
};

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (strcasecmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static bool is_host(const char *host)
{
    struct in6_addr v6;

    if (strchr(host, ':'))
        return inet_pton(AF_INET6, host, &v6) == 1;
    for (const char *p = host; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '-' && *p != '.' && *p != '_')
            return false;
    return host[0] != '\0' && host[0] != '-' && host[0] != '.';
}

/* Host and what is behind it; false: malformed or too long. */
static bool split(const char *text, char *host, size_t cap, const char **rest)
{
    const char *begin = text[0] == '[' ? text + 1 : text;
    size_t len = text[0] == '[' ? strcspn(begin, "]") : strcspn(begin, ":/?#@");

    if (len >= cap || (text[0] == '[' && begin[len] != ']'))
        return false;
    memcpy(host, begin, len);
    host[len] = '\0';
    *rest = begin + len + (text[0] == '[');
    return is_host(host) && (text[0] == '[') == (strchr(host, ':') != NULL);
}

int sk_hub_address(const char *hub, struct sk_hub_address *out, struct sk_err *err)
{
    struct sk_hub_address a = { .is_tls = true, .port = HUB_PORT };
    const char *text = hub, *rest = NULL;
    char digits[8] = "";
    uint64_t port = 0;

    if (strncasecmp(text, "https://", 8) == 0) {
        text += 8;
    } else if (strncasecmp(text, "http://", 7) == 0) {
        text += 7;
        a.is_tls = false;
    }
    if (!split(text, a.host, sizeof a.host, &rest))
        return sk_fail(err, SK_INVALID,
                       "not a hub's address: expected HOST, HOST:PORT or https://HOST:PORT");
    if (*rest == ':') {
        size_t len = strspn(++rest, "0123456789");
        (void)snprintf(digits, sizeof digits, "%.*s", (int)(len < 7 ? len : 7), rest);
        rest += len;
        if (sk_parse_u64("the port", digits, 1, 65535, &port, err) < 0)
            return -1;
        a.port = (uint16_t)port;
    }
    if (*rest == '/')
        rest++;
    if (*rest)
        return sk_fail(err, SK_INVALID,
                       "a hub's address ends with its port: no path, user name or query");
    if (!a.is_tls && !is_loopback(a.host))
        return sk_fail(err, SK_DENIED,
                       "http:// carries tokens in clear text: only for this machine, use https://");
    for (char *p = a.host; *p; p++)
        *p = (char)tolower((unsigned char)*p); /* equal texts are one hub */
    *out = a;
    return 0;
}

int sk_context_set_url(struct sk_context *c, const char *text, struct sk_err *err)
{
    struct sk_hub_address a;

    if (sk_hub_address(text, &a, err) < 0)
        return -1;
    const char *open = strchr(a.host, ':') ? "[" : "", *close = open[0] ? "]" : "";
    (void)snprintf(c->host, sizeof c->host, "%s%s%s:%u", open, a.host, close, a.port);
    (void)snprintf(c->url, sizeof c->url, "%s://%s", a.is_tls ? "https" : "http", c->host);
    return 0;
}

void sk_context_name_of(const char *host, char out[64])
{
    size_t len = 0;
    const char *end = host + strlen(host);

    if (sk_ends_with(host, ":8443"))
        end -= 5;
    for (; host < end && len < 63; host++)
        if (isalnum((unsigned char)*host) || strchr("._-", *host))
            out[len++] = *host;
        else if (*host == ':')
            out[len++] = '-';
    out[len] = '\0';
    if (len == 0 || out[0] == '.' || out[0] == '-')
        out[0] = 'h';
}

/* The last certificate of a PEM text: the one that the others lead to. */
static const char *last_cert(const struct sk_buf *pem)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----";
    const char *last = NULL;

    for (const char *p = pem->data; p && (p = strstr(p, begin)); p += sizeof begin - 1)
        last = p;
    return last;
}

int sk_remote_peek_ca(const char *url, struct sk_buf *pem, char sha256[65], struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf chain = SK_BUF_INIT(SK_REMOTE_CA_BYTES);
    struct sk_hub_address a;
    struct sk_cert_info info;

    if (sk_hub_address(url, &a, err) < 0)
        return -1;
    if (!a.is_tls)
        return sk_fail(err, SK_INVALID, "http:// has no certificates");
    if (sk_tls_peek(a.host, a.port, SK_REMOTE_PEEK_MS, &chain, err) < 0)
        return sk_wrap(err, "%s", url);
    const char *ca = last_cert(&chain);
    if (!ca)
        return sk_fail(err, SK_REMOTE, "%s shows no certificate", url);
    if (sk_cert_info(ca, strlen(ca), &info, err) < 0)
        return -1;
    sk_buf_str(pem, ca);
    if (!sk_buf_ok(pem))
        return sk_buf_fail(pem, err);
    memcpy(sha256, info.sha256, sizeof info.sha256);
    return 0;
}

void sk_url_escape(struct sk_buf *b, const char *text)
{
    sk_buf_percent(b, text, strlen(text), "");
}
