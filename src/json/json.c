/*
 * json.c - JSON texts (RFC 8259) through jansson.
 *
 * A struct sk_json is a jansson json_t and never anything else; raw() and wrap() are the only
 * places that know. Only sk_json_free() touches the reference count, and only of whole documents,
 * so a document that is no longer changed can be read by several threads.
 */
#include "json/json.h"

#include "base/file.h"
#include "base/limits.h"
#include "json/json_priv.h"

#include <jansson.h>
#include <string.h>

/* jansson wants non-const pointers even where it only reads. */
static json_t *raw(const struct sk_json *v)
{
    return (json_t *)(uintptr_t)v;
}

static struct sk_json *wrap(json_t *v)
{
    return (struct sk_json *)v;
}

/* ---- parsing ---- */

static int fail_parse(const json_error_t *e, struct sk_err *err)
{
    /* jansson leaves the text empty where an allocation failed between tokens. */
    if (json_error_code(e) == json_error_out_of_memory || e->text[0] == '\0')
        return sk_nomem(err);
    return sk_fail(err, SK_INVALID, "not JSON: line %d, column %d: %s", e->line, e->column,
                   e->text);
}

int sk_json_parse(const char *text, size_t len, const struct sk_json_limits *limits,
                  struct sk_json **out, struct sk_err *err)
{
    struct sk_json_limits lim = { 0, 0 };
    json_error_t e = { .text = "" };
    json_t *root;

    if (limits)
        lim = *limits;
    if (lim.max_values == 0)
        lim.max_values = SK_LIMIT_JSON_VALUES;
    if (lim.max_depth == 0)
        lim.max_depth = SK_LIMIT_JSON_DEPTH;
    /* A byte order mark may be ignored (8.1). */
    if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        len -= 3;
    }
    if (len == 0)
        return sk_fail(err, SK_INVALID, "not JSON: the text is empty");
    if (sk_json_scan(text, len, &lim, err) < 0)
        return sk_wrap(err, "JSON");
    root = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    if (!root)
        return fail_parse(&e, err);
    *out = wrap(root);
    return 0;
}

int sk_json_file(const char *path, struct sk_json **out, struct sk_err *err)
{
    SK_OWN(free) char *text = NULL;
    size_t len;

    if (sk_file_read(path, SK_LIMIT_CONFIG_BYTES, &text, &len, err) < 0)
        return -1;
    if (sk_json_parse(text, len, NULL, out, err) < 0)
        return sk_wrap(err, "%s", path);
    return 0;
}

void sk_json_free(struct sk_json *doc)
{
    json_decref(raw(doc));
}

/* ---- looking around ---- */

enum sk_json_type sk_json_type(const struct sk_json *v)
{
    if (!v)
        return SK_JSON_NULL;
    switch (json_typeof(raw(v))) {
    case JSON_OBJECT:
        return SK_JSON_OBJECT;
    case JSON_ARRAY:
        return SK_JSON_ARRAY;
    case JSON_STRING:
        return SK_JSON_STRING;
    case JSON_INTEGER:
        return SK_JSON_INT;
    case JSON_REAL:
        return SK_JSON_REAL;
    case JSON_TRUE:
    case JSON_FALSE:
        return SK_JSON_BOOL;
    case JSON_NULL:
        break;
    }
    return SK_JSON_NULL;
}

const char *sk_json_type_name(enum sk_json_type t)
{
    static const char *const names[] = {
        [SK_JSON_NULL] = "null",        [SK_JSON_BOOL] = "a boolean",  [SK_JSON_INT] = "an integer",
        [SK_JSON_REAL] = "a number",    [SK_JSON_STRING] = "a string", [SK_JSON_ARRAY] = "an array",
        [SK_JSON_OBJECT] = "an object",
    };
    return names[t];
}

const struct sk_json *sk_json_get(const struct sk_json *object, const char *key)
{
    return wrap(json_object_get(raw(object), key));
}

size_t sk_json_count(const struct sk_json *array_or_object)
{
    if (json_is_array(raw(array_or_object)))
        return json_array_size(raw(array_or_object));
    return json_object_size(raw(array_or_object)); /* 0 for what is neither */
}

const struct sk_json *sk_json_at(const struct sk_json *array, size_t index)
{
    return wrap(json_array_get(raw(array), index));
}

void *sk_json_first(const struct sk_json *object)
{
    return json_object_iter(raw(object));
}

void *sk_json_next(const struct sk_json *object, void *it)
{
    return json_object_iter_next(raw(object), it);
}

const char *sk_json_key(void *it)
{
    return json_object_iter_key(it);
}

const struct sk_json *sk_json_value(void *it)
{
    return wrap(json_object_iter_value(it));
}

/* ---- plain readings ---- */

const char *sk_json_text(const struct sk_json *v, const char *fallback)
{
    return json_is_string(raw(v)) ? json_string_value(raw(v)) : fallback;
}

