/*
 * bag.c - property bags: "a=b&%24.ct=text%2Fplain".
 *
 * A decoded name or value is never longer than its encoded form, and every one is followed by a
 * separator or the end; so one reservation of raw.len + 1 bytes holds all of them with a NUL behind
 * each, and the views stay where they are. The count bounds the pairs as they came, duplicates
 * too, which bounds the search for duplicates.
 */
#include "iot/iot_priv.h"

#include <string.h>

/* Decodes v to *at, with a NUL behind it, and moves *at. */
static bool put(struct sk_view v, char **at, struct sk_view *out)
{
    size_t len = 0;
    if (!sk_iot_unescape(v, *at, &len))
        return false;
    *out = (struct sk_view){ *at, len };
    (*at)[len] = '\0';
    *at += len + 1;
    return true;
}

static struct sk_iot_property *place_of(struct sk_iot_bag *bag, struct sk_view name)
{
    for (size_t i = 0; i < bag->count; i++)
        if (bag->items[i].name.len == name.len &&
            memcmp(bag->items[i].name.ptr, name.ptr, name.len) == 0)
            return &bag->items[i];
    return &bag->items[bag->count++];
}

static int read_items(struct sk_view raw, struct sk_iot_bag *bag, char *at, struct sk_err *err)
{
    for (size_t pairs = 0; raw.len > 0;) {
        struct sk_view item, name;
        struct sk_iot_property p;
        (void)sk_iot_cut(&raw, '&', &item);
        if (item.len == 0)
            continue;
        if (pairs++ == SK_IOT_PROPERTIES_MAX)
            return sk_fail(err, SK_LIMIT, "more than %d properties", SK_IOT_PROPERTIES_MAX);
        p.has_value = sk_iot_cut(&item, '=', &name);
        p.value = SK_VIEW("");
        if (name.len == 0)
            return sk_fail(err, SK_INVALID, "property %zu has no name", pairs);
        if (!put(name, &at, &p.name) || (p.has_value && !put(item, &at, &p.value)))
            return sk_fail(err, SK_INVALID, "property %zu is malformed", pairs);
        *place_of(bag, p.name) = p;
    }
    return 0;
}

int sk_iot_bag_parse(struct sk_view raw, struct sk_iot_bag *out, struct sk_err *err)
{
    out->count = 0;
    out->text.ceiling = SK_IOT_BAG_MAX + 1;
    sk_buf_clear(&out->text);
    if (raw.len > SK_IOT_BAG_MAX)
        return sk_fail(err, SK_LIMIT, "more than %d bytes of properties", SK_IOT_BAG_MAX);
    char *at = sk_buf_reserve(&out->text, raw.len + 1);
    if (!at)
        return sk_buf_fail(&out->text, err);
    if (read_items(raw, out, at, err) == 0)
        return 0;
    out->count = 0;
    return -1;
}

void sk_iot_bag_done(struct sk_iot_bag *bag)
{
    if (!bag)
        return;
    sk_buf_done(&bag->text);
    bag->count = 0;
}

const struct sk_iot_property *sk_iot_bag_find(const struct sk_iot_bag *bag, const char *name)
{
    for (size_t i = 0; i < bag->count; i++)
        if (sk_view_eq(bag->items[i].name, name))
            return &bag->items[i];
    return NULL;
}

void sk_iot_bag_add(struct sk_buf *out, bool *is_first, const char *name, const char *value)
{
    if (!*is_first)
        sk_buf_chr(out, '&');
    *is_first = false;
    sk_buf_percent(out, name, strlen(name), "");
    if (!value)
        return;
    sk_buf_chr(out, '=');
    sk_buf_percent(out, value, strlen(value), "");
}

size_t sk_iot_message_size(size_t body, const struct sk_iot_bag *bag)
{
    size_t size = body;
    for (size_t i = 0; i < bag->count; i++) {
        const struct sk_iot_property *p = &bag->items[i];
        bool is_system = (p->name.len >= 2 && memcmp(p->name.ptr, "$.", 2) == 0) ||
                         sk_iot_system_by_wire(p->name) != NULL;
        size += p->value.len + (is_system ? 0 : p->name.len);
    }
    return size;
}
