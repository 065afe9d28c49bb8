/* fields.c - values as preprocessor_config.json writes them, in each of the forms they have had
 * over the years. */
#include "prep/prep_priv.h"

#include "base/limits.h"

int sk_prep_read_side(const struct sk_json *v, const char *key, uint32_t *out, struct sk_err *err)
{
    int64_t n = sk_json_int(v, 0);

    if (sk_json_type(v) != SK_JSON_INT)
        return sk_fail(err, SK_INVALID, "'%s': expected a number of pixels, got %s", key,
                       sk_json_type_name(sk_json_type(v)));
    if (n < 1 || n > SK_LIMIT_SIDE)
        return sk_fail(err, SK_INVALID, "'%s': %lld is not between 1 and %u", key, (long long)n,
                       SK_LIMIT_SIDE);
    *out = (uint32_t)n;
    return 0;
}

int sk_prep_read_sides(const struct sk_json *v, const char *key, uint32_t *height, uint32_t *width,
                       struct sk_err *err)
{
    const struct sk_json *h, *w;

    switch (sk_json_type(v)) {
    case SK_JSON_INT:
        h = w = v;
        break;
    case SK_JSON_ARRAY:
        if (sk_json_count(v) != 2)
            return sk_fail(err, SK_INVALID, "'%s': expected [height, width], got %zu numbers", key,
                           sk_json_count(v));
        h = sk_json_at(v, 0);
        w = sk_json_at(v, 1);
        break;
    case SK_JSON_OBJECT:
        h = sk_json_get(v, "height");
        w = sk_json_get(v, "width");
        if (!h || !w)
            return sk_fail(err, SK_INVALID, "'%s': expected height and width", key);
        break;
    default:
        return sk_fail(err, SK_INVALID, "'%s': expected an object, got %s", key,
                       sk_json_type_name(sk_json_type(v)));
    }
    if (sk_prep_read_side(h, "height", height, err) < 0 ||
        sk_prep_read_side(w, "width", width, err) < 0)
        return sk_wrap(err, "%s", key);
    return 0;
}

int sk_prep_read_filter(const struct sk_json *config, const char *key, enum sk_filter *out,
                        struct sk_err *err)
{
    const struct sk_json *v = sk_json_get(config, key);
    int64_t number = *out;

    if (sk_json_type(v) == SK_JSON_STRING) {
        enum sk_filter f = sk_filter_parse(sk_json_text(v, ""));
        if (f == SK_FILTER_COUNT)
            return sk_fail(err, SK_INVALID, "'%s': '%s' is not a filter", key, sk_json_text(v, ""));
        *out = f;
        return 0;
    }
    if (sk_json_want_int(config, key, 0, SK_FILTER_COUNT - 1, &number, err) < 0)
        return -1;
    *out = (enum sk_filter)number;
    return 0;
}

int sk_prep_read_three(const struct sk_json *config, const char *key, double *out,
                       struct sk_err *err)
{
    const struct sk_json *v = sk_json_get(config, key);
    bool is_list = sk_json_type(v) == SK_JSON_ARRAY;

    if (sk_json_type(v) == SK_JSON_NULL)
        return 0;
    if (is_list && sk_json_count(v) != 3)
        return sk_fail(err, SK_INVALID, "'%s': expected 3 numbers, got %zu", key, sk_json_count(v));
    for (size_t i = 0; i < 3; i++) {
        const struct sk_json *n = is_list ? sk_json_at(v, i) : v;
        enum sk_json_type type = sk_json_type(n);

        if (type != SK_JSON_INT && type != SK_JSON_REAL)
            return sk_fail(err, SK_INVALID, "'%s': expected 3 numbers, got %s", key,
                           sk_json_type_name(type));
    }
    for (size_t i = 0; i < 3; i++)
        out[i] = sk_json_num(is_list ? sk_json_at(v, i) : v, 0);
    return 0;
}

void sk_prep_json_three(const double *v, struct sk_buf *out)
{
    for (size_t i = 0; i < 3; i++) {
        sk_buf_chr(out, i == 0 ? '[' : ',');
        sk_buf_num(out, v[i], 17);
    }
    sk_buf_chr(out, ']');
}
