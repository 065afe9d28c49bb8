/*
 * labels.c - names of classes, from wherever people keep them.
 *
 * The result is a list by class index without gaps: a missing index would shift nothing but make
 * one class nameless, which nobody wants and which is nearly always a damaged file, so it is an
 * error.
 */
#include "base/limits.h"
#include "base/str.h"
#include "bundle/bundle_priv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void sk_labels_done(struct sk_labels *l)
{
    for (size_t i = 0; l->names && i < l->count; i++)
        free(l->names[i]);
    free(l->names);
    *l = (struct sk_labels){ 0 };
}

static int make_room(struct sk_labels *l, size_t count, const char *what, struct sk_err *err)
{
    if (count > SK_LIMIT_LABELS)
        return sk_fail(err, SK_LIMIT, "'%s' has %zu labels, the limit is %u", what, count,
                       SK_LIMIT_LABELS);
    l->names = calloc(count + 1, sizeof(*l->names));
    if (!l->names)
        return sk_nomem(err);
    l->count = count;
    return 0;
}

/* Puts one label in its place; what is only for messages. */
static int put(struct sk_labels *l, const char *what, uint64_t index, const char *name, size_t len,
               struct sk_err *err)
{
    if (index >= l->count)
        return sk_fail(err, SK_INVALID,
                       "'%s': index %" PRIu64 " of %zu labels: they must count from 0 without gaps",
                       what, index, l->count);
    if (l->names[index])
        return sk_fail(err, SK_INVALID, "'%s': two labels for index %" PRIu64, what, index);
    l->names[index] = strndup(name, len);
    return l->names[index] ? 0 : sk_nomem(err);
}

/* ---- JSON ---- */

static int want_name(const struct sk_json *v, const char *what, const char *where,
                     struct sk_err *err)
{
    if (sk_json_type(v) == SK_JSON_STRING)
        return 0;
    return sk_fail(err, SK_INVALID, "'%s': label %s: expected a string, got %s", what, where,
                   sk_json_type_name(sk_json_type(v)));
}

static int from_list(const struct sk_json *list, const char *what, struct sk_labels *out,
                     struct sk_err *err)
{
    for (size_t i = 0; i < out->count; i++) {
        const struct sk_json *v = sk_json_at(list, i);
        char where[24];

        (void)snprintf(where, sizeof(where), "%zu", i);
        if (want_name(v, what, where, err) < 0 ||
            put(out, what, i, sk_json_text(v, ""), sk_json_text_len(v), err) < 0)
            return -1;
    }
    return 0;
}

static int from_id2label(const struct sk_json *object, const char *what, struct sk_labels *out,
                         struct sk_err *err)
{
    for (void *it = sk_json_first(object); it; it = sk_json_next(object, it)) {
        const struct sk_json *v = sk_json_value(it);
        uint64_t index;

        if (sk_parse_u64("index", sk_json_key(it), 0, UINT32_MAX, &index, err) < 0)
            return sk_wrap(err, "'%s'", what);
        if (want_name(v, what, sk_json_key(it), err) < 0 ||
            put(out, what, index, sk_json_text(v, ""), sk_json_text_len(v), err) < 0)
            return -1;
    }
    return 0;
}

static int from_label2id(const struct sk_json *object, const char *what, struct sk_labels *out,
                         struct sk_err *err)
{
    for (void *it = sk_json_first(object); it; it = sk_json_next(object, it)) {
        const struct sk_json *v = sk_json_value(it);
        const char *name = sk_json_key(it);
        uint64_t index;

        if (sk_json_type(v) == SK_JSON_STRING) { /* older exports quote them */
            if (sk_parse_u64("index", sk_json_text(v, ""), 0, UINT32_MAX, &index, err) < 0)
                return sk_wrap(err, "'%s': '%s'", what, name);
        } else if (sk_json_type(v) == SK_JSON_INT && sk_json_int(v, -1) >= 0) {
            index = (uint64_t)sk_json_int(v, 0);
        } else {
            return sk_fail(err, SK_INVALID, "'%s': '%s': expected an index from 0, got %s", what,
                           name, sk_json_type_name(sk_json_type(v)));
        }
        if (put(out, what, index, name, strlen(name), err) < 0)
            return -1;
    }
    return 0;
}

/* label2id has numbers on the right; id2label has numbers on the left. */
static bool is_label2id(const struct sk_json *object)
{
    void *it = sk_json_first(object);

    return it && sk_json_type(sk_json_value(it)) == SK_JSON_INT;
}

enum form {
    FORM_ID2LABEL,
    FORM_LABEL2ID,
    FORM_EITHER
};

