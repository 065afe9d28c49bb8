/*
 * fuzz_oci_path.c - addresses below /v2/, names of repositories and tags, Content-Range.
 *
 * What is accepted as a name must not leave its place in a path, and the two programs that have an
 * opinion about names, the registry (images) and the client (oci), must have the same one.
 */
#include "hub/api_oci_priv.h"

#include "oci/oci.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void stays_inside(const char *name)
{
    if (*name == '\0' || *name == '/' || *name == '.' || strstr(name, "//") || strstr(name, "/.") ||
        strchr(name, '\\') || strlen(name) >= SK_REPOSITORY_TEXT)
        abort();
}

/* host.example/NAME[:TAG], as a client would read it. */
static void same_as_client(const char *name, const char *tag)
{
    char text[2 * SK_REPOSITORY_TEXT + SK_TAG_TEXT];
    struct sk_oci_ref ref;
    struct sk_err err = SK_ERR_INIT;

    (void)snprintf(text, sizeof text, "host.example/%s:%s", name, tag);
    if (sk_oci_ref_parse(text, NULL, &ref, &err) < 0 || strcmp(ref.repository, name) != 0 ||
        strcmp(ref.tag, tag) != 0)
        abort();
}

static void try_path(char *text)
{
    struct sk_oci_path path;

    if (!sk_oci_path_parse(text, &path))
        return;
    if (path.kind != SK_OCI_BASE && path.kind != SK_OCI_CATALOG && *path.repository == '\0')
        abort();
    if (strchr(path.what, '/'))
        abort();
    if (!sk_repository_valid(path.repository))
        return;
    stays_inside(path.repository);
    if (path.kind == SK_OCI_MANIFESTS && sk_tag_valid(path.what))
        same_as_client(path.repository, path.what);
}

static void try_range(const char *text)
{
    uint64_t first, last;

    if (sk_oci_content_range(text, &first, &last) && last < first)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SK_OWN(free) char *text = malloc(size + 1);

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    try_range(text);
    try_path(text);
    return 0;
}
