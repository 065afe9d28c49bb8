/*
 * url.c - addresses that a registry names: of an upload (Location), of the next page (Link).
 *
 * Only as much as that needs; fetch, with libcurl's parser, has the last word on every address. The
 * one thing decided here is whether an address belongs to the registry, and so gets its secrets:
 * scheme, host and port must be the same text, and any doubt is a no.
 */
#include "oci/oci_priv.h"

#include <strings.h>

enum {
    URL_BYTES = 16 << 10
};

/* Bytes of "SCHEME://" at the start; 0: none. */
static size_t scheme_length(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");
    return len > 0 && strncmp(text + len, "://", 3) == 0 ? len + 3 : 0;
}

/* Bytes of "SCHEME://HOST:PORT". */
static size_t origin_length(const char *url)
{
    size_t scheme = scheme_length(url);
    return scheme ? scheme + strcspn(url + scheme, "/?#") : 0;
}

int sk_oci_resolve(const char *base, const char *reference, char **out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf url = SK_BUF_INIT(URL_BYTES);
    size_t origin = origin_length(base);
    size_t path = strcspn(base, "?#");

    if (origin == 0 || reference[0] == '\0')
        return sk_fail(err, SK_REMOTE, "the registry named an address that is none");
    if (scheme_length(reference) > 0) {
        /* as it is */
    } else if (sk_starts_with(reference, "//")) {
        sk_buf_add(&url, base, strcspn(base, "/"));
    } else if (reference[0] == '/') {
        sk_buf_add(&url, base, origin);
    } else {
        while (reference[0] != '?' && path > origin && base[path - 1] != '/')
            path--;
        sk_buf_add(&url, base, path);
        if (path == origin)
            sk_buf_chr(&url, '/');
    }
    sk_buf_str(&url, reference);
    if (!sk_buf_ok(&url))
        return sk_buf_fail(&url, err);
    *out = sk_buf_take(&url);
    return 0;
}

/* The part of an authority before a port that is the scheme's own. */
static size_t without_default_port(const char *url, size_t origin)
{
    const char *port = sk_starts_with(url, "https://")  ? ":443"
                       : sk_starts_with(url, "http://") ? ":80"
                                                        : ":";
    size_t len = strlen(port);

    return origin > len && memcmp(url + origin - len, port, len) == 0 ? origin - len : origin;
}

bool sk_oci_same_origin(const char *a, const char *b)
{
    size_t a_len = without_default_port(a, origin_length(a));
    size_t b_len = without_default_port(b, origin_length(b));

    return a_len > 0 && a_len == b_len && strncasecmp(a, b, a_len) == 0;
}

bool sk_oci_is_loopback(const char *host)
{
    size_t len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    unsigned a, b, c;

    if ((len == 9 && strncasecmp(host, "localhost", 9) == 0) ||
        (len == 5 && strncmp(host, "[::1]", 5) == 0))
        return true;
    if (strspn(host, "0123456789.") != len)
        return false;
    return sscanf(host, "127.%3u.%3u.%3u", &a, &b, &c) == 3 && a < 256 && b < 256 && c < 256;
}

void sk_oci_add_query(struct sk_buf *url, const char *name, const char *value)
{
    sk_buf_chr(url, url->data && strchr(url->data, '?') ? '&' : '?');
    sk_buf_str(url, name);
    sk_buf_chr(url, '=');
    sk_buf_percent(url, value, strlen(value), "");
}
