/*
 * cmd_image.c - `skerry image list`, `tag` and `delete`: what a registry has.
 *
 * With an image its signature goes, which is an image of its own at the tag sha256-HEX.sig: once no
 * tag of the repository names the image any more, nobody else would delete that.
 */
#include "base/str.h"
#include "cli/cli_priv.h"
#include "cli/image_priv.h"
#include "sign/sign.h"

struct args {
    bool json;
    struct sk_cli_registry registry;
};

/* clang-format off */
static const struct sk_opt options[] = {
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", .offset = offsetof(struct args, json) },
    SK_CLI_REGISTRY_OPTIONS(struct args),
    { .name = NULL },
};

/* clang-format on */

enum {
    SIGNED_TAGS = 1000 /* looked at before a signature is deleted */
};

/* ---- list ---- */

struct lines {
    struct sk_buf out;
    size_t count;
    bool json;
};

static void lines_done(struct lines *l)
{
    sk_buf_done(&l->out);
}

static int add_name(void *ctx, const char *name, struct sk_err *err)
{
    struct lines *l = ctx;

    if (l->json)
        sk_buf_fmt(&l->out, "%s\"%s\"", l->count ? "," : "", name);
    else
        sk_buf_fmt(&l->out, "%s\n", name);
    l->count++;
    return sk_buf_ok(&l->out) ? 0 : sk_buf_fail(&l->out, err);
}

/* HOST, HOST:PORT: a registry; anything else is a repository. */
static bool is_host_alone(const char *text)
{
    const char *colon = strchr(text, ':');

    if (strchr(text, '/'))
        return false;
    if (colon)
        return colon[1] != '\0' && strspn(colon + 1, "0123456789") == strlen(colon + 1);
    return strcmp(text, "localhost") == 0 || strchr(text, '.');
}

static int run_list(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    SK_AUTO(sk_cli_image_done) struct sk_cli_image i = { 0 };
    const struct args *a = args;
    SK_AUTO(lines_done)
    struct lines l = { .out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES), .json = a->json };
    bool is_tags = count > 0 && !is_host_alone(operands[0]);

    if ((is_tags ? sk_cli_image_open(&a->registry, operands[0], "listing", NULL, &i, err)
                 : sk_cli_registry_open(&a->registry, count > 0 ? operands[0] : NULL, "listing", &i,
                                        err)) < 0)
        return -1;
    if (a->json && is_tags)
        sk_buf_fmt(&l.out, "{\"registry\":\"%s\",\"name\":\"%s\",\"tags\":[", i.ref.host,
                   i.ref.repository);
    else if (a->json)
        sk_buf_fmt(&l.out, "{\"registry\":\"%s\",\"repositories\":[", i.ref.host);
    if ((is_tags ? sk_oci_tags(i.registry, i.ref.repository, add_name, &l, err)
                 : sk_oci_catalog(i.registry, add_name, &l, err)) < 0)
        return -1;
    sk_buf_str(&l.out, a->json ? "]}\n" : "");
    if (l.out.len == 0)
        return sk_buf_ok(&l.out) ? 0 : sk_buf_fail(&l.out, err);
    return sk_cli_print(&l.out, err);
}

const struct sk_cmd sk_cli_image_list = {
    .name = "image list",
    .operands = "[REPOSITORY|REGISTRY]",
    .summary = "Lists the repositories of a registry, or the tags of a repository",
    .details =
        "Without an operand: the repositories of the hub that one is logged in to. REGISTRY is "
        "HOST[:PORT] (with a port, a '.', or localhost), REPOSITORY is [HOST[:PORT]/]NAME. Some "
        "registries do not tell which repositories they have.",
    .examples = "skerry image list # repositories of the hub\n"
                "skerry image list team/cats # its tags\n"
                "skerry image list registry.example:5000/team/cats --json",
    .options = options,
    .args_size = sizeof(struct args),
    .max_operands = 1,
    .run = run_list,
};

/* ---- tag ---- */

