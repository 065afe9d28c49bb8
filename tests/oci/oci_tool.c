/*
 * oci_tool.c - src/oci alone on the command line, for tests/it/test_registry_client.py.
 *
 *     oci_tool [-u USER:PASSWORD] [-t TOKEN] [-c CA] [-p] [-k CHUNK] [-m MOUNT_FROM] VERB ...
 *         push LAYOUT DIGEST REF         pull REF PLATFORM WANT LAYOUT ("-": none)
 *         manifest REF                   put REF FILE TYPE
 *         delete REF                     has REF DIGEST
 *         blob REF DIGEST SIZE FILE      upload REF DIGEST SIZE FILE
 *         tags REF                       catalog REF
 *         referrers REF DIGEST
 *
 * Prints the result; a failure is "CODE text" and status 1.
 */
#include "base/file.h"
#include "base/str.h"
#include "oci/oci.h"

#include <stdio.h>
#include <string.h>

struct words {
    char **at;
    int count;
};

static const char *word(const struct words *w, int i)
{
    return i < w->count && strcmp(w->at[i], "-") != 0 ? w->at[i] : NULL;
}

static int print_name(void *ctx, const char *name, struct sk_err *err)
{
    (void)ctx;
    (void)err;
    (void)puts(name);
    return 0;
}

static const char *reference(const struct sk_oci_ref *ref)
{
    return ref->digest[0] ? ref->digest : ref->tag;
}

static int do_manifest(struct sk_oci_registry *r, const struct sk_oci_ref *ref, struct sk_err *err)
{
    SK_OWN(free) char *bytes = NULL;
    char type[128], digest[SK_OCI_DIGEST_TEXT];
    size_t len = 0;

    if (sk_oci_get_manifest(r, ref->repository, reference(ref), &bytes, &len, type, digest, err) <
        0)
        return -1;
    (void)printf("%s %s %zu\n", digest, type, len);
    return 0;
}

static int do_put(struct sk_oci_registry *r, const struct sk_oci_ref *ref, const struct words *w,
                  struct sk_err *err)
{
    SK_OWN(free) char *bytes = NULL;
    size_t len = 0;

    if (sk_file_read(word(w, 2), SK_OCI_MANIFEST_MAX, &bytes, &len, err) < 0)
        return -1;
    return sk_oci_put_manifest(r, ref->repository, reference(ref), word(w, 3), bytes, len, err);
}

static int do_referrers(struct sk_oci_registry *r, const struct sk_oci_ref *ref,
                        const struct words *w, struct sk_err *err)
{
    SK_OWN(free) char *bytes = NULL;
    size_t len = 0;

    if (sk_oci_referrers(r, ref->repository, word(w, 2), &bytes, &len, err) < 0)
        return -1;
    (void)puts(bytes);
    return 0;
}

static int do_has(struct sk_oci_registry *r, const struct sk_oci_ref *ref, const struct words *w,
                  struct sk_err *err)
{
    bool has = false;

    if (sk_oci_has_blob(r, ref->repository, word(w, 2), &has, err) < 0)
        return -1;
    (void)puts(has ? "yes" : "no");
    return 0;
}

static int do_blob(struct sk_oci_registry *r, const struct sk_oci_ref *ref, const struct words *w,
                   const char *mount_from, struct sk_err *err)
{
    uint64_t size = 0;

    if (sk_parse_u64("size", word(w, 3), 0, INT64_MAX, &size, err) < 0)
        return -1;
    return strcmp(w->at[0], "blob") == 0
               ? sk_oci_get_blob(r, ref->repository, word(w, 2), size, word(w, 4), err)
               : sk_oci_put_blob(r, ref->repository, word(w, 2), size, word(w, 4), mount_from, err);
}

static int do_pull(struct sk_oci_registry *r, const struct sk_oci_ref *ref, const struct words *w,
                   struct sk_err *err)
{
    char digest[SK_OCI_DIGEST_TEXT];

    if (sk_oci_pull(r, ref, word(w, 2), word(w, 3), word(w, 4), digest, err) < 0)
        return -1;
    (void)puts(digest);
    return 0;
}

static int run(struct sk_oci_options *o, const struct words *w, struct sk_err *err)
{
    SK_OWN(sk_oci_registry_free) struct sk_oci_registry *r = NULL;
    const char *verb = w->at[0];
    bool is_push = strcmp(verb, "push") == 0;
    struct sk_oci_ref ref;

    if (sk_oci_ref_parse(w->at[is_push ? 3 : 1], NULL, &ref, err) < 0)
        return -1;
    o->host = ref.host;
    if (sk_oci_registry_new(o, &r, err) < 0)
        return -1;
    if (is_push)
        return sk_oci_push(r, word(w, 1), word(w, 2), &ref, err);
    if (strcmp(verb, "pull") == 0)
        return do_pull(r, &ref, w, err);
    if (strcmp(verb, "manifest") == 0)
        return do_manifest(r, &ref, err);
    if (strcmp(verb, "put") == 0)
        return do_put(r, &ref, w, err);
    if (strcmp(verb, "delete") == 0)
        return sk_oci_delete_manifest(r, ref.repository, reference(&ref), err);
    if (strcmp(verb, "has") == 0)
        return do_has(r, &ref, w, err);
    if (strcmp(verb, "tags") == 0)
        return sk_oci_tags(r, ref.repository, print_name, NULL, err);
    if (strcmp(verb, "catalog") == 0)
        return sk_oci_catalog(r, print_name, NULL, err);
    if (strcmp(verb, "referrers") == 0)
        return do_referrers(r, &ref, w, err);
    return do_blob(r, &ref, w, o->mount_from, err);
}

int main(int argc, char **argv)
{
    struct sk_oci_options o = { .retries = 2 };
    struct sk_err err = SK_ERR_INIT;
    int i = 1;

    for (; i + 1 < argc && argv[i][0] == '-'; i++) {
        char *value = argv[i + 1], *colon = strchr(value, ':');
        if (argv[i][1] == 'p') {
            o.plain_http = true;
            continue;
        }
        i++;
        if (argv[i - 1][1] == 'u' && colon) {
            *colon = '\0';
            o.username = value;
            o.password = colon + 1;
        } else if (argv[i - 1][1] == 't') {
            o.token = value;
        } else if (argv[i - 1][1] == 'c') {
            o.ca_file = value;
        } else if (argv[i - 1][1] == 'm') {
            o.mount_from = value;
        } else if (argv[i - 1][1] == 'k') {
            o.chunk_bytes = strtoull(value, NULL, 10);
        }
    }
    const struct words w = { argv + i, argc - i };
    if (w.count >= 2 && run(&o, &w, &err) == 0)
        return 0;
    (void)printf("%s %s\n", sk_code_name(err.code), err.text);
    return 1;
}
