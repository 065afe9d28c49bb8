/*
 * transfer.c - whole images, from a layout to a registry and back.
 *
 * What is named goes before what names it: blobs, then the manifest, then the index, the tag last;
 * so an image that can be found is whole, wherever a transfer ended. Everything is reached through
 * digests from the first manifest on, and each is checked, so when that one is the one that
 * somebody signed, so is all the rest.
 */
#include "oci/oci_priv.h"

#include "base/file.h"
#include "crypto/crypto.h"
#include "json/json.h"

bool sk_oci_is_foreign(const char *media_type)
{
    return strstr(media_type, ".foreign.") || strstr(media_type, ".nondistributable.");
}

/* ---- push ---- */

int sk_oci_put_named(struct sk_oci_registry *r, const char *repository, const char *tag,
                     const struct sk_oci_got *g, struct sk_err *err)
{
    bool has_tag = tag && tag[0];

    if ((!has_tag || !sk_digest_is(g->digest, SK_SHA256)) &&
        sk_oci_put_manifest(r, repository, g->digest, g->m.media_type, g->bytes, g->len, err) < 0)
        return -1;
    return has_tag ? sk_oci_put_manifest(r, repository, tag, g->m.media_type, g->bytes, g->len, err)
                   : 0;
}

struct push {
    struct sk_oci_registry *r;
    const char *layout, *repository;
};

/* The manifest's bytes from the layout, with the digest they must have. */
static int read_manifest(const char *layout, const char *digest, char **bytes, size_t *len,
                         struct sk_oci_manifest *m, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_oci_layout_blob(layout, digest);
    char found[SK_DIGEST_TEXT];
    enum sk_hash_kind kind;

    if (!sk_digest_parse(sk_view_of(digest), &kind))
        return sk_fail(err, SK_INVALID, "'%.140s' is no digest", digest);
    if (!path)
        return sk_nomem(err);
    if (sk_file_read(path, SK_OCI_MANIFEST_MAX, bytes, len, err) < 0)
        return sk_wrap(err, "manifest %s", digest);
    if (sk_digest_of(kind, *bytes, *len, found, err) < 0)
        return -1;
    if (strcmp(found, digest) != 0)
        return sk_fail(err, SK_CORRUPT, "'%s' has another digest than its name says", path);
    return sk_oci_manifest_parse(*bytes, *len, m, err) < 0 ? sk_wrap(err, "'%s'", path) : 0;
}

static int push_blob(const struct push *p, const struct sk_oci_descriptor *d, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_oci_layout_blob(p->layout, d->digest);

    if (!path)
        return sk_nomem(err);
    if (sk_oci_is_foreign(d->media_type) && !sk_is_file(path))
        return 0;
    return sk_oci_put_blob(p->r, p->repository, d->digest, d->size, path, p->r->mount_from, err);
}

static int push_manifest(const struct push *p, const char *digest, const char *tag, int depth,
                         struct sk_err *err);

static int push_contents(const struct push *p, const struct sk_oci_manifest *m, int depth,
                         struct sk_err *err)
{
    if (m->is_index && depth == SK_OCI_DEPTH_MAX)
        return sk_fail(err, SK_LIMIT, "indexes lie more than %d deep", SK_OCI_DEPTH_MAX);
    for (size_t i = 0; i < m->count; i++) {
        const struct sk_oci_descriptor *d = &m->items[i];
        if ((m->is_index ? push_manifest(p, d->digest, NULL, depth + 1, err)
                         : push_blob(p, d, err)) < 0)
            return -1;
    }
    return m->is_index ? 0 : push_blob(p, &m->config, err);
}

static int push_manifest(const struct push *p, const char *digest, const char *tag, int depth,
                         struct sk_err *err)
{
    SK_AUTO(sk_oci_got_done) struct sk_oci_got g = { 0 };

    if (read_manifest(p->layout, digest, &g.bytes, &g.len, &g.m, err) < 0 ||
        push_contents(p, &g.m, depth, err) < 0)
        return -1;
    (void)snprintf(g.digest, sizeof g.digest, "%s", digest);
    return sk_oci_put_named(p->r, p->repository, tag, &g, err);
}

int sk_oci_push(struct sk_oci_registry *r, const char *layout, const char *digest,
                const struct sk_oci_ref *to, struct sk_err *err)
{
    const struct push p = { r, layout, to->repository };

    if (!sk_oci_is_digest(sk_view_of(digest)))
        return sk_fail(err, SK_INVALID, "'%.100s' is no digest", digest);
    if (to->digest[0] && strcmp(to->digest, digest) != 0)
        return sk_fail(err, SK_INVALID, "the image has the digest %s, not %s", digest, to->digest);
    return push_manifest(&p, digest, to->tag, 0, err);
}

/* ---- which manifest ---- */

void sk_oci_got_done(struct sk_oci_got *g)
{
    free(g->bytes);
    sk_oci_manifest_done(&g->m);
    *g = (struct sk_oci_got){ 0 };
}

