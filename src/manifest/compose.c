/*
 * compose.c - layers over a base: one desired section per module.
 *
 * What results is first a tree of nodes in an arena. A node is a value borrowed from a layer, or,
 * where a dotted path leads into it, an object with its members as nodes. The tree is then written
 * as text and read again, so the result is a document of its own.
 *
 *     layer 1  "properties.desired": {"a":{"x":1,"y":2}}     {"a":{"x":1,"y":2}}
 *     layer 2  "properties.desired.a.x": 5                   {"a":{"x":5,"y":2}}
 *     layer 3  "properties.desired.b.c": 7                   {"a":{...},"b":{"c":7}}
 *
 * "$version" and "$metadata" at the top of a whole section are the hub's own, not anyone's wish:
 * they are left out. So are members that are null: a layer can take away what a lower one gave.
 */
#include "base/arena.h"
#include "manifest/manifest_priv.h"

#include <stdio.h>
#include <string.h>

enum {
    TREE_BYTES = 8 << 20,
    TEXT_BYTES = 64 << 20
};

struct node {
    const char *key;
    const struct sk_json *value; /* NULL: an object of the members */
    struct node *first, *last, *next;
};

struct tree {
    struct sk_arena arena;
    struct node root;
    size_t count;
};

static void tree_done(struct tree *t)
{
    sk_arena_done(&t->arena);
}

static struct node *find(struct node *in, const char *key)
{
    for (struct node *n = in->first; n; n = n->next)
        if (strcmp(n->key, key) == 0)
            return n;
    return NULL;
}

static int append(struct tree *t, struct node *in, const char *key, const struct sk_json *value,
                  struct node **out, struct sk_err *err)
{
    struct node *n;

    if (++t->count > SK_MANIFEST_NODES_MAX)
        return sk_fail(err, SK_LIMIT, "layers set more than %d values", SK_MANIFEST_NODES_MAX);
    n = sk_arena_alloc(&t->arena, sizeof(*n));
    if (!n)
        return sk_nomem(err);
    *n = (struct node){ .key = key, .value = value };
    if (in->last)
        in->last->next = n;
    else
        in->first = n;
    in->last = n;
    if (out)
        *out = n;
    return 0;
}

/* A value becomes an object of nodes; what is no object becomes an empty one. */
static int open_up(struct tree *t, struct node *n, struct sk_err *err)
{
    const struct sk_json *value = n->value;

    n->value = NULL;
    if (!value || sk_json_type(value) != SK_JSON_OBJECT)
        return 0;
    for (void *it = sk_json_first(value); it; it = sk_json_next(value, it))
        if (append(t, n, sk_json_key(it), sk_json_value(it), NULL, err) < 0)
            return -1;
    return 0;
}

/* The member of this name, made when there is none. */
static int step_into(struct tree *t, struct node *in, const char *key, struct node **out,
                     struct sk_err *err)
{
    *out = find(in, key);
    if (*out)
        return 0;
    return append(t, in, key, NULL, out, err);
}

static void set(struct node *n, const struct sk_json *value)
{
    n->value = value;
    n->first = n->last = NULL;
}

static int set_path(struct tree *t, struct node *module, const char *path,
                    const struct sk_json *value, struct sk_err *err)
{
    char *rest = sk_arena_strndup(&t->arena, path, strlen(path));
    const char *part;
    struct node *n = module;

    if (!rest)
        return sk_nomem(err);
    while (rest) {
        if (!sk_manifest_next_part(&rest, &part))
            return sk_fail(err, SK_INVALID, "'properties.desired.%s': a part between dots is empty",
                           path);
        if (n->value && open_up(t, n, err) < 0)
            return -1;
        if (step_into(t, n, part, &n, err) < 0)
            return -1;
    }
    set(n, value);
    return 0;
}

static int replace_whole(struct tree *t, struct node *module, const struct sk_json *value,
                         struct sk_err *err)
{
    set(module, NULL);
    for (void *it = sk_json_first(value); it; it = sk_json_next(value, it)) {
        const char *key = sk_json_key(it);

        if (strcmp(key, "$version") != 0 && strcmp(key, "$metadata") != 0 &&
            append(t, module, key, sk_json_value(it), NULL, err) < 0)
            return -1;
    }
    return 0;
}

/* The whole section first, wherever it stands, then the paths. */
static int add_module(struct tree *t, const char *name, const struct sk_json *module,
                      struct sk_err *err)
{
    const struct sk_json *whole = sk_json_get(module, sk_manifest_desired);
    struct node *n;

    if (sk_json_type(module) != SK_JSON_OBJECT || sk_json_count(module) == 0)
        return 0;
    if (step_into(t, &t->root, name, &n, err) < 0)
        return -1;
    if (whole && sk_json_type(whole) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "'properties.desired' must be an object, not %s",
                       sk_json_type_name(sk_json_type(whole)));
    if (whole && replace_whole(t, n, whole, err) < 0)
        return -1;
    for (void *it = sk_json_first(module); it; it = sk_json_next(module, it)) {
        const char *path = sk_manifest_path_of(sk_json_key(it));

        if (path && *path && set_path(t, n, path, sk_json_value(it), err) < 0)
            return -1;
    }
    return 0;
}

