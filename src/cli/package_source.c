/* package_source.c - the model that is packed: from here, or from the hub. */
#include "cli/package_priv.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "catalog/catalog.h"
#include "cli/remote_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

int sk_package_scratch(struct sk_package_source *s, const char *name, char **out,
                       struct sk_err *err)
{
    if (!s->scratch && sk_temp_dir("/var/tmp", "skerry-package", &s->scratch, err) < 0)
        return -1;
    *out = sk_path_join(s->scratch, name);
    return *out ? 0 : sk_nomem(err);
}

static int fetch(struct sk_package_source *s, const char *model, const char *hub,
                 struct sk_err *err)
{
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    struct sk_transfer t = { .verb = "downloading" };

    if (sk_cli_remote(hub, &r, err) < 0)
        return sk_wrap(err, "'%s' is no path, and", model);
    if (sk_package_scratch(s, "model", &s->bundle, err) < 0)
        return -1;
    int rc = sk_catalog_download(r, model, s->bundle, sk_transfer_progress, &t, &s->version, err);
    sk_transfer_end(&t);
    return rc;
}

int sk_package_open(const char *model, const char *hub, struct sk_package_source *out,
                    struct sk_err *err)
{
    SK_AUTO(sk_package_done) struct sk_package_source s = { 0 };
    struct stat st;

    if (stat(model, &st) == 0) {
        s.bundle = strdup(model);
        if (!s.bundle)
            return sk_nomem(err);
    } else if (fetch(&s, model, hub, err) < 0) {
        return -1;
    }
    *out = s;
    s = (struct sk_package_source){ 0 };
    return 0;
}

/* The part of a path that is there, without links. *out NULL: none. */
static int find_real(const char *path, char **out, struct sk_err *err)
{
    SK_OWN(free) char *at = strdup(path);

    if (!at)
        return sk_nomem(err);
    while (!(*out = realpath(at, NULL))) {
        char *slash = strrchr(at, '/');
        if (errno == ENOMEM)
            return sk_nomem(err);
        if (strcmp(at, ".") == 0 || strcmp(at, "/") == 0 || !*at)
            return 0;
        if (slash)
            slash[slash == at] = '\0';
        else
            memcpy(at, ".", 2);
    }
    return 0;
}

int sk_package_check_output(const struct sk_package_source *s, const char *output,
                            struct sk_err *err)
{
    SK_OWN(free) char *folder = NULL;
    SK_OWN(free) char *real = NULL;

    if (!output || !sk_is_dir(s->bundle))
        return 0;
    if (find_real(s->bundle, &folder, err) < 0 || find_real(output, &real, err) < 0)
        return -1;
    size_t n = folder ? strlen(folder) : 0;
    if (n > 0 && real && strncmp(real, folder, n) == 0 && (real[n] == '/' || !real[n]))
        return sk_fail(err, SK_INVALID,
                       "--output '%s' is in the bundle '%s': the next image would have this one in "
                       "it; give another --output",
                       output, s->bundle);
    return 0;
}

void sk_package_done(struct sk_package_source *s)
{
    struct sk_err ignored = SK_ERR_INIT;

    if (s->scratch)
        (void)!sk_remove_tree(s->scratch, &ignored);
    free(s->scratch);
    free(s->bundle);
    sk_json_free(s->version);
    *s = (struct sk_package_source){ 0 };
}
