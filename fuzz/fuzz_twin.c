/*
 * fuzz_twin.c - a section, a patch, and metadata, one a line.
 *
 * The section is whatever a replacement takes. A merge that succeeds gives a section that is
 * acceptable, within its limit, and written as it will be written again; a second merge of the same
 * patch changes nothing; the way from the old section to the new one, as a replacement finds it,
 * leads there. Metadata that does not fit does no harm.
 */
#include "iot/iot.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct sk_json_limits limits = { 20000, 32 };

static struct sk_json *parse(const char *text, size_t len)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_json *doc = NULL;
    return sk_json_parse(text, len, &limits, &doc, &err) == 0 ? doc : NULL;
}

/* A result's texts are JSON; the section is acceptable. */
static struct sk_json *check(const struct sk_twin_result *r, int64_t version)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_json *body = parse(r->body.data, r->body.len);
    SK_OWN(sk_json_free) struct sk_json *patch = parse(r->patch.data, r->patch.len);
    if (!body || sk_twin_check(SK_TWIN_DESIRED, body, &err) < 0 ||
        r->body.len > SK_TWIN_SECTION_MAX || !patch ||
        sk_json_int(sk_json_get(patch, "$version"), -1) != version)
        abort();
    return body;
}

/* Once more with what came out: nothing may change. */
static void again(const struct sk_twin_result *r, const struct sk_json *patch)
{
    const struct sk_twin_section now = { r->body.data, r->meta.data, 2 };
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_twin_result_done) struct sk_twin_result same = { .is_changed = false };
    if (sk_twin_merge(SK_TWIN_DESIRED, &now, patch, 3, 2000, &same, &err) < 0 || same.is_changed ||
        strcmp(same.body.data, r->body.data) != 0 || strcmp(same.meta.data, r->meta.data) != 0)
        abort();
}

/* The difference that a replacement finds, merged into the old section, gives the new one. */
static void by_difference(const struct sk_twin_section *old, const struct sk_json *next)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_twin_result_done) struct sk_twin_result way = { .is_changed = false };
    SK_AUTO(sk_twin_result_done) struct sk_twin_result there = { .is_changed = false };
    if (sk_twin_replace(SK_TWIN_DESIRED, old, next, 2, 1000, &way, &err) < 0)
        abort();
    SK_OWN(sk_json_free) struct sk_json *a = check(&way, 2);
    SK_OWN(sk_json_free) struct sk_json *patch = parse(way.patch.data, way.patch.len);
    if (sk_twin_merge(SK_TWIN_DESIRED, old, patch, 2, 1000, &there, &err) < 0)
        abort();
    SK_OWN(sk_json_free) struct sk_json *b = check(&there, 2);
    if (!sk_json_equal(a, b) || !sk_json_equal(a, next) || way.is_changed != there.is_changed ||
        strcmp(way.meta.data, there.meta.data) != 0)
        abort();
}

static void merge(const struct sk_twin_section *old, const struct sk_json *patch)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_twin_result_done) struct sk_twin_result r = { .is_changed = false };
    if (sk_twin_merge(SK_TWIN_DESIRED, old, patch, 2, 1000, &r, &err) < 0) {
        if (err.code == SK_OK || !err.text[0])
            abort();
        return;
    }
    if (!r.is_changed && strcmp(r.body.data, old->body) != 0)
        abort();
    SK_OWN(sk_json_free) struct sk_json *body = check(&r, 2);
    SK_OWN(sk_json_free) struct sk_json *meta = parse(r.meta.data, r.meta.len);
    if (strcmp(old->meta, "{}") == 0 && !meta)
        abort();
    again(&r, patch);
    by_difference(old, body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sk_twin_section empty = { "{}", "{}", 0 };
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_twin_result_done) struct sk_twin_result old = { .is_changed = false };
    SK_OWN(free) char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    size_t len = strcspn(text, "\n");
    SK_OWN(sk_json_free) struct sk_json *section = parse(text, len);
    const char *second = text + len + (text[len] == '\n');
    len = strcspn(second, "\n");
    SK_OWN(sk_json_free) struct sk_json *patch = parse(second, len);
    const char *third = second + len + (second[len] == '\n');
    if (!patch || sk_twin_replace(SK_TWIN_DESIRED, &empty, section, 1, 500, &old, &err) < 0)
        return 0;
    merge(&(struct sk_twin_section){ old.body.data, old.meta.data, 1 }, patch);
    merge(&(struct sk_twin_section){ old.body.data, *third ? third : "{}", 1 }, patch);
    return 0;
}
