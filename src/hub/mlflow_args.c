/*
 * mlflow_args.c - arguments of the MLflow interface, from the query or from a JSON object.
 *
 * A GET has its arguments in the query; one without them may have a body, as MLflow's own server
 * takes it. Everything that is given out lives in the document, the request, or the arena.
 */
#include "hub/mlflow_priv.h"

#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int sk_mlflow_args_body(const char *text, size_t len, struct sk_mlflow_args *out,
                        struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    if (len == 0) {
        text = "{}";
        len = 2;
    }
    if (sk_json_parse(text, len, NULL, &doc, err) < 0)
        return sk_wrap(err, "the body");
    if (sk_json_type(doc) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "the body must be a JSON object, not %s",
                       sk_json_type_name(sk_json_type(doc)));
    out->doc = SK_TAKE(doc);
    return 0;
}

/* A page of another site can make a browser send its user's password with a form, but not with this
 * type unless we allow it; MLflow's server asks for it too. Without a type it was no browser. */
static int check_type(const struct sk_http_req *req, struct sk_err *err)
{
    const char *type = sk_http_header(req, "Content-Type");
    struct sk_view name = { type ? type : "", type ? strcspn(type, ";") : 0 };

    if (!type || sk_view_eq_nocase(sk_view_trim(name), "application/json"))
        return 0;
    return sk_fail(err, SK_INVALID, "the body: Content-Type must be application/json, not '%.80s'",
                   type);
}

int sk_mlflow_args(struct sk_hub_call *call, struct sk_mlflow_args *out, struct sk_err *err)
{
    struct sk_view body = sk_http_body(call->req);
    bool is_get = strcmp(sk_http_method(call->req), "GET") == 0 ||
                  strcmp(sk_http_method(call->req), "HEAD") == 0;

    if (is_get)
        out->req = call->req;
    if (is_get && body.len == 0)
        return 0;
    if (check_type(call->req, err) < 0)
        return -1;
    return sk_mlflow_args_body(body.ptr, body.len, out, err);
}

void sk_mlflow_args_done(struct sk_mlflow_args *a)
{
    sk_json_free(a->doc);
    a->doc = NULL;
    sk_arena_done(&a->arena);
}

static const char *from_query(const struct sk_mlflow_args *a, const char *name, size_t i)
{
    return a->req ? sk_http_query_at(a->req, name, i) : NULL;
}

static const struct sk_json *from_body(const struct sk_mlflow_args *a, const char *name)
{
    const struct sk_json *v = a->doc ? sk_json_get(a->doc, name) : NULL;

    return sk_json_type(v) == SK_JSON_NULL ? NULL : v;
}

static int wrong_type(const char *name, const char *wanted, const struct sk_json *v,
                      struct sk_err *err)
{
    return sk_fail(err, SK_INVALID,
                   "Invalid value for parameter '%s' supplied: expected %s, got %s", name, wanted,
                   sk_json_type_name(sk_json_type(v)));
}

static int wrong_text(const char *name, const char *wanted, const char *text, struct sk_err *err)
{
    return sk_fail(err, SK_INVALID,
                   "Invalid value \"%.100s\" for parameter '%s' supplied: "
                   "expected %s",
                   text, name, wanted);
}

int sk_mlflow_text(struct sk_mlflow_args *a, const char *name, const char **out, struct sk_err *err)
{
    const char *given = from_query(a, name, 0);
    const struct sk_json *v = given ? NULL : from_body(a, name);
    char number[32];

    if (given) {
        *out = given;
    } else if (!v) {
        *out = NULL;
    } else if (sk_json_type(v) == SK_JSON_STRING) {
        *out = sk_json_text(v, "");
    } else if (sk_json_type(v) == SK_JSON_INT) {
        (void)snprintf(number, sizeof(number), "%" PRId64, sk_json_int(v, 0));
        *out = sk_arena_strndup(&a->arena, number, strlen(number));
        return *out ? 0 : sk_nomem(err);
    } else {
        return wrong_type(name, "a text", v, err);
    }
    return 0;
}

int sk_mlflow_need(struct sk_mlflow_args *a, const char *name, const char **out, struct sk_err *err)
{
    if (sk_mlflow_text(a, name, out, err) < 0)
        return -1;
    if (!*out || !**out)
        return sk_fail(err, SK_INVALID, "Missing value for required parameter '%s'.", name);
    return 0;
}

static bool to_int(const char *text, int64_t *out)
{
    size_t sign = text[0] == '-' ? 1 : 0, digits = strspn(text + sign, "0123456789");

    if (digits == 0 || digits > 18 || text[sign + digits])
        return false;
    *out = strtoll(text, NULL, 10);
    return true;
}

int sk_mlflow_int(struct sk_mlflow_args *a, const char *name, int64_t min, int64_t max,
                  int64_t *out, struct sk_err *err)
{
    const char *text = from_query(a, name, 0);
    const struct sk_json *v = text ? NULL : from_body(a, name);
    int64_t value = 0;

    if (!text && !v)
        return 0;
    if (!text && sk_json_type(v) == SK_JSON_STRING)
        text = sk_json_text(v, "");
    if (text) {
        if (!to_int(text, &value))
            return wrong_text(name, "a whole number", text, err);
    } else if (sk_json_type(v) == SK_JSON_INT) {
        value = sk_json_int(v, 0);
    } else if (sk_json_type(v) == SK_JSON_REAL && sk_json_num(v, 0) >= -9e15 &&
               sk_json_num(v, 0) <= 9e15 &&
               sk_json_num(v, 0) == (double)(int64_t)sk_json_num(v, 0)) {
        value = (int64_t)sk_json_num(v, 0);
    } else {
        return wrong_type(name, "a whole number", v, err);
    }
    if (value < min)
        return sk_fail(err, SK_INVALID,
                       "Invalid value for request parameter %s. It must be at least %" PRId64
                       ", but got value %" PRId64,
                       name, min, value);
    if (value > max)
        return sk_fail(err, SK_INVALID,
                       "Invalid value for request parameter %s. It must be at most %" PRId64
                       ", but got value %" PRId64,
                       name, max, value);
    *out = value;
    return 0;
}

