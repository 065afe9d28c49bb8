/*
 * content.c - what a configuration or a device is given, and whether it can work.
 *
 *     modulesContent   {"$edgeAgent":{"properties.desired":{..}},..}    modules of edge devices
 *     deviceContent    {"properties.desired.a":1,..}                    the twin of devices
 *     moduleContent    {"properties.desired.a":1,..}                    the twin of modules
 *
 * Tools differ in the case of the first letter, and older ones call the first of them
 * moduleContent; that one has objects of modules and the other has paths, so both are told apart.
 */
#include "deploy/deploy_priv.h"

#include "manifest/manifest.h"

#include <string.h>

enum {
    REFERENCE_MAX = 512
};

static const char desired[] = "properties.desired";

static const struct {
    const char *names[2];
    enum sk_deploy_kind kind;
} kinds[] = {
    { { "modulesContent", "ModulesContent" }, SK_DEPLOY_EDGE },
    { { "deviceContent", "DeviceContent" }, SK_DEPLOY_DEVICE },
    { { "moduleContent", "ModuleContent" }, SK_DEPLOY_MODULE },
};

/* ---- what is said ---- */

void sk_says_done(struct sk_says *s)
{
    sk_buf_done(&s->errors);
    sk_buf_done(&s->warnings);
}

void sk_says_list(const struct sk_buf *said, struct sk_buf *out)
{
    sk_buf_chr(out, '[');
    sk_buf_add(out, said->data, said->len);
    sk_buf_chr(out, ']');
}

struct checking {
    const struct sk_deploy *d;
    struct sk_says *says;
};

static void say(void *ctx, bool is_error, const char *place, const char *text)
{
    struct checking *c = ctx;
    struct sk_buf *out = is_error ? &c->says->errors : &c->says->warnings;
    const size_t mark = out->len;
    sk_buf_str(out, out->len ? ",{\"place\":" : "{\"place\":");
    sk_buf_json_str(out, place);
    sk_buf_str(out, ",\"text\":");
    sk_buf_json_str(out, text);
    sk_buf_chr(out, '}');
    /* One too many is not said. */
    if (out->failed == SK_LIMIT && out->data) {
        out->len = mark;
        out->data[mark] = '\0';
        out->failed = SK_OK;
    }
}

static int check_says(const struct sk_says *s, struct sk_err *err)
{
    if (!sk_buf_ok(&s->errors))
        return sk_buf_fail(&s->errors, err);
    return sk_buf_ok(&s->warnings) ? 0 : sk_buf_fail(&s->warnings, err);
}

static int has_image(void *ctx, const char *image)
{
    const struct checking *c = ctx;
    struct sk_view repository;
    const char *reference;
    char name[REFERENCE_MAX];
    if (!sk_image_is_own(c->d, image, &repository, &reference) || repository.len >= sizeof name)
        return 1;
    memcpy(name, repository.ptr, repository.len);
    name[repository.len] = '\0';
    return c->d->has_image(c->d->ctx, name, reference);
}

/* ---- which kind ---- */

static bool has_paths(const struct sk_json *value)
{
    for (void *it = sk_json_first(value); it; it = sk_json_next(value, it))
        if (sk_starts_with(sk_json_key(it), desired))
            return true;
    return false;
}

static void set_kind(enum sk_deploy_kind kind, const struct sk_json *value, struct sk_content *out)
{
    if (kind == SK_DEPLOY_MODULE && sk_json_count(value) > 0 && !has_paths(value))
        kind = SK_DEPLOY_EDGE;
    *out = (struct sk_content){ .kind = kind, .name = kinds[kind].names[0], .value = value };
    out->is_layer = kind == SK_DEPLOY_EDGE && sk_manifest_is_layer(value);
}

int sk_content_read(const struct sk_json *content, struct sk_content *out, struct sk_err *err)
{
    size_t found = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        for (size_t k = 0; k < 2; k++) {
            const struct sk_json *value = sk_json_get(content, kinds[i].names[k]);
            if (!value || sk_json_type(value) == SK_JSON_NULL)
                continue;
            if (sk_json_type(value) != SK_JSON_OBJECT)
                return sk_fail(err, SK_INVALID,
                               "InvalidConfigurationContent: '%s': expected an object, got %s",
                               kinds[i].names[k], sk_json_type_name(sk_json_type(value)));
            /* Tools write the members that they do not use as empty objects. */
            if (sk_json_count(value) == 0)
                continue;
            set_kind(kinds[i].kind, value, out);
            found++;
        }
    }
    if (found == 1)
        return 0;
    return sk_fail(err, SK_INVALID,
                   "InvalidConfigurationContent: %s of 'modulesContent', 'deviceContent' and "
                   "'moduleContent' is needed",
                   found ? "only one" : "one");
}

