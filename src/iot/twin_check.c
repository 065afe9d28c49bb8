/*
 * twin_check.c - whether a patch or a section is acceptable.
 *
 * One walk over the values. Each level leaves a link to its parent on the stack; only a complaint
 * turns the links into a path: "properties.reported.a.b: ...". The depth is checked on the way
 * down, so the walk is never deeper than what is allowed. Levels are the objects and arrays below
 * the section, which itself is none.
 */
#include "iot/iot_priv.h"

#include <string.h>

enum {
    PATH_MAX_BYTES = 240 /* of the path in an error; the reason must still fit behind it */
};

static const int64_t int_max = (int64_t)1 << 52;

struct link {
    const struct link *parent; /* NULL: the section */
    const char *name;          /* NULL: an element of an array */
    size_t index;
    unsigned level; /* containers above, the section not counted */
};

static void add_path(const struct link *at, struct sk_buf *out)
{
    if (at->parent)
        add_path(at->parent, out);
    if (at->parent && !at->name)
        sk_buf_fmt(out, "[%zu]", at->index);
    else if (at->parent)
        sk_buf_chr(out, '.');
    if (at->name)
        sk_buf_str(out, at->name);
}

static int refuse(const struct link *at, enum sk_code code, const char *why, struct sk_err *err)
{
    struct sk_buf path = SK_BUF_INIT(1 << 16);
    add_path(at, &path);
    size_t len = 0;
    while (len < path.len && len + 4 <= PATH_MAX_BYTES) {
        size_t n = sk_utf8_step(path.data + len, path.len - len);
        len += n ? n : 1;
    }
    (void)sk_fail(err, code, "%.*s%s: %s", (int)len, path.data ? path.data : "",
                  len < path.len ? "..." : "", why);
    sk_buf_done(&path);
    return -1;
}

/* C0, DEL, C1 (U+0080 to U+009F) and what paths, queries and metadata are made of. */
static bool has_bad_sign(const char *name)
{
    for (const unsigned char *p = (const unsigned char *)name; *p; p++)
        if (*p <= ' ' || *p == 0x7f || *p == '.' || *p == '$' || *p == '#' ||
            (p[0] == 0xc2 && p[1] < 0xa0))
            return true;
    return false;
}

static int check_value(const struct link *at, const struct sk_json *v, struct sk_err *err);

static int check_name(const struct link *at, struct sk_err *err)
{
    if (at->name[0] == '\0')
        return refuse(at, SK_INVALID, "a name is empty", err);
    if (strlen(at->name) > SK_TWIN_KEY_MAX)
        return refuse(at, SK_LIMIT, "the name has more than 1024 bytes", err);
    if (has_bad_sign(at->name))
        return refuse(at, SK_INVALID,
                      "names are without control characters, '.', '$', '#' and space", err);
    return 0;
}

static int check_object(const struct link *at, const struct sk_json *object, struct sk_err *err)
{
    for (void *it = sk_json_first(object); it; it = sk_json_next(object, it)) {
        struct link child = { at, sk_json_key(it), 0, at->level + 1 };
        if (!at->parent && sk_twin_is_extra(child.name))
            continue;
        if (check_name(&child, err) < 0 || check_value(&child, sk_json_value(it), err) < 0)
            return -1;
    }
    return 0;
}

static int check_array(const struct link *at, const struct sk_json *array, struct sk_err *err)
{
    for (size_t i = 0; i < sk_json_count(array); i++) {
        const struct sk_json *v = sk_json_at(array, i);
        struct link child = { at, NULL, i, at->level + 1 };
        if (sk_json_type(v) == SK_JSON_NULL)
            return refuse(&child, SK_INVALID, "an array cannot hold null", err);
        if (check_value(&child, v, err) < 0)
            return -1;
    }
    return 0;
}

static int check_value(const struct link *at, const struct sk_json *v, struct sk_err *err)
{
    enum sk_json_type type = sk_json_type(v);
    int64_t n = sk_json_int(v, 0);

    if (type == SK_JSON_STRING && sk_json_text_len(v) > SK_TWIN_TEXT_MAX)
        return refuse(at, SK_LIMIT, "the text has more than 4096 bytes", err);
    if (type == SK_JSON_INT && (n > int_max || n < -int_max))
        return refuse(at, SK_INVALID, "the integer is beyond 2^52", err);
    if (type != SK_JSON_OBJECT && type != SK_JSON_ARRAY)
        return 0;
    if (at->level > SK_TWIN_DEPTH_MAX)
        return refuse(at, SK_LIMIT, "nested deeper than 10 levels", err);
    return type == SK_JSON_OBJECT ? check_object(at, v, err) : check_array(at, v, err);
}

int sk_twin_check(enum sk_twin_part part, const struct sk_json *patch, struct sk_err *err)
{
    static const char *const names[] = {
        [SK_TWIN_DESIRED] = "properties.desired",
        [SK_TWIN_REPORTED] = "properties.reported",
        [SK_TWIN_TAGS] = "tags",
    };
    struct link root = { NULL, names[part], 0, 0 };
    if (sk_json_type(patch) != SK_JSON_OBJECT)
        return refuse(&root, SK_INVALID, "expected an object", err);
    return check_object(&root, patch, err);
}
