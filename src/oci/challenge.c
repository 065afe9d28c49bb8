/*
 * challenge.c - WWW-Authenticate (RFC 7235): how a registry wants to be asked.
 *
 *     Bearer realm="https://auth.example/token",service="registry",scope="repository:x:pull"
 *     Basic realm="registry"
 *
 * A line may hold several challenges, separated by the same commas as their parameters: a word that
 * is followed by '=' is a parameter, any other begins a challenge.
 */
#include "oci/oci_priv.h"

#include <strings.h>

struct scanner {
    const char *at, *end;
};

static bool is_token_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static void skip(struct scanner *s, const char *which)
{
    while (s->at < s->end && *s->at != '\0' && strchr(which, *s->at))
        s->at++;
}

static struct sk_view take_token(struct scanner *s)
{
    const char *start = s->at;

    while (s->at < s->end && is_token_char(*s->at))
        s->at++;
    return (struct sk_view){ start, (size_t)(s->at - start) };
}

/* A token or a quoted string into out; false when it is broken or too long. */
static bool take_value(struct scanner *s, char *out, size_t cap)
{
    size_t len = 0;

    if (s->at < s->end && *s->at != '"') {
        struct sk_view v = take_token(s);
        if (v.len >= cap)
            return false;
        memcpy(out, v.ptr, v.len);
        out[v.len] = '\0';
        return v.len > 0;
    }
    for (s->at++; s->at < s->end && *s->at != '"'; s->at++) {
        if (*s->at == '\\' && s->at + 1 < s->end)
            s->at++;
        if ((unsigned char)*s->at < ' ' || len + 1 >= cap)
            return false;
        out[len++] = *s->at;
    }
    out[len] = '\0';
    if (s->at >= s->end)
        return false;
    s->at++;
    return true;
}

static bool take_parameter(struct scanner *s, struct sk_view name, struct sk_oci_challenge *c)
{
    char other[1024];

    if (sk_view_eq_nocase(name, "realm"))
        return take_value(s, c->realm, sizeof c->realm);
    if (sk_view_eq_nocase(name, "service"))
        return take_value(s, c->service, sizeof c->service);
    if (sk_view_eq_nocase(name, "scope"))
        return take_value(s, c->scope, sizeof c->scope);
    return take_value(s, other, sizeof other);
}

/* Keeps the better one of what was there and what was read. */
static void settle(struct sk_oci_challenge *best, const struct sk_oci_challenge *c, bool is_broken)
{
    bool is_whole = !is_broken && (c->scheme == SK_OCI_BASIC ||
                                   (c->scheme == SK_OCI_BEARER && c->realm[0] != '\0'));

    if (is_whole && c->scheme > best->scheme)
        *best = *c;
}

static enum sk_oci_scheme scheme_of(struct sk_view name)
{
    return sk_view_eq_nocase(name, "bearer")  ? SK_OCI_BEARER
           : sk_view_eq_nocase(name, "basic") ? SK_OCI_BASIC
                                              : SK_OCI_NO_SCHEME;
}

static void read_line(const char *text, size_t len, struct sk_oci_challenge *best)
{
    struct scanner s = { text, text + len };
    struct sk_oci_challenge c = { 0 };
    bool is_broken = false;

    for (;;) {
        skip(&s, " \t,");
        if (s.at >= s.end)
            break;
        struct sk_view word = take_token(&s);
        skip(&s, " \t");
        if (word.len > 0 && s.at < s.end && *s.at == '=') {
            s.at++;
            skip(&s, " \t");
            if (take_parameter(&s, word, &c))
                continue;
            is_broken = true;
        } else if (word.len > 0) {
            settle(best, &c, is_broken);
            c = (struct sk_oci_challenge){ .scheme = scheme_of(word) };
            is_broken = false;
            continue;
        }
        while (s.at < s.end && *s.at != ',') /* what cannot be read */
            s.at++;
    }
    settle(best, &c, is_broken);
}

void sk_oci_challenge_read(const char *headers, struct sk_oci_challenge *out)
{
    static const char name[] = "www-authenticate:";

    *out = (struct sk_oci_challenge){ 0 };
    for (const char *line = headers; line && *line;) {
        size_t len = strcspn(line, "\n");
        if (len >= sizeof name - 1 && strncasecmp(line, name, sizeof name - 1) == 0)
            read_line(line + sizeof name - 1, len - (sizeof name - 1), out);
        line += len + (line[len] == '\n');
    }
}
