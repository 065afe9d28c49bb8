/*
 * names.c - what may be the name of a repository, a tag, a digest, a host, a media type.
 *
 * The grammar is that of the distribution specification 1.1. All of these become parts of addresses
 * and of file names, so nothing that is accepted here can leave its place in either.
 */
#include "oci/oci_priv.h"

enum {
    REPOSITORY_MAX = 255,
    TAG_MAX = 128,
    HOST_MAX = 255,
    MEDIA_TYPE_MAX = 127
};

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

/* Bytes of the separator at p: '.', '_', '__', or any number of '-'; 0: none. */
static size_t separator(const char *p, const char *end)
{
    const char *at = p;

    if (*p == '.')
        return 1;
    if (*p == '_')
        return p + 1 < end && p[1] == '_' ? 2 : 1;
    while (at < end && *at == '-')
        at++;
    return (size_t)(at - p);
}

/* [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)* between slashes */
bool sk_oci_is_repository(struct sk_view v)
{
    const char *p = v.ptr, *end = v.ptr + v.len;

    if (v.len == 0 || v.len > REPOSITORY_MAX)
        return false;
    for (;;) {
        const char *start = p;
        while (p < end && is_lower_alnum(*p))
            p++;
        if (p == start)
            return false;
        if (p == end)
            return true;
        size_t gap = *p == '/' ? 1 : separator(p, end);
        if (gap == 0)
            return false;
        p += gap;
    }
}

bool sk_oci_is_tag(struct sk_view v)
{
    if (v.len == 0 || v.len > TAG_MAX)
        return false;
    for (size_t i = 0; i < v.len; i++) {
        char c = v.ptr[i];
        if (!is_alnum(c) && c != '_' && (i == 0 || (c != '.' && c != '-')))
            return false;
    }
    return true;
}

bool sk_oci_is_digest(struct sk_view v)
{
    enum sk_hash_kind kind;

    return sk_digest_parse(v, &kind);
}

static bool is_port(const char *p, size_t len)
{
    unsigned value = 0;

    if (len == 0 || len > 5)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        value = value * 10 + (unsigned)(p[i] - '0');
    }
    return value > 0 && value <= 65535;
}

/* Parts of letters, digits and, inside, '-' and '_', between dots. */
static bool is_domain(const char *p, size_t len)
{
    size_t start = 0;

    for (size_t i = 0; i <= len; i++) {
        if (i < len && p[i] != '.') {
            if (!is_alnum(p[i]) && p[i] != '-' && p[i] != '_')
                return false;
            continue;
        }
        if (i == start || !is_alnum(p[start]) || !is_alnum(p[i - 1]))
            return false;
        start = i + 1;
    }
    return true;
}

bool sk_oci_is_host(struct sk_view v)
{
    const char *colon;
    size_t len = v.len;

    if (v.len == 0 || v.len > HOST_MAX)
        return false;
    if (v.ptr[0] == '[') {
        const char *close = memchr(v.ptr, ']', v.len);
        if (!close || close == v.ptr + 1)
            return false;
        for (const char *p = v.ptr + 1; p < close; p++)
            if (!strchr("0123456789abcdefABCDEF:.", *p))
                return false;
        len = (size_t)(close + 1 - v.ptr);
        return len == v.len || (v.ptr[len] == ':' && is_port(close + 2, v.len - len - 1));
    }
    colon = memchr(v.ptr, ':', v.len);
    if (colon) {
        len = (size_t)(colon - v.ptr);
        if (!is_port(colon + 1, v.len - len - 1))
            return false;
    }
    return is_domain(v.ptr, len);
}

/* restricted-name of RFC 6838 */
static bool is_restricted_name(const char *p, size_t len)
{
    if (len == 0 || !is_alnum(p[0]))
        return false;
    for (size_t i = 1; i < len; i++)
        if (!is_alnum(p[i]) && !strchr("!#$&-^_.+", p[i]))
            return false;
    return true;
}

bool sk_oci_is_media_type(struct sk_view v)
{
    const char *slash = v.len > 0 ? memchr(v.ptr, '/', v.len) : NULL;

    if (!slash || v.len > MEDIA_TYPE_MAX || memchr(v.ptr, '\0', v.len))
        return false;
    size_t type = (size_t)(slash - v.ptr);
    return is_restricted_name(v.ptr, type) && is_restricted_name(slash + 1, v.len - type - 1);
}