static int read_labels(const struct sk_json *v, const char *what, enum form form,
                       struct sk_labels *out, struct sk_err *err)
{
    SK_AUTO(sk_labels_done) struct sk_labels l = { 0 };
    enum sk_json_type type = sk_json_type(v);
    int rc;

    if (type != SK_JSON_ARRAY && type != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "'%s': expected an object or array of labels, got %s", what,
                       sk_json_type_name(type));
    if (make_room(&l, sk_json_count(v), what, err) < 0)
        return -1;
    if (type == SK_JSON_ARRAY)
        rc = from_list(v, what, &l, err);
    else if (form == FORM_LABEL2ID || (form == FORM_EITHER && is_label2id(v)))
        rc = from_label2id(v, what, &l, err);
    else
        rc = from_id2label(v, what, &l, err);
    if (rc < 0)
        return -1;
    *out = l;
    l = (struct sk_labels){ 0 };
    return 0;
}

int sk_labels_from_json(const struct sk_json *v, const char *what, struct sk_labels *out,
                        struct sk_err *err)
{
    return read_labels(v, what, FORM_EITHER, out, err);
}

static bool is_given(const struct sk_json *v)
{
    return v && sk_json_type(v) != SK_JSON_NULL;
}

int sk_labels_from_config(const struct sk_json *config, struct sk_labels *out, struct sk_err *err)
{
    static const struct {
        const char *key;
        enum form form;
    } sources[] = { { "id2label", FORM_ID2LABEL },
                    { "label2id", FORM_LABEL2ID },
                    { "label_names", FORM_ID2LABEL } };

    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        const struct sk_json *v = sk_json_get(config, sources[i].key);

        if (is_given(v))
            return read_labels(v, sources[i].key, sources[i].form, out, err);
    }
    return 0;
}

/* ---- files ---- */

/* Takes the next line off *rest, without its end and spaces around it. */
static struct sk_view next_line(struct sk_view *rest)
{
    const char *end = memchr(rest->ptr, '\n', rest->len);
    struct sk_view line = { rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len };
    size_t taken = line.len + (end ? 1 : 0);

    rest->ptr += taken;
    rest->len -= taken;
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return sk_view_trim(line);
}

static int from_lines(struct sk_view text, const char *path, struct sk_labels *out,
                      struct sk_err *err)
{
    struct sk_view rest = text;
    size_t count = 0, line = 0;

    while (rest.len > 0) {
        struct sk_view l = next_line(&rest);

        line++;
        if (l.len > 0 && count + 1 != line)
            return sk_fail(err, SK_INVALID, "line %zu is empty: every line must hold a label",
                           count + 1);
        count += l.len > 0;
    }
    if (count == 0)
        return sk_fail(err, SK_INVALID, "no labels in it");
    if (make_room(out, count, path, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        struct sk_view l = next_line(&text);

        if (put(out, path, i, l.ptr, l.len, err) < 0)
            return -1;
    }
    return 0;
}

static int from_json_text(struct sk_view text, struct sk_labels *out, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    if (sk_json_parse(text.ptr, text.len, NULL, &doc, err) < 0)
        return -1;
    if (is_given(sk_json_get(doc, "id2label")) ||
        sk_json_type(sk_json_get(doc, "label2id")) == SK_JSON_OBJECT)
        return sk_labels_from_config(doc, out, err); /* a whole config.json */
    return sk_labels_from_json(doc, "labels", out, err);
}

int sk_labels_from_file(const char *path, struct sk_labels *out, struct sk_err *err)
{
    SK_AUTO(sk_labels_done) struct sk_labels l = { 0 };
    SK_AUTO(free_cleanup) char *bytes = NULL;
    struct sk_view text = { NULL, 0 };
    size_t start = 0;
    int rc;

    if (sk_file_read(path, SK_LIMIT_CONFIG_BYTES, &bytes, &text.len, err) < 0)
        return sk_wrap(err, "labels");
    text.ptr = bytes;
    if (sk_starts_with(bytes, "\xef\xbb\xbf")) { /* byte order mark */
        text.ptr += 3;
        text.len -= 3;
    }
    if (!sk_utf8_valid(text.ptr, text.len) || memchr(text.ptr, '\0', text.len))
        return sk_fail(err, SK_INVALID, "labels '%s': not a UTF-8 text", path);
    while (start < text.len && strchr(" \t\r\n", text.ptr[start]))
        start++;
    if (start < text.len && (text.ptr[start] == '[' || text.ptr[start] == '{'))
        rc = from_json_text(text, &l, err);
    else
        rc = from_lines(text, path, &l, err);
    if (rc < 0)
        return sk_wrap(err, "labels '%s'", path);
    *out = l;
    l = (struct sk_labels){ 0 };
    return 0;
}
