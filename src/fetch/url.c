/*
 * url.c - addresses: what they lead to, and what of them may be shown.
 *
 * libcurl's own parser takes them apart, the one that later connects, so that what was compared and
 * what is called cannot differ. A user name or password inside an address is refused: it would
 * travel into logs and error texts.
 */
#include "fetch/curl_priv.h"

#include "base/str.h"

struct parser {
    const struct sk_curl_api *lib;
    CURLU *u;
};

static void parser_done(struct parser *p)
{
    if (p->u)
        p->lib->curl_url_cleanup(p->u);
}

/* One part, NULL when there is none; free with curl_free. */
static char *part(const struct parser *p, CURLUPart what, unsigned flags)
{
    char *text = NULL;

    return p->lib->curl_url_get(p->u, what, &text, flags) == CURLUE_OK ? text : NULL;
}

static bool has_part(const struct parser *p, CURLUPart what)
{
    char *text = part(p, what, 0);

    p->lib->curl_free(text);
    return text != NULL;
}

/* The whole address in our memory; NULL: out of memory. */
static char *whole(const struct parser *p, unsigned flags)
{
    char *text = part(p, CURLUPART_URL, flags);
    char *copy = text ? strdup(text) : NULL;

    p->lib->curl_free(text);
    return copy;
}

static int set_reference(const struct parser *p, const char *base, const char *reference,
                         struct sk_err *err)
{
    CURLUcode code = base ? p->lib->curl_url_set(p->u, CURLUPART_URL, base, 0) : CURLUE_OK;

    if (code == CURLUE_OK)
        code = p->lib->curl_url_set(p->u, CURLUPART_URL, reference, CURLU_NON_SUPPORT_SCHEME);
    if (code == CURLUE_OUT_OF_MEMORY)
        return sk_nomem(err);
    if (code != CURLUE_OK)
        return sk_fail(err, SK_INVALID, "not an address that begins with https:// or http://");
    return 0;
}

static int check_parts(const struct parser *p, struct sk_err *err)
{
    char *scheme = part(p, CURLUPART_SCHEME, 0);
    bool is_http = scheme && (strcmp(scheme, "https") == 0 || strcmp(scheme, "http") == 0);

    p->lib->curl_free(scheme);
    if (!is_http)
        return sk_fail(err, SK_INVALID, "an address must begin with https:// or http://");
    if (has_part(p, CURLUPART_USER) || has_part(p, CURLUPART_PASSWORD))
        return sk_fail(err, SK_INVALID, "an address must not hold a user name or a password");
    if (!has_part(p, CURLUPART_HOST))
        return sk_fail(err, SK_INVALID, "an address needs a host");
    return 0;
}

/* What remains when path, query and so on are gone. */
static char *origin_of(const struct parser *p)
{
    char *origin;

    (void)p->lib->curl_url_set(p->u, CURLUPART_PATH, NULL, 0);
    origin = whole(p, CURLU_DEFAULT_PORT);
    for (char *c = origin; c && *c; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    return origin;
}

int sk_url_parse(const char *base, const char *reference, struct sk_url *out, struct sk_err *err)
{
    SK_AUTO(sk_url_done) struct sk_url url = { 0 };
    SK_AUTO(parser_done) struct parser p = { .lib = sk_curl(err) };

    if (!p.lib)
        return -1;
    p.u = p.lib->curl_url();
    if (!p.u)
        return sk_nomem(err);
    if (set_reference(&p, base, reference, err) < 0 || check_parts(&p, err) < 0)
        return -1;
    (void)p.lib->curl_url_set(p.u, CURLUPART_FRAGMENT, NULL, 0);
    url.text = whole(&p, 0);
    (void)p.lib->curl_url_set(p.u, CURLUPART_QUERY, NULL, 0);
    url.shown = whole(&p, 0);
    url.origin = origin_of(&p);
    if (!url.text || !url.shown || !url.origin)
        return sk_nomem(err);
    *out = url;
    url = (struct sk_url){ 0 };
    return 0;
}

void sk_url_done(struct sk_url *u)
{
    free(u->text);
    free(u->origin);
    free(u->shown);
    *u = (struct sk_url){ 0 };
}
