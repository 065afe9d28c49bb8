/* manifest_file.c - see manifest_priv.h. */
#include "cli/manifest_priv.h"

#include "base/cleanup.h"
#include "manifest/manifest.h"
#include "json/json.h"

#include <stdio.h>

struct said {
    const char *file;
    unsigned errors, warnings;
};

static void say(void *ctx, bool is_error, const char *place, const char *text)
{
    struct said *s = ctx;

    *(is_error ? &s->errors : &s->warnings) += 1;
    (void)fprintf(stderr, "%s: %s: %s%s%s\n", s->file, is_error ? "error" : "warning", place,
                  *place ? ": " : "", text);
}

/* A layer taken for a whole manifest would be told of all that it lacks. */
static bool is_layer(const struct sk_json *doc)
{
    const struct sk_manifest_options opts = { .is_layered = true };
    const struct sk_json *modules = NULL;
    struct sk_err unused = SK_ERR_INIT;

    return sk_manifest_check(doc, &opts, &modules, &unused) == 0 && sk_manifest_is_layer(modules);
}

int sk_cli_manifest(const char *file, bool is_layered, bool is_forced, struct sk_buf *content,
                    struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct said said = { .file = file };
    const struct sk_manifest_options opts = { .is_layered = is_layered, .say = say, .ctx = &said };
    const struct sk_json *modules = NULL;

    if (sk_json_file(file, &doc, err) < 0)
        return -1;
    if (!is_layered && is_layer(doc))
        return sk_fail(err, SK_INVALID,
                       "%s is a layer: it goes over others as a deployment, with --layered", file);
    if (sk_manifest_check(doc, &opts, &modules, err) < 0)
        return said.errors > 0 ? sk_fail(err, SK_INVALID, "%s: %u error%s; nothing was sent", file,
                                         said.errors, said.errors > 1 ? "s" : "")
                               : sk_wrap(err, "%s", file);
    if (said.warnings > 0 && !is_forced)
        return sk_fail(err, SK_INVALID, "%s: %u warning%s; --force sends it all the same", file,
                       said.warnings, said.warnings > 1 ? "s" : "");
    sk_buf_str(content, "{\"modulesContent\":");
    sk_json_dump(modules, content);
    sk_buf_chr(content, '}');
    return sk_buf_ok(content) ? 0 : sk_buf_fail(content, err);
}