const char *sk_json_get_text(const struct sk_json *object, const char *key, const char *fallback)
{
    return sk_json_text(sk_json_get(object, key), fallback);
}

size_t sk_json_text_len(const struct sk_json *v)
{
    return json_string_length(raw(v)); /* 0 for what is no string */
}

int64_t sk_json_int(const struct sk_json *v, int64_t fallback)
{
    return json_is_integer(raw(v)) ? json_integer_value(raw(v)) : fallback;
}

double sk_json_num(const struct sk_json *v, double fallback)
{
    return json_is_number(raw(v)) ? json_number_value(raw(v)) : fallback;
}

bool sk_json_bool(const struct sk_json *v, bool fallback)
{
    return json_is_boolean(raw(v)) ? json_boolean_value(raw(v)) : fallback;
}

bool sk_json_equal(const struct sk_json *a, const struct sk_json *b)
{
    return json_equal(raw(a), raw(b)) != 0; /* NULL equals nothing */
}

/* ---- typed fields ---- */

static int fail_type(const char *key, const char *expected, const struct sk_json *v,
                     struct sk_err *err)
{
    return sk_fail(err, SK_INVALID, "'%s': expected %s, got %s", key, expected,
                   sk_json_type_name(sk_json_type(v)));
}

int sk_json_want_int(const struct sk_json *object, const char *key, int64_t min, int64_t max,
                     int64_t *out, struct sk_err *err)
{
    const struct sk_json *v = sk_json_get(object, key);
    int64_t n;

    if (sk_json_type(v) == SK_JSON_NULL)
        return 0;
    if (sk_json_type(v) != SK_JSON_INT)
        return fail_type(key, "an integer", v, err);
    n = sk_json_int(v, 0);
    if (n < min || n > max)
        return sk_fail(err, SK_INVALID, "'%s': %lld is not between %lld and %lld", key,
                       (long long)n, (long long)min, (long long)max);
    *out = n;
    return 0;
}

int sk_json_want_num(const struct sk_json *object, const char *key, double min, double max,
                     double *out, struct sk_err *err)
{
    const struct sk_json *v = sk_json_get(object, key);
    double n;

    if (sk_json_type(v) == SK_JSON_NULL)
        return 0;
    if (!json_is_number(raw(v)))
        return fail_type(key, "a number", v, err);
    n = sk_json_num(v, 0);
    if (n < min || n > max)
        return sk_fail(err, SK_INVALID, "'%s': %g is not between %g and %g", key, n, min, max);
    *out = n;
    return 0;
}

int sk_json_want_bool(const struct sk_json *object, const char *key, bool *out, struct sk_err *err)
{
    const struct sk_json *v = sk_json_get(object, key);

    if (sk_json_type(v) == SK_JSON_NULL)
        return 0;
    if (sk_json_type(v) != SK_JSON_BOOL)
        return fail_type(key, "a boolean", v, err);
    *out = sk_json_bool(v, false);
    return 0;
}

int sk_json_want_text(const struct sk_json *object, const char *key, const char **out,
                      struct sk_err *err)
{
    const struct sk_json *v = sk_json_get(object, key);

    if (sk_json_type(v) == SK_JSON_NULL)
        return 0;
    if (sk_json_type(v) != SK_JSON_STRING)
        return fail_type(key, "a string", v, err);
    *out = sk_json_text(v, "");
    return 0;
}

static int want_container(const struct sk_json *object, const char *key, enum sk_json_type type,
                          const struct sk_json **out, struct sk_err *err)
{
    const struct sk_json *v = sk_json_get(object, key);

    if (sk_json_type(v) == SK_JSON_NULL)
        return 0;
    if (sk_json_type(v) != type)
        return fail_type(key, sk_json_type_name(type), v, err);
    *out = v;
    return 0;
}

int sk_json_want_object(const struct sk_json *object, const char *key, const struct sk_json **out,
                        struct sk_err *err)
{
    return want_container(object, key, SK_JSON_OBJECT, out, err);
}

int sk_json_want_array(const struct sk_json *object, const char *key, const struct sk_json **out,
                       struct sk_err *err)
{
    return want_container(object, key, SK_JSON_ARRAY, out, err);
}

/* ---- writing ---- */

static int append(const char *bytes, size_t len, void *buf)
{
    struct sk_buf *out = buf;

    sk_buf_add(out, bytes, len);
    return sk_buf_ok(out) ? 0 : -1;
}

void sk_json_dump(const struct sk_json *v, struct sk_buf *out)
{
    if (!v) {
        sk_buf_str(out, "null");
        return;
    }
    if (json_dump_callback(raw(v), append, out, JSON_COMPACT | JSON_ENCODE_ANY) < 0 &&
        sk_buf_ok(out))
        out->failed = SK_NOMEM; /* the only other way to fail: jansson's own scratch */
}
