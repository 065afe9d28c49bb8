/*
 * twin_merge.c - a section and a patch, or its replacement, become the next section.
 *
 * The old body is parsed; the old metadata, three times its size, is not: it has the same members
 * in the same order, so a cursor over its text keeps step with the walk and whole spans are copied.
 *
 *     body  {"a":1,        "b":{"c":2}}
 *     meta  {"$lastUpdated":T,["$lastUpdatedVersion":n,] "a":{"$lastUpdated":T},
 *            "b":{"$lastUpdated":T,"c":{"$lastUpdated":T}}}
 *
 * One walk serves both. The next section's body, metadata and, for a replacement, the patch are
 * written at once, with the marks of a change in front; where an object turns out equal, the
 * metadata and patch written for it are taken back, and the old metadata's span is copied. Old
 * members keep their places, new ones come behind; this is what keeps the step.
 *
 * Metadata that lost the step (there is none for a member) costs that member's $lastUpdated, and
 * nothing else. jansson's order of members is that of insertion.
 */
#include "iot/iot_priv.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <string.h>

enum {
    META_MAX = 1 << 20, /* a member of 6 bytes, and a section has at most 5,461, takes 95 */
    HEAD_MAX = 128
};

struct walk {
    bool is_replacing;
    bool has_meta;
    struct sk_buf *body, *meta;
    struct sk_buf *patch; /* of a replacement; NULL for a merge */
    struct sk_buf key;    /* the current member's name with its quotes */
    struct sk_buf head;   /* {"$lastUpdated":"..","$lastUpdatedVersion":n */
};

/* ---- the cursor over old metadata ---- */

struct cursor {
    const char *at, *end;
};

/* A member of an object of metadata; all empty: none. */
struct span {
    struct sk_view all; /* "name":value */
    struct sk_view key; /* with its quotes */
    struct sk_view value;
};

/* The end of the text that begins at p; NULL: it has none. */
static const char *skip_text(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++)
        if (*p == '\\' && ++p == end)
            return NULL;
    return p < end ? p + 1 : NULL;
}

/* The same of any value: a text, an object, or a number. */
static const char *skip_value(const char *p, const char *end)
{
    size_t depth = 0;
    while (p && p < end) {
        char c = *p;
        if (depth == 0 && (c == ',' || c == '}'))
            return p;
        if (c == '"') {
            p = skip_text(p, end);
            continue;
        }
        depth += c == '{';
        depth -= c == '}';
        p++;
    }
    return depth == 0 ? p : NULL;
}

/* The member at the cursor, which stays. */
static struct span peek(const struct cursor *c)
{
    static const struct span none;
    const char *key_end = c->at < c->end && *c->at == '"' ? skip_text(c->at, c->end) : NULL;
    if (!key_end || key_end == c->end || *key_end != ':')
        return none;
    const char *value_end = skip_value(key_end + 1, c->end);
    if (!value_end)
        return none;
    return (struct span){ { c->at, (size_t)(value_end - c->at) },
                          { c->at, (size_t)(key_end - c->at) },
                          { key_end + 1, (size_t)(value_end - key_end - 1) } };
}

static void step(struct cursor *c, const struct span *s)
{
    c->at = s->all.ptr + s->all.len;
    c->at += c->at < c->end && *c->at == ',';
}

/* Behind the "$lastUpdated" and "$lastUpdatedVersion" of an object of metadata. */
static struct cursor enter(struct sk_view meta)
{
    if (meta.len < 2 || meta.ptr[0] != '{')
        return (struct cursor){ NULL, NULL };
    struct cursor c = { meta.ptr + 1, meta.ptr + meta.len - 1 };
    for (struct span s = peek(&c); s.key.len > 2 && s.key.ptr[1] == '$'; s = peek(&c))
        step(&c, &s);
    return c;
}

