/*
 * ref.c - references: [HOST[:PORT]/]NAME[:TAG][@DIGEST].
 *
 * As Docker reads them: the first part is a host when it has a '.' or a ':' or is "localhost", a
 * lone name on docker.io lies in library/, and without tag and digest the tag is "latest".
 */
#include "oci/oci_priv.h"

#define DOCKER_HOST "docker.io"

static struct sk_view upto(const char *from, const char *end)
{
    return (struct sk_view){ from, (size_t)(end - from) };
}

static bool looks_like_host(struct sk_view v)
{
    return memchr(v.ptr, '.', v.len) || memchr(v.ptr, ':', v.len) || sk_view_eq(v, "localhost");
}

static void copy(char *out, struct sk_view v)
{
    memcpy(out, v.ptr, v.len);
    out[v.len] = '\0';
}

/* Cuts "@DIGEST" off the end. */
static int take_digest(struct sk_view *rest, struct sk_oci_ref *out, struct sk_err *err)
{
    const char *at = memchr(rest->ptr, '@', rest->len);

    if (!at)
        return 0;
    struct sk_view digest = upto(at + 1, rest->ptr + rest->len);
    if (!sk_oci_is_digest(digest))
        return sk_fail(err, SK_INVALID,
                       "'%.*s' is no digest, such as sha256: and 64 lower-case hex digits",
                       (int)(digest.len < 80 ? digest.len : 80), digest.ptr);
    copy(out->digest, digest);
    rest->len = (size_t)(at - rest->ptr);
    return 0;
}

/* Cuts ":TAG" off the end of a name without host. */
static int take_tag(struct sk_view *rest, struct sk_oci_ref *out, struct sk_err *err)
{
    const char *colon = memchr(rest->ptr, ':', rest->len);

    if (!colon) {
        copy(out->tag, out->digest[0] ? SK_VIEW("") : SK_VIEW("latest"));
        return 0;
    }
    struct sk_view tag = upto(colon + 1, rest->ptr + rest->len);
    if (!sk_oci_is_tag(tag))
        return sk_fail(err, SK_INVALID,
                       "'%.*s' is no tag: at most 128 letters, digits, '_', '.' and '-', the first "
                       "no '.' or '-'",
                       (int)(tag.len < 140 ? tag.len : 140), tag.ptr);
    copy(out->tag, tag);
    rest->len = (size_t)(colon - rest->ptr);
    return 0;
}

static int take_host(struct sk_view *rest, const char *default_host, struct sk_oci_ref *out,
                     struct sk_err *err)
{
    const char *slash = rest->len > 0 ? memchr(rest->ptr, '/', rest->len) : NULL;
    struct sk_view host = sk_view_of(default_host ? default_host : DOCKER_HOST);

    if (slash && looks_like_host(upto(rest->ptr, slash))) {
        host = upto(rest->ptr, slash);
        *rest = upto(slash + 1, rest->ptr + rest->len);
    }
    if (sk_view_eq(host, "index.docker.io") || sk_view_eq(host, "registry-1.docker.io"))
        host = SK_VIEW(DOCKER_HOST);
    if (!sk_oci_is_host(host))
        return sk_fail(err, SK_INVALID, "'%.*s' is no host: NAME or NAME:PORT",
                       (int)(host.len < 260 ? host.len : 260), host.ptr);
    copy(out->host, host);
    return 0;
}

static int take_name(struct sk_view name, struct sk_oci_ref *out, struct sk_err *err)
{
    bool is_library = strcmp(out->host, DOCKER_HOST) == 0 && !memchr(name.ptr, '/', name.len);

    if (!sk_oci_is_repository(name) ||
        (is_library && name.len + sizeof "library/" > sizeof out->repository))
        return sk_fail(err, SK_INVALID,
                       "'%.*s' is no name of a repository: at most 255 lower-case letters, digits "
                       "and, between them, '.', '_', '-' and '/'",
                       (int)(name.len < 260 ? name.len : 260), name.ptr);
    (void)snprintf(out->repository, sizeof out->repository, "%s%.*s", is_library ? "library/" : "",
                   (int)name.len, name.ptr);
    return 0;
}

int sk_oci_ref_parse(const char *text, const char *default_host, struct sk_oci_ref *out,
                     struct sk_err *err)
{
    struct sk_view rest = sk_view_of(text);
    struct sk_oci_ref ref = { 0 };

    if (strstr(text, "://"))
        return sk_fail(err, SK_INVALID,
                       "'%.200s' is an address: an image is named HOST[:PORT]/NAME[:TAG]", text);
    if (take_digest(&rest, &ref, err) < 0 || take_host(&rest, default_host, &ref, err) < 0 ||
        take_tag(&rest, &ref, err) < 0 || take_name(rest, &ref, err) < 0)
        return sk_wrap(err, "image '%.200s'", text);
    *out = ref;
    return 0;
}

void sk_oci_ref_print(const struct sk_oci_ref *ref, struct sk_buf *out)
{
    sk_buf_fmt(out, "%s/%s", ref->host, ref->repository);
    if (ref->tag[0])
        sk_buf_fmt(out, ":%s", ref->tag);
    if (ref->digest[0])
        sk_buf_fmt(out, "@%s", ref->digest);
}
