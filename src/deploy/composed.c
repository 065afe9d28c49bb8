/*
 * composed.c - what a set of configurations gives, once for all devices that it fits.
 *
 * Base and layers become one section per module. Layers that are fine alone can be too much
 * together; such a set sets nothing, and its configurations stay Targeted.
 */
#include "deploy/deploy_priv.h"

#include "base/log.h"
#include "manifest/manifest.h"

#include <stdlib.h>
#include <string.h>

void sk_composed_free(struct sk_composed *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++)
        free(c->sections[i].text);
    free(c->sections);
    free(c->targeted);
    sk_names_done(&c->modules);
    sk_names_done(&c->pulls);
    sk_json_free(c->doc);
    free(c);
}

static int add_section(struct sk_composed *c, const char *module, const struct sk_json *desired,
                       struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_TWIN_SECTION_MAX);
    if (sk_twin_check(SK_TWIN_DESIRED, desired, err) < 0)
        return sk_wrap(err, "%s", module);
    sk_json_dump(desired, &text);
    if (text.failed == SK_LIMIT)
        return sk_fail(err, SK_TOO_LARGE, "%s: the desired properties have more than %d bytes",
                       module, SK_TWIN_SECTION_MAX);
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    c->sections[c->count++] = (struct sk_section){ .module = module,
                                                   .desired = desired,
                                                   .text = sk_buf_take(&text) };
    return 0;
}

static int fill_sections(const struct sk_deploy *d, struct sk_composed *c, struct sk_err *err)
{
    size_t count = sk_json_count(c->doc);
    c->sections = calloc(count ? count : 1, sizeof *c->sections);
    if (!c->sections)
        return sk_nomem(err);
    for (void *it = sk_json_first(c->doc); it; it = sk_json_next(c->doc, it))
        if (add_section(c, sk_json_key(it), sk_json_value(it), err) < 0)
            return -1;
    return sk_pulls_of_section(d, sk_json_get(c->doc, "$edgeAgent"), &c->pulls, err);
}

static int add_members(struct sk_names *names, const struct sk_json *modules, struct sk_err *err)
{
    for (void *it = sk_json_first(modules); it; it = sk_json_next(modules, it)) {
        const char *name = sk_json_key(it);
        if (name[0] != '$' && sk_names_add(names, name, strlen(name), err) < 0)
            return -1;
    }
    return 0;
}

int sk_composed_fill(const struct sk_deploy *d, const struct sk_json *const *layers, size_t count,
                     struct sk_composed *c, struct sk_err *err)
{
    for (size_t i = 0; i < count; i++)
        if (add_members(&c->modules, layers[i], err) < 0)
            return -1;
    if (sk_manifest_compose(layers, count, &c->doc, err) < 0 || fill_sections(d, c, err) < 0)
        return -1;
    return add_members(&c->modules, sk_json_get(sk_json_get(c->doc, "$edgeAgent"), "modules"), err);
}

/* Base first, then the layers above it. */
static int compose(const struct sk_deploy *d, const struct sk_plan *p, uint32_t set,
                   struct sk_composed *c, struct sk_err *err)
{
    const struct sk_json *layers[SK_DEPLOY_CONFIGURATIONS_MAX];
    size_t at = SK_DEPLOY_CONFIGURATIONS_MAX;
    for (; set; set = p->fits[set].rest) {
        const struct sk_planned *item = &p->items[p->fits[set].top];
        if (!sk_plan_applies(p, set, p->fits[set].top))
            continue;
        layers[--at] = item->layer;
        if (!item->is_layer)
            break;
    }
    return sk_composed_fill(d, layers + at, SK_DEPLOY_CONFIGURATIONS_MAX - at, c, err);
}

/* All Targeted, nothing set. */
static int give_up(struct sk_composed *c, struct sk_err *err)
{
    static const char applied[] = ":{\"status\":\"Applied\"}";
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_DEPLOY_CONTENT_MAX);
    const char *at = c->marks, *next;
    sk_json_free(SK_TAKE(c->doc));
    while ((next = strstr(at, applied))) {
        sk_buf_add(&b, at, (size_t)(next - at));
        sk_buf_str(&b, ":{\"status\":\"Targeted\"}");
        at = next + sizeof applied - 1;
    }
    sk_buf_str(&b, at);
    if (!sk_buf_ok(&b))
        return sk_buf_fail(&b, err);
    c->targeted = sk_buf_take(&b);
    c->marks = c->targeted;
    return 0;
}

int sk_composed_new(const struct sk_deploy *d, struct sk_plan *p, uint32_t set,
                    struct sk_composed **out, struct sk_err *err)
{
    SK_OWN(sk_composed_free) struct sk_composed *c = calloc(1, sizeof *c);
    struct sk_err why = SK_ERR_INIT;
    int64_t base = sk_plan_base(p, set);
    if (!c)
        return sk_nomem(err);
    c->marks = sk_plan_marks(p, set, err);
    if (!c->marks)
        return -1;
    if (base >= 0 && p->items[base].kind != SK_DEPLOY_EDGE) {
        c->layer = p->items[base].layer;
    } else if (base >= 0 && compose(d, p, set, c, &why) < 0) {
        if (!sk_is_about_content(&why)) {
            *err = why;
            return -1;
        }
        sk_log(SK_ERROR, "deployment_refused", "deployment=\"%s\" error=\"%s\"", p->items[base].id,
               why.text);
        if (give_up(c, err) < 0)
            return -1;
    }
    *out = SK_TAKE(c);
    return 0;
}
