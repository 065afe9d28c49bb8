/*
 * cmd_model_diff.c - `skerry model diff A B`: what two versions differ in.
 *
 * What is kept of a version is a tree; both trees are walked side by side and each leaf that
 * differs is a line. Files are compared by digest.
 */
#include "catalog/catalog.h"
#include "cli/cli_priv.h"
#include "cli/remote_priv.h"

#include <string.h>

struct args {
    const char *hub;
    bool json;
};

static const struct sk_opt options[] = {
    { "json", 0, SK_OPT_FLAG, NULL, "one object a line: {\"path\", \"a\", \"b\"}",
      .offset = offsetof(struct args, json) },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

/* Differ in every pair of versions and say nothing. */
static const char *const IGNORED[] = { "version",
                                       "creation_timestamp",
                                       "last_updated_timestamp",
                                       "source",
                                       "aliases",
                                       "user_id",
                                       "properties.training.written",
                                       "properties.training.seconds",
                                       "properties.training.last_epoch.seconds" };

struct differ {
    const struct args *args;
    struct sk_buf *out;
    size_t count;
};

static void add_value(const struct sk_json *v, struct sk_buf *out)
{
    const char *text = sk_json_text(v, NULL);

    if (sk_json_type(v) == SK_JSON_NULL)
        sk_buf_str(out, "-");
    else if (text)
        sk_cli_cell(out, text, 0);
    else
        sk_json_dump(v, out);
}

static void add_json(const struct sk_json *v, struct sk_buf *out)
{
    if (v)
        sk_json_dump(v, out);
    else
        sk_buf_str(out, "null");
}

static void report(struct differ *d, const char *path, const struct sk_json *a,
                   const struct sk_json *b)
{
    d->count++;
    if (d->args->json) {
        sk_buf_str(d->out, "{\"path\": ");
        sk_buf_json_str(d->out, path);
        sk_buf_str(d->out, ", \"a\": ");
        add_json(a, d->out);
        sk_buf_str(d->out, ", \"b\": ");
        add_json(b, d->out);
        sk_buf_str(d->out, "}\n");
        return;
    }
    sk_cli_cell(d->out, path, strlen(path) > 40 ? (unsigned)strlen(path) : 40);
    add_value(a, d->out);
    sk_buf_str(d->out, " -> ");
    add_value(b, d->out);
    sk_buf_chr(d->out, '\n');
}

static bool same(const struct sk_json *a, const struct sk_json *b)
{
    SK_AUTO(sk_buf_done) struct sk_buf x = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf y = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);

    add_json(a, &x);
    add_json(b, &y);
    return x.len == y.len && x.len > 0 && memcmp(x.data, y.data, x.len) == 0;
}

static bool is_ignored(const char *path)
{
    for (size_t i = 0; i < sizeof(IGNORED) / sizeof(IGNORED[0]); i++) {
        if (strcmp(path, IGNORED[i]) == 0)
            return true;
    }
    return false;
}

static void compare(struct differ *d, const char *path, const struct sk_json *a,
                    const struct sk_json *b);

static void compare_member(struct differ *d, const char *path, const char *key,
                           const struct sk_json *a, const struct sk_json *b)
{
    SK_AUTO(sk_buf_done) struct sk_buf deeper = SK_BUF_INIT(1 << 16);

    sk_buf_fmt(&deeper, "%s%s%s", path, *path ? "." : "", key);
    if (sk_buf_ok(&deeper))
        compare(d, deeper.data, sk_json_get(a, key), sk_json_get(b, key));
}

static void compare(struct differ *d, const char *path, const struct sk_json *a,
                    const struct sk_json *b)
{
    bool trees = sk_json_type(a) == SK_JSON_OBJECT || sk_json_type(b) == SK_JSON_OBJECT;

    if (is_ignored(path) || same(a, b))
        return;
    if (!trees || (a && b && sk_json_type(a) != sk_json_type(b))) {
        report(d, path, a, b);
        return;
    }
    for (void *it = a ? sk_json_first(a) : NULL; it; it = sk_json_next(a, it))
        compare_member(d, path, sk_json_key(it), a, b);
    for (void *it = b ? sk_json_first(b) : NULL; it; it = sk_json_next(b, it)) {
        if (!a || !sk_json_get(a, sk_json_key(it)))
            compare_member(d, path, sk_json_key(it), a, b);
    }
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_OWN(sk_json_free) struct sk_json *a = NULL;
    SK_OWN(sk_json_free) struct sk_json *b = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);
    struct differ d = { .args = args, .out = &out };

    (void)count;
    if (sk_cli_remote(d.args->hub, &r, err) < 0 ||
        sk_catalog_resolve(r, operands[0], &a, err) < 0 ||
        sk_catalog_resolve(r, operands[1], &b, err) < 0)
        return -1;
    compare(&d, "", a, b);
    if (d.count == 0 && !d.args->json)
        sk_buf_str(&out, "no difference\n");
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_model_diff = {
    .name = "model diff",
    .operands = "A B",
    .summary = "Shows what two versions differ in: settings, labels, evaluation, size",
    .examples = "skerry model diff defect-detector:1 defect-detector@champion\n",
    .options = options,
    .args_size = sizeof(struct args),
    .min_operands = 2,
    .max_operands = 2,
    .run = run,
};