/* NEW is a tag of the same repository, or a reference in the same registry. */
static int target_of(const struct sk_oci_ref *from, const char *text, struct sk_oci_ref *out,
                     struct sk_err *err)
{
    if (!strpbrk(text, "/:@")) {
        *out = *from;
        out->digest[0] = '\0';
        if (strlen(text) >= sizeof out->tag)
            return sk_fail(err, SK_INVALID, "'%.140s' is no tag: at most 128 characters", text);
        (void)snprintf(out->tag, sizeof out->tag, "%s", text);
        return 0;
    }
    if (sk_oci_ref_parse(text, from->host, out, err) < 0)
        return -1;
    if (strcmp(out->host, from->host) != 0)
        return sk_fail(err, SK_INVALID,
                       "'%s' is in another registry: 'skerry pull' and 'skerry push' go there",
                       text);
    if (out->digest[0])
        return sk_fail(err, SK_USAGE, "'%s' has a digest; the new name is NAME:TAG", text);
    return 0;
}

static int run_tag(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    SK_AUTO(sk_cli_image_done) struct sk_cli_image i = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);
    const struct args *a = args;
    char digest[SK_OCI_DIGEST_TEXT];
    struct sk_oci_ref to;

    (void)count;
    if (sk_cli_image_open(&a->registry, operands[0], "tagging", NULL, &i, err) < 0 ||
        target_of(&i.ref, operands[1], &to, err) < 0 ||
        sk_oci_copy(i.registry, &i.ref, &to, digest, err) < 0)
        return -1;
    sk_transfer_end(&i.transfer);
    if (a->json)
        sk_buf_str(&out, "{\"reference\":\"");
    sk_oci_ref_print(&to, &out);
    sk_buf_fmt(&out, a->json ? "\",\"digest\":\"%s\"}\n" : "\n%s\n", digest);
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_image_tag = {
    .name = "image tag",
    .operands = "REF NEW",
    .summary = "Gives an image in a registry another tag or name",
    .details = "NEW is a tag of the same repository, or a NAME:TAG of the same registry; then the "
               "layers are mounted there, not sent. A tag that exists moves.",
    .examples = "skerry image tag team/cats:3 stable\n"
                "skerry image tag team/cats:3 prod/cats:3",
    .options = options,
    .args_size = sizeof(struct args),
    .min_operands = 2,
    .max_operands = 2,
    .run = run_tag,
};

/* ---- delete ---- */

/* Many registries delete by digest only, and that takes all tags of the image along: not something
 * to do for somebody who named one tag. */
static int explain(const struct sk_cli_image *i, struct sk_err *err)
{
    SK_OWN(free) char *bytes = NULL;
    char type[128], digest[SK_OCI_DIGEST_TEXT];
    struct sk_err unused = SK_ERR_INIT;
    size_t len = 0;

    if (err->code != SK_UNSUPPORTED || i->ref.digest[0] ||
        sk_oci_get_manifest(i->registry, i->ref.repository, i->ref.tag, &bytes, &len, type, digest,
                            &unused) < 0)
        return -1;
    return sk_fail(err, SK_UNSUPPORTED,
                   "%s does not delete a tag alone. To delete the image with all its tags: skerry "
                   "image delete %s/%s@%s",
                   i->ref.host, i->ref.host, i->ref.repository, digest);
}

/* Looks among the tags of a repository for the signature of an image, and for other tags of it. */
struct signature {
    struct sk_cli_image *image;
    const char *digest;
    char tag[SK_OCI_DIGEST_TEXT + 16];
    bool is_there;
    size_t tags; /* looked at */
    bool is_used;
};

static int find_signature(void *ctx, const char *name, struct sk_err *err)
{
    struct signature *s = ctx;

    (void)err;
    s->is_there |= strcmp(name, s->tag) == 0;
    return 0;
}

static int find_tag(void *ctx, const char *name, struct sk_err *err)
{
    struct signature *s = ctx;
    SK_OWN(free) char *bytes = NULL;
    char type[128], digest[SK_OCI_DIGEST_TEXT];
    size_t len = 0;

    if (s->is_used || sk_ends_with(name, ".sig"))
        return 0;
    if (++s->tags > SIGNED_TAGS) {
        s->is_used = true; /* not looked at further: better a signature too many */
        return 0;
    }
    if (sk_oci_get_manifest(s->image->registry, s->image->ref.repository, name, &bytes, &len, type,
                            digest, err) < 0)
        return -1;
    s->is_used = strcmp(digest, s->digest) == 0;
    return 0;
}