int sk_oci_get_parsed(struct sk_oci_registry *r, const char *repository, const char *reference,
                      struct sk_oci_got *out, struct sk_err *err)
{
    char type[128];

    if (sk_oci_get_manifest(r, repository, reference, &out->bytes, &out->len, type, out->digest,
                            err) < 0)
        return -1;
    if (sk_oci_manifest_parse(out->bytes, out->len, &out->m, err) < 0)
        return sk_wrap(err, "%s:%s", repository, reference);
    bool is_known = strcmp(type, SK_OCI_MANIFEST) == 0 || strcmp(type, SK_OCI_INDEX) == 0 ||
                    strcmp(type, SK_OCI_DOCKER_MANIFEST) == 0 ||
                    strcmp(type, SK_OCI_DOCKER_LIST) == 0;
    if (is_known && strcmp(type, out->m.media_type) != 0)
        return sk_fail(err, SK_CORRUPT, "%s:%s: the registry calls a '%s' a '%s'", repository,
                       reference, out->m.media_type, type);
    return 0;
}

static int choose(const struct sk_oci_manifest *index, const struct sk_oci_platform *wish,
                  const struct sk_oci_descriptor **out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf there = SK_BUF_INIT(300);
    char name[100];

    for (size_t i = 0; i < index->count; i++) {
        const struct sk_oci_descriptor *d = &index->items[i];
        if (sk_oci_platform_fits(wish, d->os, d->architecture, d->variant)) {
            *out = d;
            return 0;
        }
        if (d->os[0])
            sk_buf_fmt(&there, "%s%s/%s%s%s", there.len ? ", " : "", d->os, d->architecture,
                       d->variant[0] ? "/" : "", d->variant);
    }
    sk_oci_platform_print(wish, name);
    return sk_fail(err, SK_NOT_FOUND, "the image is not there for %s, but for: %s", name,
                   there.data ? there.data : "none that it names");
}

/* From the reference to the manifest of a platform (wish NULL: what is there). The first one has
 * the digest `want`, when that is given. */
static int find(struct sk_oci_registry *r, const struct sk_oci_ref *from,
                const struct sk_oci_platform *wish, const char *want, struct sk_oci_got *out,
                struct sk_err *err)
{
    const char *reference = want ? want : from->digest[0] ? from->digest : from->tag;
    const struct sk_oci_descriptor *d = NULL;

    if (want && from->digest[0] && strcmp(want, from->digest) != 0)
        return sk_fail(err, SK_DENIED, "the image that is wanted is %s, the verified one %s",
                       from->digest, want);
    if (sk_oci_get_parsed(r, from->repository, reference, out, err) < 0)
        return -1;
    for (int depth = 0; wish && out->m.is_index; depth++) {
        SK_AUTO(sk_oci_got_done) struct sk_oci_got inner = { 0 };
        if (depth == SK_OCI_DEPTH_MAX)
            return sk_fail(err, SK_LIMIT, "indexes lie more than %d deep", SK_OCI_DEPTH_MAX);
        if (choose(&out->m, wish, &d, err) < 0 ||
            sk_oci_get_parsed(r, from->repository, d->digest, &inner, err) < 0)
            return sk_wrap(err, "%s", from->repository);
        sk_oci_got_done(out);
        *out = inner;
        inner = (struct sk_oci_got){ 0 };
    }
    return 0;
}

/* "all": the wish stays empty. */
static int read_wish(const char *platform, struct sk_oci_platform *room,
                     const struct sk_oci_platform **wish, struct sk_err *err)
{
    *wish = NULL;
    if (platform && strcmp(platform, "all") == 0)
        return 0;
    if (!platform)
        sk_oci_platform_own(room);
    else if (sk_oci_platform_parse(platform, room, err) < 0)
        return -1;
    *wish = room;
    return 0;
}

int sk_oci_find_image(struct sk_oci_registry *r, const struct sk_oci_ref *from,
                      const char *platform, const char *want, char **bytes, size_t *len,
                      char digest[SK_OCI_DIGEST_TEXT], struct sk_err *err)
{
    SK_AUTO(sk_oci_got_done) struct sk_oci_got g = { 0 };
    const struct sk_oci_platform *wish;
    struct sk_oci_platform room;

    if (read_wish(platform, &room, &wish, err) < 0 || find(r, from, wish, want, &g, err) < 0)
        return -1;
    *bytes = SK_TAKE(g.bytes);
    *len = g.len;
    memcpy(digest, g.digest, SK_OCI_DIGEST_TEXT);
    return 0;
}

/* ---- pull ---- */

/* Is the blob in the layout, with the right digest? A wrong one goes. */
static int has_good_blob(const char *path, const struct sk_oci_descriptor *d, bool *has,
                         struct sk_err *err)
{
    char found[SK_DIGEST_TEXT];
    enum sk_hash_kind kind;