/* The metadata of the member whose name is in w->key, if it comes next. */
static struct span take(const struct walk *w, struct cursor *c)
{
    static const struct span none;
    if (!w->has_meta)
        return none;
    struct span s = peek(c);
    if (s.key.len == 0 || s.key.len != w->key.len || memcmp(s.key.ptr, w->key.data, s.key.len) != 0)
        return none;
    step(c, &s);
    return s;
}

/* ---- writing ---- */

static void back_to(struct sk_buf *b, size_t mark)
{
    if (!sk_buf_ok(b) || !b->data)
        return;
    b->len = mark;
    b->data[mark] = '\0';
}

/* "name": behind what is there. */
static void add_key(const struct walk *w, struct sk_buf *out)
{
    sk_iot_write_comma(out);
    sk_buf_add(out, w->key.data, w->key.len);
    sk_buf_chr(out, ':');
}

/* Metadata of a value that is new as a whole. */
static void add_new_meta(struct walk *w, const struct sk_json *v)
{
    sk_buf_add(w->meta, w->head.data, w->head.len);
    if (sk_json_type(v) == SK_JSON_OBJECT) {
        for (void *it = sk_json_first(v); it; it = sk_json_next(v, it)) {
            if (sk_json_type(sk_json_value(it)) == SK_JSON_NULL)
                continue;
            sk_iot_write_comma(w->meta);
            sk_buf_json_str(w->meta, sk_json_key(it));
            sk_buf_chr(w->meta, ':');
            add_new_meta(w, sk_json_value(it));
        }
    }
    sk_buf_chr(w->meta, '}');
}

/* The member whose name is in w->key gets this value. */
static void set(struct walk *w, const struct sk_json *v)
{
    add_key(w, w->body);
    sk_iot_write_value(v, SK_IOT_NO_NULLS, w->body);
    if (w->has_meta) {
        add_key(w, w->meta);
        add_new_meta(w, v);
    }
    if (w->patch) {
        add_key(w, w->patch);
        sk_iot_write_value(v, SK_IOT_NO_NULLS, w->patch);
    }
}

static void keep_meta(const struct walk *w, const struct span *old)
{
    if (old->all.len == 0)
        return;
    sk_iot_write_comma(w->meta);
    sk_buf_add(w->meta, old->all.ptr, old->all.len);
}

/* ---- the walk ---- */

static bool walk_object(struct walk *w, const struct sk_json *old, struct sk_view old_meta,
                        const struct sk_json *now, bool is_top);

/* Both are objects. */
static bool nest(struct walk *w, const struct sk_json *old, const struct span *old_meta,
                 const struct sk_json *now)
{
    const size_t meta_mark = w->meta->len;
    const size_t patch_mark = w->patch ? w->patch->len : 0;
    add_key(w, w->body);
    if (w->has_meta)
        add_key(w, w->meta);
    if (w->patch)
        add_key(w, w->patch);
    if (walk_object(w, old, old_meta->value, now, false))
        return true;
    back_to(w->meta, meta_mark);
    keep_meta(w, old_meta);
    if (w->patch)
        back_to(w->patch, patch_mark);
    return false;
}

/* A member that was there. Returns whether it changed, as the others do. */
static bool walk_member(struct walk *w, const struct sk_json *old, const struct span *old_meta,
                        const struct sk_json *now)
{
    const bool is_removed = now ? sk_json_type(now) == SK_JSON_NULL : w->is_replacing;
    if (is_removed) {
        if (w->patch) {
            add_key(w, w->patch);
            sk_buf_str(w->patch, "null");
        }
        return true;
    }
    if (now && sk_json_type(old) == SK_JSON_OBJECT && sk_json_type(now) == SK_JSON_OBJECT)
        return nest(w, old, old_meta, now);
    if (now && !sk_json_equal(old, now)) {
        set(w, now);
        return true;
    }
    add_key(w, w->body);
    sk_iot_write_value(old, SK_IOT_NO_NULLS, w->body);
    keep_meta(w, old_meta);
    return false;
}