/* Deletes the signature of an image that is gone; by digest, which every registry can.
 * is_there: it was deleted; false when there is none, or the image has other tags. */
static int delete_signature(struct sk_cli_image *i, const char *digest, struct signature *s,
                            struct sk_err *err)
{
    const char *repository = i->ref.repository;
    SK_OWN(free) char *bytes = NULL;
    char type[128], of_signature[SK_OCI_DIGEST_TEXT];
    size_t len = 0;

    *s = (struct signature){ .image = i, .digest = digest };
    if (!sk_starts_with(digest, "sha256:"))
        return 0;
    sk_sign_tag(digest, s->tag);
    if (sk_oci_tags(i->registry, repository, find_signature, s, err) < 0) {
        s->is_there = false;
        return err->code == SK_NOT_FOUND ? 0 : -1; /* the repository went with its last image */
    }
    if (!s->is_there)
        return 0;
    if (!i->ref.digest[0] && sk_oci_tags(i->registry, repository, find_tag, s, err) < 0)
        return -1;
    s->is_there = !s->is_used;
    if (s->is_used)
        return 0;
    if (sk_oci_get_manifest(i->registry, repository, s->tag, &bytes, &len, type, of_signature,
                            err) < 0)
        return -1;
    return sk_oci_delete_manifest(i->registry, repository, of_signature, err);
}

/* The digest of what is to be deleted; "" when it cannot be told, which deleting says better. */
static void find_digest(const struct sk_cli_image *i, char out[SK_OCI_DIGEST_TEXT])
{
    SK_OWN(free) char *bytes = NULL;
    struct sk_err unused = SK_ERR_INIT;
    char type[128];
    size_t len = 0;

    out[0] = '\0';
    if (i->ref.digest[0])
        (void)snprintf(out, SK_OCI_DIGEST_TEXT, "%s", i->ref.digest);
    else if (sk_oci_get_manifest(i->registry, i->ref.repository, i->ref.tag, &bytes, &len, type,
                                 out, &unused) < 0)
        out[0] = '\0';
}

static int print_deleted(const struct sk_cli_image *i, const struct signature *s, bool json,
                         struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);

    sk_buf_str(&out, json ? "{\"deleted\":\"" : "deleted ");
    sk_oci_ref_print(&i->ref, &out);
    if (s->is_there)
        sk_buf_fmt(&out, json ? "\",\"signature\":\"%s/%s:%s" : "\ndeleted %s/%s:%s, its signature",
                   i->ref.host, i->ref.repository, s->tag);
    sk_buf_str(&out, json ? "\"}\n" : "\n");
    return sk_cli_print(&out, err);
}

static int run_delete(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    SK_AUTO(sk_cli_image_done) struct sk_cli_image i = { 0 };
    const struct args *a = args;
    char digest[SK_OCI_DIGEST_TEXT];
    struct signature s;

    (void)count;
    if (!strpbrk(operands[0], "@") &&
        !strchr(strrchr(operands[0], '/') ? strrchr(operands[0], '/') : operands[0], ':'))
        return sk_fail(err, SK_USAGE, "'%s' has no tag: name the one that is to go, or a digest",
                       operands[0]);
    if (sk_cli_image_open(&a->registry, operands[0], "deleting", NULL, &i, err) < 0)
        return -1;
    find_digest(&i, digest);
    if (sk_oci_delete_manifest(i.registry, i.ref.repository, sk_cli_image_reference(&i.ref), err) <
        0)
        return explain(&i, err);
    if (delete_signature(&i, digest, &s, err) < 0)
        return sk_wrap(err, "the image is deleted, its signature %.90s is not", s.tag);
    return print_deleted(&i, &s, a->json, err);
}

const struct sk_cmd sk_cli_image_delete = {
    .name = "image delete",
    .operands = "REF",
    .summary = "Deletes a tag, or an image with all its tags, in a registry",
    .details =
        "REF with a tag deletes the tag; with @sha256:... the image and all its tags. Not "
        "every registry deletes a tag alone; those say so, and nothing happens. With the image, or "
        "the last tag that names it, its signature in the same repository (the tag "
        "sha256-HEX.sig) is deleted.",
    .examples = "skerry image delete team/cats:2\n"
                "skerry image delete team/cats@sha256:...",
    .options = options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_delete,
};
