/*
 * copy.c - an image of a registry under another name in it.
 *
 * Within a repository that is one manifest more; in another one its blobs are mounted first, so no
 * layer comes to this machine.
 */
#include "oci/oci_priv.h"

struct copy {
    struct sk_oci_registry *r;
    const char *from, *to; /* repositories */
};

static int mount(const struct copy *c, const struct sk_oci_descriptor *d, struct sk_err *err)
{
    bool is_there = false;

    if (sk_oci_is_foreign(d->media_type))
        return 0;
    if (sk_oci_mount_blob(c->r, c->to, d->digest, c->from, &is_there, err) < 0)
        return sk_wrap(err, "blob %s", d->digest);
    return is_there ? 0
                    : sk_fail(err, SK_UNSUPPORTED,
                              "%s does not mount blobs of %s in %s: 'skerry pull' and 'skerry "
                              "push' do it",
                              c->r->host, c->from, c->to);
}

static int copy_manifest(const struct copy *c, const char *reference, const char *tag, int depth,
                         char digest[SK_OCI_DIGEST_TEXT], struct sk_err *err)
{
    SK_AUTO(sk_oci_got_done) struct sk_oci_got g = { 0 };
    bool is_elsewhere = strcmp(c->from, c->to) != 0;
    char inner[SK_OCI_DIGEST_TEXT];

    if (depth > SK_OCI_DEPTH_MAX)
        return sk_fail(err, SK_LIMIT, "indexes lie more than %d deep", SK_OCI_DEPTH_MAX);
    if (sk_oci_get_parsed(c->r, c->from, reference, &g, err) < 0)
        return -1;
    for (size_t i = 0; is_elsewhere && i < g.m.count; i++) {
        const char *item = g.m.items[i].digest;
        if ((g.m.is_index ? copy_manifest(c, item, NULL, depth + 1, inner, err)
                          : mount(c, &g.m.items[i], err)) < 0)
            return -1;
    }
    if (is_elsewhere && !g.m.is_index && mount(c, &g.m.config, err) < 0)
        return -1;
    memcpy(digest, g.digest, SK_OCI_DIGEST_TEXT);
    return sk_oci_put_named(c->r, c->to, tag, &g, err);
}

int sk_oci_copy(struct sk_oci_registry *r, const struct sk_oci_ref *from,
                const struct sk_oci_ref *to, char digest[SK_OCI_DIGEST_TEXT], struct sk_err *err)
{
    const struct copy c = { r, from->repository, to->repository };

    return copy_manifest(&c, from->digest[0] ? from->digest : from->tag,
                         to->tag[0] ? to->tag : NULL, 0, digest, err);
}
