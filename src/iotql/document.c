/*
 * document.c - a path in a JSON document as SQL.
 *
 * JSON paths quote each name: $."a"."b"[0]. SQLite finds no name with " or \ in this way (what
 * escapes mean there differs between its versions), so those are looked for with json_each: the
 * path is cut behind each of them, and each piece is a row of the document found by the piece
 * before. Paths and names are bound.
 */
#include "iotql/iotql_priv.h"

#include <string.h>

static int add_text(struct sk_iotql *q, struct sk_view text, size_t *number, struct sk_err *err)
{
    return sk_iotql_add_value(q, &(struct literal){ .class = C_TEXT, .text = text }, number, err);
}

/* Not to be found by a path of SQLite; JSON writes such letters with a backslash. */
static bool is_hard(struct sk_view name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] == '"' || name.ptr[i] == '\\' || (unsigned char)name.ptr[i] < 0x20)
            return true;
    return false;
}

static int bind_json_path(struct sk_iotql *q, struct sk_buf *path, size_t *number,
                          struct sk_err *err)
{
    char *copy;

    if (!sk_buf_ok(path))
        return sk_buf_fail(path, err);
    copy = sk_arena_strndup(&q->arena, path->data, path->len);
    if (!copy)
        return sk_nomem(err);
    return add_text(q, (struct sk_view){ copy, path->len }, number, err);
}

static int bind_path(struct sk_iotql *q, struct node *n, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(2 * SK_IOTQL_TEXT_MAX);

    sk_buf_chr(&path, '$');
    for (size_t i = n->used; i < n->path.count; i++) {
        const struct segment *s = &n->path.segments[i];

        if (s->is_index) {
            sk_buf_fmt(&path, "[%.*s]", (int)s->name.len, s->name.ptr);
        } else if (is_hard(s->name)) {
            struct hard_name *h = &n->hard[n->hard_count];

            if (n->hard_count == SK_IOTQL_HARD_MAX)
                return sk_fail(err, SK_LIMIT,
                               "a path has more than %d names with quotes or backslashes",
                               SK_IOTQL_HARD_MAX);
            if (bind_json_path(q, &path, &h->prefix, err) < 0 ||
                add_text(q, s->name, &h->name, err) < 0)
                return -1;
            n->hard_count++;
            sk_buf_clear(&path);
            sk_buf_chr(&path, '$');
        } else {
            sk_buf_str(&path, ".\"");
            sk_buf_add(&path, s->name.ptr, s->name.len);
            sk_buf_chr(&path, '"');
        }
    }
    n->ends_hard = n->hard_count > 0 && path.len == 1;
    if (n->ends_hard) { /* a value that the SQL does not have cannot be bound */
        n->bound = n->hard[n->hard_count - 1].name;
        return 0;
    }
    return bind_json_path(q, &path, &n->bound, err);
}

/* (SELECT f(value of h1, rest) FROM json_each(doc, prefix) h0, json_each(value of h0, prefix) h1
 *  WHERE h0.key = name AND h1.key = name) */
static void emit_hard(const struct node *n, const char *function, struct sk_buf *out)
{
    static const char value[] = "CASE WHEN h%zu.type IN ('object', 'array') THEN h%zu.value END";
    size_t last = n->hard_count - 1;

    sk_buf_str(out, "(SELECT ");
    if (n->ends_hard) {
        sk_buf_fmt(out, "h%zu.%s", last, strcmp(function, "json_type") == 0 ? "type" : "value");
    } else {
        sk_buf_fmt(out, "%s(", function);
        sk_buf_fmt(out, value, last, last);
        sk_buf_fmt(out, ", ?%zu)", n->bound);
    }
    for (size_t i = 0; i < n->hard_count; i++) {
        sk_buf_str(out, i ? ", json_each(" : " FROM json_each(");
        if (i == 0)
            sk_buf_str(out, n->field->sql);
        else
            sk_buf_fmt(out, value, i - 1, i - 1);
        sk_buf_fmt(out, ", ?%zu) h%zu", n->hard[i].prefix, i);
    }
    for (size_t i = 0; i < n->hard_count; i++)
        sk_buf_fmt(out, "%s h%zu.key = ?%zu", i ? " AND" : " WHERE", i, n->hard[i].name);
    sk_buf_chr(out, ')');
}

int sk_iotql_emit_json(struct sk_iotql *q, struct node *n, const char *function, struct sk_buf *out,
                       struct sk_err *err)
{
    q->uses_twin = true;
    if (n->bound == 0 && bind_path(q, n, err) < 0)
        return -1;
    if (n->hard_count > 0)
        emit_hard(n, function, out);
    else
        sk_buf_fmt(out, "%s(%s, ?%zu)", function, n->field->sql, n->bound);
    return 0;
}