static void name_key(struct walk *w, const char *name)
{
    if (!sk_buf_ok(&w->key))
        return; /* a clear would forget it */
    sk_buf_clear(&w->key);
    sk_buf_json_str(&w->key, name);
}

static bool walk_object(struct walk *w, const struct sk_json *old, struct sk_view old_meta,
                        const struct sk_json *now, bool is_top)
{
    struct cursor c = enter(old_meta);
    bool is_changed = false;

    sk_buf_chr(w->body, '{');
    if (w->has_meta)
        sk_buf_add(w->meta, w->head.data, w->head.len);
    if (w->patch)
        sk_buf_chr(w->patch, '{');
    for (void *it = sk_json_first(old); it; it = sk_json_next(old, it)) {
        const char *name = sk_json_key(it);
        name_key(w, name);
        struct span meta = take(w, &c);
        is_changed |= walk_member(w, sk_json_value(it), &meta, sk_json_get(now, name));
    }
    for (void *it = sk_json_first(now); it; it = sk_json_next(now, it)) {
        const char *name = sk_json_key(it);
        if (sk_json_type(sk_json_value(it)) == SK_JSON_NULL || sk_json_get(old, name) ||
            (is_top && sk_twin_is_extra(name)))
            continue;
        name_key(w, name);
        set(w, sk_json_value(it));
        is_changed = true;
    }
    sk_buf_chr(w->body, '}');
    if (w->has_meta)
        sk_buf_chr(w->meta, '}');
    if (w->patch)
        sk_buf_chr(w->patch, '}');
    return is_changed;
}

/* ---- a section ---- */

static size_t most(enum sk_twin_part part)
{
    return part == SK_TWIN_TAGS ? SK_TWIN_TAGS_MAX : SK_TWIN_SECTION_MAX;
}

static int read_old(const struct sk_twin_section *old, struct sk_json **out, struct sk_err *err)
{
    const char *text = old->body ? old->body : "{}";
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    if (sk_json_parse(text, strlen(text), NULL, &doc, err) < 0)
        return err->code == SK_NOMEM ? -1
                                     : sk_fail(err, SK_CORRUPT, "the stored section is no JSON");
    if (sk_json_type(doc) != SK_JSON_OBJECT)
        return sk_fail(err, SK_CORRUPT, "the stored section is no object");
    *out = SK_TAKE(doc);
    return 0;
}

static void write_head(enum sk_twin_part part, int64_t version, int64_t now_ms, struct sk_buf *out)
{
    char time[SK_TIME_TEXT];
    sk_time_text(now_ms > 0 ? (uint64_t)now_ms : 0, time);
    sk_buf_str(out, "{\"$lastUpdated\":\"");
    sk_buf_str(out, time);
    sk_buf_chr(out, '"');
    if (part != SK_TWIN_DESIRED)
        return;
    sk_buf_str(out, ",\"$lastUpdatedVersion\":");
    sk_buf_i64(out, version);
}

/* The patch's members as they were sent. */
static void write_sent(const struct sk_json *patch, struct sk_buf *out)
{
    sk_buf_chr(out, '{');
    for (void *it = sk_json_first(patch); it; it = sk_json_next(patch, it)) {
        if (sk_twin_is_extra(sk_json_key(it)))
            continue;
        sk_iot_write_comma(out);
        sk_buf_json_str(out, sk_json_key(it));
        sk_buf_chr(out, ':');
        sk_iot_write_value(sk_json_value(it), SK_IOT_ALL, out);
    }
    sk_buf_chr(out, '}');
}

static void add_version(enum sk_twin_part part, int64_t version, struct sk_buf *patch)
{
    if (part == SK_TWIN_TAGS || patch->len == 0)
        return;
    back_to(patch, patch->len - 1);
    sk_iot_write_comma(patch);
    sk_buf_str(patch, "\"$version\":");
    sk_buf_i64(patch, version);
    sk_buf_chr(patch, '}');
}

