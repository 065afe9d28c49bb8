/*
 * image_source.c - what is pushed: an OCI layout, or an archive of one.
 *
 * An archive is unpacked into a folder of its own first, within limits and without links; its blobs
 * are then read as those of any layout, by digest.
 */
#include "cli/image_priv.h"

#include "archive/archive.h"
#include "base/file.h"

#include <fcntl.h>

static int unpack(const char *path, const char *dir, struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    SK_OWN(free) char *marker = sk_path_join(dir, "oci-layout");

    if (!marker)
        return sk_nomem(err);
    if (fd < 0)
        return sk_fail_errno(err, "'%s'", path);
    if (sk_tar_unpack(fd, NULL, "", dir, false, err) < 0)
        return sk_wrap(err, "'%s'", path);
    if (!sk_is_file(marker))
        return sk_fail(err, SK_UNSUPPORTED,
                       "'%s' is no archive of an OCI layout (no file oci-layout in it); from an "
                       "older docker save: skopeo copy docker-archive:%s oci-archive:NEW.tar",
                       path, path);
    return 0;
}

int sk_cli_source_open(const char *path, const char *which, struct sk_cli_source *out,
                       struct sk_err *err)
{
    *out = (struct sk_cli_source){ 0 };
    if (sk_is_dir(path)) {
        out->layout = strdup(path);
    } else {
        if (sk_temp_dir("/var/tmp", "skerry-push", &out->temp, err) < 0 ||
            unpack(path, out->temp, err) < 0)
            return -1;
        out->layout = strdup(out->temp);
    }
    if (!out->layout)
        return sk_nomem(err);
    return sk_oci_layout_find(out->layout, which, out->media_type, out->digest, err);
}

void sk_cli_source_done(struct sk_cli_source *s)
{
    struct sk_err unused = SK_ERR_INIT;

    if (s->temp && sk_remove_tree(s->temp, &unused) < 0)
        (void)fprintf(stderr, "skerry: %s\n", unused.text);
    free(s->temp);
    free(s->layout);
    *s = (struct sk_cli_source){ 0 };
}
