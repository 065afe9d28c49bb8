/* fuzz_manifest.c - manifests: what is accepted composes, names its modules and images, and is
 * within the limits. */
#include "manifest/manifest.h"

#include <string.h>

static void say(void *ctx, bool is_error, const char *place, const char *text)
{
    unsigned *errors = ctx;

    if (!text[0] || !sk_utf8_valid(place, strlen(place)) || !sk_utf8_valid(text, strlen(text)))
        abort();
    *errors += is_error;
}

static int each_module(void *ctx, const char *name, struct sk_err *err)
{
    (void)ctx;
    (void)err;
    return name[0] ? 0 : sk_fail(err, SK_BUG, "no name");
}

static int each_image(void *ctx, const char *module, const char *image, struct sk_err *err)
{
    (void)module;
    return each_module(ctx, image, err);
}

static int has_image(void *ctx, const char *image)
{
    (void)ctx;
    return image[0] == 'r';
}

/* An accepted content, over itself: twice the same. */
static void use(const struct sk_json *modules)
{
    const struct sk_json *layers[] = { modules, modules };
    SK_OWN(sk_json_free) struct sk_json *all = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf options = SK_BUF_INIT(1 << 20);
    const struct sk_json *deployed;
    struct sk_err err = SK_ERR_INIT;

    if (sk_manifest_modules(modules, each_module, NULL, &err) < 0 ||
        sk_manifest_images(modules, each_image, NULL, &err) < 0)
        abort();
    /* Two layers may have more values than there may be. */
    if (sk_manifest_compose(layers, 2, &all, &err) < 0)
        return;
    deployed = sk_json_get(sk_json_get(all, "$edgeAgent"), "modules");
    for (void *it = sk_json_first(deployed); it; it = sk_json_next(deployed, it))
        if (sk_manifest_create_options(sk_json_get(sk_json_value(it), "settings"), &options, &err) <
            0)
            sk_buf_clear(&options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sk_json_limits limits = { .max_values = 20000 };
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;

    if (sk_json_parse((const char *)data, size, &limits, &doc, &err) < 0)
        return 0;
    for (int is_layered = 0; is_layered < 2; is_layered++) {
        unsigned errors = 0;
        struct sk_manifest_options opts = {
            .is_layered = is_layered, .has_image = has_image, .say = say, .ctx = &errors
        };
        const struct sk_json *modules = NULL;
        int rc = sk_manifest_check(doc, &opts, &modules, &err);

        if (rc == 0 ? errors > 0 || !modules : err.text[0] == 0)
            abort();
        if (rc == 0) {
            (void)sk_manifest_is_layer(modules);
            use(modules);
        }
    }
    /* What was not checked must not do harm either. */
    for (void *it = sk_json_first(doc); it; it = sk_json_next(doc, it)) {
        const struct sk_json *layer = sk_json_value(it);
        SK_OWN(sk_json_free) struct sk_json *all = NULL;

        if (sk_manifest_compose(&layer, 1, &all, &err) == 0 &&
            (sk_manifest_modules(layer, each_module, NULL, &err) < 0 ||
             sk_manifest_images(layer, each_image, NULL, &err) < 0))
            continue;
    }
    return 0;
}