static int end(enum sk_twin_part part, const struct walk *w, const struct sk_twin_result *r,
               struct sk_err *err)
{
    static const char *const names[] = {
        [SK_TWIN_DESIRED] = "properties.desired",
        [SK_TWIN_REPORTED] = "properties.reported",
        [SK_TWIN_TAGS] = "tags",
    };
    if (!sk_buf_ok(&w->key) || !sk_buf_ok(&w->head))
        return sk_buf_fail(sk_buf_ok(&w->key) ? &w->head : &w->key, err);
    if (r->body.failed == SK_LIMIT)
        return sk_fail(err, SK_TOO_LARGE, "%s: more than %zu bytes", names[part], most(part));
    if (!sk_buf_ok(&r->body))
        return sk_buf_fail(&r->body, err);
    if (r->patch.failed == SK_LIMIT)
        return sk_fail(err, SK_TOO_LARGE, "%s: a patch of more than %d bytes", names[part],
                       SK_TWIN_PATCH_MAX);
    if (!sk_buf_ok(&r->patch))
        return sk_buf_fail(&r->patch, err);
    return sk_buf_ok(&r->meta) ? 0 : sk_buf_fail(&r->meta, err);
}

static int run(enum sk_twin_part part, bool is_replacing, const struct sk_twin_section *old,
               const struct sk_json *now, int64_t version, int64_t now_ms,
               struct sk_twin_result *out, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    SK_AUTO(sk_twin_result_done)
    struct sk_twin_result r = {
        .body = SK_BUF_INIT(most(part)),
        .meta = SK_BUF_INIT(META_MAX),
        .patch = SK_BUF_INIT(SK_TWIN_PATCH_MAX),
    };
    struct walk w = {
        .is_replacing = is_replacing,
        .has_meta = part != SK_TWIN_TAGS,
        .body = &r.body,
        .meta = &r.meta,
        .patch = is_replacing ? &r.patch : NULL,
        .key = SK_BUF_INIT(6 * SK_TWIN_KEY_MAX + 2),
        .head = SK_BUF_INIT(HEAD_MAX),
    };
    const char *meta = old->meta && w.has_meta ? old->meta : "{}";

    if (sk_twin_check(part, now, err) < 0 || read_old(old, &doc, err) < 0)
        return -1;
    write_head(part, version, now_ms, &w.head);
    r.is_changed = walk_object(&w, doc, sk_view_of(meta), now, true);
    if (!r.is_changed || !w.has_meta) {
        back_to(&r.meta, 0);
        sk_buf_str(&r.meta, meta);
    }
    if (!is_replacing)
        write_sent(now, &r.patch);
    add_version(part, version, &r.patch);
    int rc = end(part, &w, &r, err);
    sk_buf_done(&w.key);
    sk_buf_done(&w.head);
    if (rc < 0)
        return -1;
    *out = r;
    r = (struct sk_twin_result){ .is_changed = false };
    return 0;
}

int sk_twin_merge(enum sk_twin_part part, const struct sk_twin_section *old,
                  const struct sk_json *patch, int64_t version, int64_t now_ms,
                  struct sk_twin_result *out, struct sk_err *err)
{
    return run(part, false, old, patch, version, now_ms, out, err);
}

int sk_twin_replace(enum sk_twin_part part, const struct sk_twin_section *old,
                    const struct sk_json *section, int64_t version, int64_t now_ms,
                    struct sk_twin_result *out, struct sk_err *err)
{
    return run(part, true, old, section, version, now_ms, out, err);
}

void sk_twin_result_done(struct sk_twin_result *r)
{
    if (!r)
        return;
    sk_buf_done(&r->body);
    sk_buf_done(&r->meta);
    sk_buf_done(&r->patch);
}