/* ---- checking ---- */

int sk_content_as_module(const struct sk_json *value, struct sk_json **out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_DEPLOY_CONTENT_MAX + 64);
    sk_buf_str(&b, "{\"m\":");
    sk_json_dump(value, &b);
    sk_buf_chr(&b, '}');
    if (!sk_buf_ok(&b))
        return sk_buf_fail(&b, err);
    return sk_json_parse(b.data, b.len, NULL, out, err);
}

/* Paths of one twin: each begins as it must, and what they give together is a section. */
static int check_paths(const struct sk_content *content, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *wrapped = NULL;
    SK_OWN(sk_json_free) struct sk_json *all = NULL;
    for (void *it = sk_json_first(content->value); it; it = sk_json_next(content->value, it)) {
        const char *key = sk_json_key(it), *path = key + sizeof desired - 1;
        if (!sk_starts_with(key, desired) || (*path && (*path != '.' || !path[1])))
            return sk_fail(err, SK_INVALID,
                           "%s: '%.64s' is not 'properties.desired' or a path of it", content->name,
                           key);
    }
    if (sk_content_as_module(content->value, &wrapped, err) < 0)
        return -1;
    const struct sk_json *layer = wrapped;
    if (sk_manifest_compose(&layer, 1, &all, err) < 0)
        return -1;
    return sk_twin_check(SK_TWIN_DESIRED, sk_json_get(all, "m"), err);
}

bool sk_is_about_content(const struct sk_err *err)
{
    return err->code == SK_INVALID || err->code == SK_LIMIT || err->code == SK_TOO_LARGE;
}

int sk_content_name_failure(struct sk_err *err)
{
    if (err->code == SK_TOO_LARGE)
        return sk_wrap(err, "DeviceModelMaxPropertiesExceeded");
    return sk_is_about_content(err) ? sk_wrap(err, "InvalidConfigurationContent") : -1;
}

int sk_content_check(const struct sk_deploy *d, const struct sk_content *content,
                     struct sk_says *says, struct sk_err *err)
{
    struct checking c = { d, says };
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_DEPLOY_CONTENT_MAX + 64);
    const struct sk_manifest_options opts = { .is_layered = content->is_layer,
                                              .has_image = d->has_image ? has_image : NULL,
                                              .say = say,
                                              .ctx = &c };
    const struct sk_json *modules;
    int failed;
    if (content->kind != SK_DEPLOY_EDGE) {
        failed = check_paths(content, err);
        if (failed < 0)
            say(&c, true, content->name, err->text);
    } else {
        sk_buf_fmt(&b, "{\"%s\":", content->name);
        sk_json_dump(content->value, &b);
        sk_buf_chr(&b, '}');
        if (!sk_buf_ok(&b))
            failed = sk_buf_fail(&b, err);
        else
            failed = sk_json_parse(b.data, b.len, NULL, &doc, err) < 0 ||
                             sk_manifest_check(doc, &opts, &modules, err) < 0
                         ? -1
                         : 0;
    }
    return failed < 0 ? sk_content_name_failure(err) : check_says(says, err);
}

static const struct sk_json *modules_of(const struct sk_json *doc)
{
    static const char *const names[] = { "modulesContent", "ModulesContent", "moduleContent",
                                         "ModuleContent" };
    static const char *const outer[] = { "content", "Content" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (sk_json_get(doc, names[i]))
            return sk_json_get(doc, names[i]);
    for (size_t i = 0; i < sizeof outer / sizeof outer[0]; i++) {
        const struct sk_json *in = sk_json_get(doc, outer[i]);
        for (size_t k = 0; in && k < sizeof names / sizeof names[0]; k++)
            if (sk_json_get(in, names[k]))
                return sk_json_get(in, names[k]);
    }
    return NULL;
}

/* A device keeps the $edgeHub that it has when a content does not name it; and paths alone change
 * what is there. */
int sk_content_check_manifest(const struct sk_deploy *d, const struct sk_json *doc,
                              struct sk_says *says, const struct sk_json **out, struct sk_err *err)
{
    struct checking c = { d, says };
    const struct sk_json *modules = modules_of(doc);
    const struct sk_manifest_options opts = { .is_layered = modules &&
                                                            (sk_manifest_is_layer(modules) ||
                                                             !sk_json_get(modules, "$edgeHub")),
                                              .has_image = d->has_image ? has_image : NULL,
                                              .say = say,
                                              .ctx = &c };
    int failed = sk_manifest_check(doc, &opts, out, err);
    return failed < 0 ? sk_content_name_failure(err) : check_says(says, err);
}
