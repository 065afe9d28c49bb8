/*
 * oci_path.c - the addresses below /v2/, and other texts of the distribution API.
 *
 *     NAME/manifests/REFERENCE    NAME/tags/list        NAME/blobs/uploads[/[ID]]
 *     NAME/blobs/DIGEST           NAME/referrers/DIGEST _catalog
 *
 * Names contain slashes, and their parts may be called "blobs" or "tags", so a path is read from
 * its end. What a name may be is for images to say.
 */
#include "hub/api_oci_priv.h"

#include <string.h>

/* Cuts the last part off. NULL: there is none with something before it. */
static char *cut_last(char *text)
{
    char *slash = strrchr(text, '/');
    if (!slash || slash == text)
        return NULL;
    *slash = '\0';
    return slash + 1;
}

static bool end(struct sk_oci_path *out, enum sk_oci_kind kind, char *repository, const char *what)
{
    if (!repository || *repository == '\0')
        return false;
    *out = (struct sk_oci_path){ .kind = kind, .repository = repository, .what = what };
    return true;
}

/* text: NAME/blobs, the rest is cut off. */
static bool is_blobs(char *text)
{
    char *word = cut_last(text);
    return word && strcmp(word, "blobs") == 0;
}

bool sk_oci_path_parse(char *text, struct sk_oci_path *out)
{
    *out = (struct sk_oci_path){ .kind = SK_OCI_BASE, .repository = "", .what = "" };
    if (*text == '\0')
        return true;
    if (strcmp(text, "_catalog") == 0) {
        out->kind = SK_OCI_CATALOG;
        return true;
    }
    char *what = cut_last(text);
    char *word = what ? cut_last(text) : NULL;
    if (!word)
        return false;
    if (strcmp(word, "manifests") == 0)
        return *what && end(out, SK_OCI_MANIFESTS, text, what);
    if (strcmp(word, "referrers") == 0)
        return *what && end(out, SK_OCI_REFERRERS, text, what);
    if (strcmp(word, "tags") == 0)
        return strcmp(what, "list") == 0 && end(out, SK_OCI_TAGS, text, "");
    if (strcmp(word, "blobs") == 0 && strcmp(what, "uploads") == 0)
        return end(out, SK_OCI_UPLOADS, text, "");
    if (strcmp(word, "blobs") == 0)
        return *what && end(out, SK_OCI_BLOBS, text, what);
    if (strcmp(word, "uploads") == 0 && is_blobs(text))
        return end(out, *what ? SK_OCI_UPLOAD : SK_OCI_UPLOADS, text, what);
    return false;
}

static bool take_number(const char **text, uint64_t *out)
{
    const char *p = *text;
    uint64_t n = 0;

    for (; *p >= '0' && *p <= '9'; p++) {
        if (p - *text >= 18) /* no upload is so large */
            return false;
        n = n * 10 + (uint64_t)(*p - '0');
    }
    bool any = p != *text;
    *text = p;
    *out = n;
    return any;
}

bool sk_oci_content_range(const char *text, uint64_t *first, uint64_t *last)
{
    bool is_http = strncmp(text, "bytes ", 6) == 0;
    uint64_t from, to;

    if (is_http)
        text += 6;
    if (!take_number(&text, &from) || *text++ != '-' || !take_number(&text, &to) || to < from)
        return false;
    if (is_http && *text == '/')
        text += 1 + strspn(text + 1, "0123456789*");
    if (*text != '\0')
        return false;
    *first = from;
    *last = to;
    return true;
}

void sk_oci_add_value(struct sk_buf *out, const char *value)
{
    sk_buf_percent(out, value, strlen(value), "/:");
}
