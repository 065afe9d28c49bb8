/*
 * range.c - parts of files, as clients ask for them (RFC 9110, sections 13 and 14).
 *
 * One range is served; a list of several, another unit, or something malformed gets the whole file,
 * which is what the standard allows. If-None-Match goes before Range; If-Range with another tag, or
 * with a date, which we do not keep, means the whole.
 */
#include "http/http_priv.h"

#include <ctype.h>
#include <strings.h>

/* Digits into *out; false: none, or more than a file can have. */
static bool take_number(const char **text, uint64_t *out)
{
    uint64_t n = 0;
    const char *p = *text;
    for (; isdigit((unsigned char)*p); p++) {
        if (n > (UINT64_MAX >> 1) / 10 - 1)
            n = (UINT64_MAX >> 1) / 10 - 1; /* beyond every file */
        else
            n = n * 10 + (uint64_t)(*p - '0');
    }
    bool has_any = p != *text;
    *text = p;
    *out = n;
    return has_any;
}

enum sk_range sk_range_parse(const char *text, uint64_t size, uint64_t *offset, uint64_t *len)
{
    uint64_t first = 0, last = 0;
    if (strncasecmp(text, "bytes=", 6) != 0)
        return SK_RANGE_ALL;
    text += 6 + strspn(text + 6, " \t");
    bool has_first = take_number(&text, &first);
    if (*text++ != '-')
        return SK_RANGE_ALL;
    bool has_last = take_number(&text, &last);
    if (text[strspn(text, " \t")] != '\0' || (!has_first && !has_last))
        return SK_RANGE_ALL;
    if (has_first && has_last && last < first) /* may be ignored or refused; OCI wants it refused */
        return SK_RANGE_NONE;
    if (!has_first) { /* the last bytes */
        if (last == 0 || size == 0)
            return SK_RANGE_NONE;
        first = last < size ? size - last : 0;
        last = size - 1;
    }
    if (first >= size)
        return SK_RANGE_NONE;
    if (!has_last || last >= size)
        last = size - 1;
    *offset = first;
    *len = last - first + 1;
    return SK_RANGE_PART;
}

bool sk_etag_in(const char *list, const char *etag)
{
    const size_t len = strlen(etag);
    for (const char *p = list; *p;) {
        p += strspn(p, " \t,");
        if (*p == '*')
            return true;
        if (p[0] == 'W' && p[1] == '/')
            p += 2;
        if (*p == '"' && strncmp(p + 1, etag, len) == 0 && p[len + 1] == '"')
            return true;
        if (*p == '"')
            p += 1 + strcspn(p + 1, "\"");
        p += strcspn(p, ",");
    }
    return false;
}

/* Which part the request asks for. */
static enum sk_range wanted(struct sk_http_req *r, uint64_t size, const char *etag,
                            uint64_t *offset, uint64_t *len)
{
    const char *range = sk_http_header(r, "Range");
    const char *condition = sk_http_header(r, "If-Range");
    if (!range || strcmp(r->method, "GET") != 0)
        return SK_RANGE_ALL;
    if (condition && (condition[0] != '"' || !etag || !sk_etag_in(condition, etag)))
        return SK_RANGE_ALL;
    return sk_range_parse(range, size, offset, len);
}

int sk_http_send_range(struct sk_http_req *r, int fd, uint64_t size, const char *etag)
{
    SK_AUTO(sk_close) int file = fd;
    uint64_t offset = 0, len = size;
    char text[96];

    sk_http_set_header(r, "Accept-Ranges", "bytes");
    if (etag) {
        SK_AUTO(sk_buf_done) struct sk_buf quoted = SK_BUF_INIT(4096);
        sk_buf_fmt(&quoted, "\"%s\"", etag);
        if (sk_buf_ok(&quoted))
            sk_http_set_header(r, "ETag", quoted.data);
        const char *known = sk_http_header(r, "If-None-Match");
        if (known && sk_etag_in(known, etag)) {
            sk_http_set_status(r, MHD_HTTP_NOT_MODIFIED);
            return MHD_HTTP_NOT_MODIFIED;
        }
    }
    enum sk_range range = wanted(r, size, etag, &offset, &len);
    if (range == SK_RANGE_NONE) {
        struct sk_err err = SK_ERR_INIT;
        (void)snprintf(text, sizeof text, "bytes */%llu", (unsigned long long)size);
        sk_http_set_header(r, "Content-Range", text);
        sk_http_set_status(r, MHD_HTTP_RANGE_NOT_SATISFIABLE);
        (void)sk_fail(&err, SK_LIMIT, "the range lies outside of the %llu bytes",
                      (unsigned long long)size);
        sk_http_error(r, &err);
        return MHD_HTTP_RANGE_NOT_SATISFIABLE;
    }
    const int status = range == SK_RANGE_PART ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK;
    if (range == SK_RANGE_PART) {
        (void)snprintf(text, sizeof text, "bytes %llu-%llu/%llu", (unsigned long long)offset,
                       (unsigned long long)(offset + len - 1), (unsigned long long)size);
        sk_http_set_header(r, "Content-Range", text);
    }
    sk_http_set_status(r, status);
    sk_http_set_file(r, sk_take_fd(&file), offset, len);
    return status;
}
