/*
 * cmd_deployment_metrics.c - `skerry deployment metrics`: how many devices a deployment targets and
 * reaches, and what its own queries count.
 *
 * A deployment has the texts of its queries, of the hub (system) and of the user; each is asked
 * here, so that one metric can also be shown row by row.
 */
#include "cli/cli_priv.h"
#include "cli/device_priv.h"
#include "cli/remote_priv.h"

#include <string.h>

struct args {
    const char *hub, *metric, *type;
    bool json;
};

#define AT(field) .offset = offsetof(struct args, field)

enum {
    PAGE = 1000
};

/* clang-format off */
static const struct sk_opt options[] = {
    { "metric-id", 'm', SK_OPT_TEXT, "NAME", "the rows of this one, instead of the counts of all", AT(metric) },
    { "metric-type", 0, SK_OPT_CHOICE, "TYPE", "of the metric: of the user or of the hub; else the first one of that name", .choices = "user|system", AT(type) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", AT(json) },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};
/* clang-format on */

static const char *const types[] = { "user", "system" };

static const struct sk_json *queries_of(const struct sk_json *doc, const char *type)
{
    const char *name = strcmp(type, "user") == 0 ? "metrics" : "systemMetrics";

    return sk_json_get(sk_json_get(doc, name), "queries");
}

/* ---- all of them ---- */

static int count_rows(struct sk_remote *r, const char *query, uint64_t *out, struct sk_err *err)
{
    SK_AUTO(sk_query_page_done) struct sk_query_page page = { 0 };

    *out = 0;
    do {
        if (sk_query_next(r, query, PAGE, &page, err) < 0)
            return -1;
        *out += sk_json_count(page.rows);
    } while (page.continuation[0]);
    return 0;
}

static int add_counts(struct sk_remote *r, const struct sk_json *doc, const char *type,
                      const struct args *a, struct sk_buf *out, struct sk_err *err)
{
    const struct sk_json *queries = queries_of(doc, type);

    for (void *it = sk_json_first(queries); it; it = sk_json_next(queries, it)) {
        uint64_t count = 0;
        if (count_rows(r, sk_json_text(sk_json_value(it), ""), &count, err) < 0)
            return sk_wrap(err, "metric '%s'", sk_json_key(it));
        if (a->json) {
            sk_buf_str(out, "{\"metric\":");
            sk_buf_json_str(out, sk_json_key(it));
            sk_buf_fmt(out, ",\"type\":\"%s\",\"count\":%llu}\n", type, (unsigned long long)count);
            continue;
        }
        sk_cli_cell(out, sk_json_key(it), 32);
        sk_cli_cell(out, type, 6);
        sk_buf_fmt(out, "%llu\n", (unsigned long long)count);
    }
    return 0;
}

static int print_counts(struct sk_remote *r, const struct sk_json *doc, const struct args *a,
                        struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);

    if (!a->json)
        sk_buf_str(&out, "METRIC                            TYPE    COUNT\n");
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if ((!a->type || strcmp(a->type, types[i]) == 0) &&
            add_counts(r, doc, types[i], a, &out, err) < 0)
            return -1;
    return sk_cli_print(&out, err);
}

/* ---- one of them ---- */

static const char *find_query(const struct sk_json *doc, const struct args *a)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (a->type && strcmp(a->type, types[i]) != 0)
            continue;
        const char *query = sk_json_get_text(queries_of(doc, types[i]), a->metric, NULL);
        if (query)
            return query;
    }
    return NULL;
}

static int print_rows(struct sk_remote *r, const char *query, struct sk_err *err)
{
    SK_AUTO(sk_query_page_done) struct sk_query_page page = { 0 };

    do {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);
        if (sk_query_next(r, query, PAGE, &page, err) < 0)
            return -1;
        for (size_t i = 0; i < sk_json_count(page.rows); i++) {
            sk_json_dump(sk_json_at(page.rows, i), &out);
            sk_buf_chr(&out, '\n');
        }
        if (sk_cli_print(&out, err) < 0)
            return -1;
    } while (page.continuation[0]);
    return 0;
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);

    (void)count;
    if (sk_device_path("/configurations/", operands[0], NULL, NULL, &path, err) < 0 ||
        sk_cli_remote(a->hub, &r, err) < 0 ||
        sk_remote_call(r, "GET", path.data, NULL, &doc, err) < 0)
        return -1;
    if (!a->metric)
        return print_counts(r, doc, a, err);
    const char *query = find_query(doc, a);
    if (!query)
        return sk_fail(err, SK_NOT_FOUND, "deployment %s has no %s%smetric '%s'", operands[0],
                       a->type ? a->type : "", a->type ? " " : "", a->metric);
    return print_rows(r, query, err);
}

const struct sk_cmd sk_cli_deployment_metrics = {
    .name = "deployment metrics",
    .operands = "ID",
    .summary = "Shows what the metrics of a deployment count now",
    .details = "The hub's own are targetedCount, appliedCount, reportedSuccessfulCount and "
               "reportedFailedCount. With --metric-id the rows are printed as JSON, one a line.",
    .examples = "skerry deployment metrics north-7\n"
                "skerry deployment metrics north-7 --metric-id reportedFailedCount # which ones\n",
    .options = options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