    *has = false;
    if (!sk_is_file(path) || !sk_digest_parse(sk_view_of(d->digest), &kind))
        return 0;
    if (sk_digest_file(kind, path, found, err) < 0)
        return -1;
    *has = strcmp(found, d->digest) == 0;
    if (!*has && unlink(path) < 0)
        return sk_fail_errno(err, "'%s'", path);
    return 0;
}

struct pull {
    struct sk_oci_registry *r;
    const char *repository, *layout;
};

/* Where a blob goes; the folder is there. */
static char *make_place(const struct pull *p, const char *digest, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_oci_layout_blob(p->layout, digest);
    SK_OWN(free) char *folder = path ? strndup(path, (size_t)(strrchr(path, '/') - path)) : NULL;

    if (!folder) {
        (void)sk_nomem(err);
        return NULL;
    }
    return sk_mkdirs(folder, 0777, err) < 0 ? NULL : SK_TAKE(path);
}

static int pull_blob(const struct pull *p, const struct sk_oci_descriptor *d, struct sk_err *err)
{
    bool has = false;

    if (sk_oci_is_foreign(d->media_type))
        return 0;
    SK_OWN(free) char *path = make_place(p, d->digest, err);
    if (!path)
        return -1;
    if (has_good_blob(path, d, &has, err) < 0)
        return -1;
    return has ? 0 : sk_oci_get_blob(p->r, p->repository, d->digest, d->size, path, err);
}

static int keep_manifest(const struct pull *p, const struct sk_oci_got *g, struct sk_err *err)
{
    SK_OWN(free) char *path = make_place(p, g->digest, err);

    if (!path)
        return -1;
    return sk_file_write(path, g->bytes, g->len, 0644, err);
}

static int pull_contents(const struct pull *p, const struct sk_oci_got *g, int depth,
                         struct sk_err *err)
{
    if (g->m.is_index && depth == SK_OCI_DEPTH_MAX)
        return sk_fail(err, SK_LIMIT, "indexes lie more than %d deep", SK_OCI_DEPTH_MAX);
    for (size_t i = 0; i < g->m.count; i++) {
        SK_AUTO(sk_oci_got_done) struct sk_oci_got inner = { 0 };
        const struct sk_oci_descriptor *d = &g->m.items[i];
        if (!g->m.is_index) {
            if (pull_blob(p, d, err) < 0)
                return -1;
        } else if (sk_oci_get_parsed(p->r, p->repository, d->digest, &inner, err) < 0 ||
                   pull_contents(p, &inner, depth + 1, err) < 0) {
            return -1;
        }
    }
    if (!g->m.is_index && pull_blob(p, &g->m.config, err) < 0)
        return -1;
    return keep_manifest(p, g, err);
}

/* The configuration of an image says what it is for; that of other things says nothing. */
static int check_platform(struct sk_oci_registry *r, const char *repository,
                          const struct sk_oci_got *g, const char *folder,
                          const struct sk_oci_platform *wish, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_oci_layout_blob(folder, g->m.config.digest);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    const struct pull p = { r, repository, folder };
    char wanted[100];

    if (!strstr(g->m.config.media_type, "image.config") &&
        !strstr(g->m.config.media_type, "container.image"))
        return 0;
    if (!path)
        return sk_nomem(err);
    if (pull_blob(&p, &g->m.config, err) < 0 || sk_json_file(path, &doc, err) < 0)
        return -1;
    const char *os = sk_json_get_text(doc, "os", "");
    const char *architecture = sk_json_get_text(doc, "architecture", "");
    const char *variant = sk_json_get_text(doc, "variant", wish->variant);
    if (sk_oci_platform_fits(wish, os, architecture, variant))
        return 0;
    sk_oci_platform_print(wish, wanted);
    return sk_fail(err, SK_NOT_FOUND, "%s is an image for %.30s/%.30s, not for %s", repository, os,
                   architecture, wanted);
}

int sk_oci_pull(struct sk_oci_registry *r, const struct sk_oci_ref *from, const char *platform,
                const char *want, const char *layout, char digest[SK_OCI_DIGEST_TEXT],
                struct sk_err *err)
{
    SK_AUTO(sk_oci_got_done) struct sk_oci_got g = { 0 };
    const struct pull p = { r, from->repository, layout };
    const struct sk_oci_platform *wish;
    struct sk_oci_platform room;

    if (read_wish(platform, &room, &wish, err) < 0 || find(r, from, wish, want, &g, err) < 0 ||
        sk_oci_layout_make(layout, err) < 0)
        return -1;
    if (platform && wish && check_platform(r, from->repository, &g, layout, wish, err) < 0)
        return -1;
    if (pull_contents(&p, &g, 0, err) < 0 ||
        sk_oci_layout_tag(layout, from->tag[0] ? from->tag : NULL, g.m.media_type, g.digest, g.len,
                          err) < 0)
        return -1;
    memcpy(digest, g.digest, SK_OCI_DIGEST_TEXT);
    return 0;
}