/* ---- writing ---- */

static void begin_member(struct sk_buf *out, const char **before, const char *key)
{
    sk_buf_str(out, *before);
    *before = ",";
    sk_buf_json_str(out, key);
    sk_buf_chr(out, ':');
}

/* A twin's text is short: in pieces, as the tools cut it. */
static void put_create_options(struct sk_buf *out, const char **before, const struct sk_buf *json)
{
    size_t at = 0;

    for (size_t i = 0; at < json->len; i++) {
        char key[40] = "createOptions";
        size_t len = json->len - at;

        if (len > SK_MANIFEST_TEXT_MAX)
            len = SK_MANIFEST_TEXT_MAX;
        while (at + len < json->len && ((unsigned char)json->data[at + len] & 0xC0) == 0x80)
            len--;
        if (i > 0)
            (void)snprintf(key, sizeof(key), "createOptions%02zu", i);
        begin_member(out, before, key);
        sk_buf_json(out, json->data + at, len);
        at += len;
    }
}

static void write_node(const struct node *n, bool is_agent, struct sk_buf *out);

/* createOptions of a module, given as an object: labels and the like have names that no twin may
 * have, so it becomes text, as which edgeAgent knows it best. */
static bool is_create_options(bool is_agent, const char *parent, const char *key)
{
    return is_agent && strcmp(parent, "settings") == 0 && strcmp(key, "createOptions") == 0;
}

/* null takes a member away, as in every twin; in arrays it stays. */
static void write_value(const struct sk_json *v, bool is_agent, const char *name,
                        struct sk_buf *out)
{
    const char *before = "";

    if (sk_json_type(v) != SK_JSON_OBJECT) {
        sk_json_dump(v, out);
        return;
    }
    sk_buf_chr(out, '{');
    for (void *it = sk_json_first(v); it; it = sk_json_next(v, it)) {
        const struct sk_json *member = sk_json_value(it);
        const char *key = sk_json_key(it);

        if (sk_json_type(member) == SK_JSON_NULL)
            continue;
        if (sk_json_type(member) == SK_JSON_OBJECT && is_create_options(is_agent, name, key)) {
            SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(TEXT_BYTES);

            sk_json_dump(member, &json);
            put_create_options(out, &before, &json);
            continue;
        }
        begin_member(out, &before, key);
        write_value(member, is_agent, key, out);
    }
    sk_buf_chr(out, '}');
}

static void write_members(const struct node *n, bool is_agent, struct sk_buf *out)
{
    const char *before = "";

    for (const struct node *m = n->first; m; m = m->next) {
        if (m->value && sk_json_type(m->value) == SK_JSON_NULL)
            continue;
        bool is_object = !m->value || sk_json_type(m->value) == SK_JSON_OBJECT;

        if (is_object && n->key && is_create_options(is_agent, n->key, m->key)) {
            SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(TEXT_BYTES);

            write_node(m, false, &json);
            put_create_options(out, &before, &json);
            continue;
        }
        begin_member(out, &before, m->key);
        write_node(m, is_agent, out);
    }
}

static void write_node(const struct node *n, bool is_agent, struct sk_buf *out)
{
    if (n->value) {
        write_value(n->value, is_agent, n->key, out);
        return;
    }
    sk_buf_chr(out, '{');
    write_members(n, is_agent, out);
    sk_buf_chr(out, '}');
}

static void write_modules(const struct tree *t, struct sk_buf *out)
{
    const char *before = "";

    sk_buf_chr(out, '{');
    for (const struct node *m = t->root.first; m; m = m->next) {
        begin_member(out, &before, m->key);
        write_node(m, strcmp(m->key, "$edgeAgent") == 0, out);
    }
    sk_buf_chr(out, '}');
}

/* A path is at most as deep as its dots, so this bounds the recursion of write_node(). */
static bool is_too_deep(const char *path)
{
    size_t dots = 0;

    for (; *path; path++)
        dots += *path == '.';
    return dots >= SK_MANIFEST_DEPTH_MAX;
}

static int check_paths(const struct sk_json *module, struct sk_err *err)
{
    for (void *it = sk_json_first(module); it; it = sk_json_next(module, it)) {
        const char *path = sk_manifest_path_of(sk_json_key(it));

        if (path && is_too_deep(path))
            return sk_fail(err, SK_LIMIT, "a path of more than %d parts", SK_MANIFEST_DEPTH_MAX);
    }
    return 0;
}

int sk_manifest_compose(const struct sk_json *const *layers, size_t count, struct sk_json **out,
                        struct sk_err *err)
{
    SK_AUTO(tree_done) struct tree t = { .arena = SK_ARENA_INIT(TREE_BYTES) };
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(TEXT_BYTES);

    for (size_t i = 0; i < count; i++) {
        for (void *it = sk_json_first(layers[i]); it; it = sk_json_next(layers[i], it)) {
            const char *name = sk_json_key(it);

            if (check_paths(sk_json_value(it), err) < 0 ||
                add_module(&t, name, sk_json_value(it), err) < 0)
                return sk_wrap(err, "layer %zu: %s", i + 1, name);
        }
    }
    write_modules(&t, &text);
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    return sk_json_parse(text.data, text.len, NULL, out, err);
}