int sk_mlflow_bool(struct sk_mlflow_args *a, const char *name, bool *out, struct sk_err *err)
{
    const char *text = from_query(a, name, 0);
    const struct sk_json *v = text ? NULL : from_body(a, name);

    if (!text && !v)
        return 0;
    if (!text && sk_json_type(v) == SK_JSON_STRING)
        text = sk_json_text(v, "");
    if (!text && sk_json_type(v) != SK_JSON_BOOL)
        return wrong_type(name, "true or false", v, err);
    if (!text)
        *out = sk_json_bool(v, false);
    else if (sk_view_eq_nocase(sk_view_of(text), "true"))
        *out = true;
    else if (sk_view_eq_nocase(sk_view_of(text), "false"))
        *out = false;
    else
        return wrong_text(name, "true or false", text, err);
    return 0;
}

/* ---- lists ---- */

static int too_many(const char *name, size_t count, struct sk_err *err)
{
    return sk_fail(err, SK_LIMIT, "parameter '%s' has %zu entries, at most %d", name, count,
                   SK_MLFLOW_LIST_MAX);
}

static size_t count_query(const struct sk_mlflow_args *a, const char *name)
{
    size_t n = 0;

    while (from_query(a, name, n))
        n++;
    return n;
}

int sk_mlflow_texts(struct sk_mlflow_args *a, const char *name, const char *const **out,
                    size_t *count, struct sk_err *err)
{
    size_t given = count_query(a, name);
    const struct sk_json *v = given ? NULL : from_body(a, name);
    size_t n = given ? given : sk_json_count(v);
    const char **texts;

    *out = NULL;
    *count = 0;
    if (v && sk_json_type(v) != SK_JSON_ARRAY)
        return wrong_type(name, "a list of texts", v, err);
    if (n > SK_MLFLOW_LIST_MAX)
        return too_many(name, n, err);
    if (n == 0)
        return 0;
    texts = sk_arena_alloc(&a->arena, n * sizeof(*texts));
    if (!texts)
        return sk_nomem(err);
    for (size_t i = 0; i < n; i++) {
        const struct sk_json *item = given ? NULL : sk_json_at(v, i);

        if (!given && sk_json_type(item) != SK_JSON_STRING)
            return wrong_type(name, "a list of texts", item, err);
        texts[i] = given ? from_query(a, name, i) : sk_json_text(item, "");
    }
    *out = texts;
    *count = n;
    return 0;
}

static int read_pair(const struct sk_json *item, const char *name, struct sk_pair *out,
                     struct sk_err *err)
{
    const char *key = NULL, *value = NULL;

    if (sk_json_type(item) != SK_JSON_OBJECT)
        return wrong_type(name, "a list of {\"key\", \"value\"}", item, err);
    if (sk_json_want_text(item, "key", &key, err) < 0 ||
        sk_json_want_text(item, "value", &value, err) < 0)
        return sk_wrap(err, "parameter '%s'", name);
    if (!key)
        return sk_fail(err, SK_INVALID, "Missing value for required parameter '%s.key'.", name);
    *out = (struct sk_pair){ key, value ? value : "" };
    return 0;
}

int sk_mlflow_pairs(struct sk_mlflow_args *a, const char *name, const struct sk_pair **out,
                    size_t *count, struct sk_err *err)
{
    const struct sk_json *v = from_body(a, name);
    size_t n = sk_json_count(v);
    struct sk_pair *pairs;

    *out = NULL;
    *count = 0;
    if (v && sk_json_type(v) != SK_JSON_ARRAY)
        return wrong_type(name, "a list of {\"key\", \"value\"}", v, err);
    if (n > SK_MLFLOW_LIST_MAX)
        return too_many(name, n, err);
    if (n == 0)
        return 0;
    pairs = sk_arena_alloc(&a->arena, n * sizeof(*pairs));
    if (!pairs)
        return sk_nomem(err);
    for (size_t i = 0; i < n; i++)
        if (read_pair(sk_json_at(v, i), name, &pairs[i], err) < 0)
            return -1;
    *out = pairs;
    *count = n;
    return 0;
}

int sk_mlflow_search(struct sk_mlflow_args *a, unsigned usual, unsigned most, struct sk_search *out,
                     struct sk_err *err)
{
    const char *const *orders = NULL;
    const char *filter = NULL, *token = NULL;
    struct sk_view *views = NULL;
    int64_t max = usual;
    size_t count = 0;

    if (sk_mlflow_text(a, "filter", &filter, err) < 0 ||
        (!filter && sk_mlflow_text(a, "filter_string", &filter, err) < 0) ||
        sk_mlflow_text(a, "page_token", &token, err) < 0 ||
        sk_mlflow_int(a, "max_results", 1, most, &max, err) < 0 ||
        sk_mlflow_texts(a, "order_by", &orders, &count, err) < 0)
        return -1;
    if (count > 0) {
        views = sk_arena_alloc(&a->arena, count * sizeof(*views));
        if (!views)
            return sk_nomem(err);
    }
    for (size_t i = 0; i < count; i++)
        views[i] = sk_view_of(orders[i]);
    *out = (struct sk_search){ .filter = filter,
                               .orders = views,
                               .order_count = count,
                               .max = (unsigned)max,
                               .page_token = token };
    return 0;
}
