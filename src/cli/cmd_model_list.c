/*
 * cmd_model_list.c - `skerry model list`, `versions`, `show`: what a hub has.
 */
#include "base/str.h"
#include "catalog/catalog.h"
#include "cli/cli_priv.h"
#include "cli/device_priv.h"
#include "cli/remote_priv.h"

#include <stdlib.h>
#include <string.h>

struct list_args {
    const char *hub, *filter, *order;
    uint64_t max;
    bool json;
};

#define AT(field) .offset = offsetof(struct list_args, field)

/* clang-format off */
static const struct sk_opt list_options[] = {
    { "filter", 'f', SK_OPT_TEXT, "FILTER", "in MLflow's language: name LIKE 'defect%' AND tags.site = 'north'", AT(filter) },
    { "order-by", 0, SK_OPT_TEXT, "KEY", "name, last_updated_timestamp; with DESC behind it the other way", AT(order) },
    { "max", 'm', SK_OPT_U64, "N", "most rows", .def = "1000", .min = 1, .max = 1000000, AT(max) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", AT(json) },
    SK_CLI_HUB_OPTION(struct list_args),
    { .name = NULL },
};
/* clang-format on */
#undef AT

enum {
    PAGE = 1000
};

static void add_query(struct sk_buf *path, const char *key, const char *value)
{
    if (!value || !*value)
        return;
    sk_buf_fmt(path, "&%s=", key);
    sk_url_escape(path, value);
}

/* Newest of "latest_versions": the greatest number. */
static uint64_t latest_of(const struct sk_json *model)
{
    const struct sk_json *list = sk_json_get(model, "latest_versions");
    uint64_t best = 0;

    for (size_t i = 0; i < sk_json_count(list); i++) {
        uint64_t n = strtoull(sk_json_get_text(sk_json_at(list, i), "version", ""), NULL, 10);

        if (n > best)
            best = n;
    }
    return best;
}

/* "champion=3, shadow=4" of a model */
static void add_aliases(const struct sk_json *model, struct sk_buf *cell)
{
    const struct sk_json *list = sk_json_get(model, "aliases");

    for (size_t i = 0; i < sk_json_count(list); i++)
        sk_buf_fmt(cell, "%s%s=%s", i ? ", " : "",
                   sk_json_get_text(sk_json_at(list, i), "alias", ""),
                   sk_json_get_text(sk_json_at(list, i), "version", ""));
}

static void add_model_row(const struct sk_json *m, struct sk_buf *out)
{
    SK_AUTO(sk_buf_done) struct sk_buf cell = SK_BUF_INIT(1 << 16);
    uint64_t latest = latest_of(m);

    sk_cli_cell(out, sk_json_get_text(m, "name", ""), 32);
    sk_buf_fmt(&cell, latest ? "%llu" : "-", (unsigned long long)latest);
    sk_cli_cell(out, cell.data ? cell.data : "", 7);
    sk_buf_clear(&cell);
    add_aliases(m, &cell);
    sk_cli_cell(out, cell.data && cell.len ? cell.data : "-", 24);
    sk_cli_when(out, sk_json_int(sk_json_get(m, "last_updated_timestamp"), 0));
    sk_buf_str(out, "  ");
    sk_cli_cell(out, sk_json_get_text(m, "description", ""), 0);
    sk_buf_chr(out, '\n');
}

/* Page by page, so that a large registry needs little memory here and there. */
static int run_list(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct list_args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf token = SK_BUF_INIT(1 << 16);
    uint64_t left = a->max;
    bool is_first = true;

    (void)operands;
    (void)count;
    if (sk_cli_remote(a->hub, &r, err) < 0)
        return -1;
    do {
        SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(1 << 18);
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);
        SK_OWN(sk_json_free) struct sk_json *answer = NULL;

        sk_buf_fmt(&path, "/api/v1/models?max_results=%llu",
                   (unsigned long long)(left < PAGE ? left : PAGE));
        add_query(&path, "filter", a->filter);
        add_query(&path, "order_by", a->order);
        add_query(&path, "page_token", token.data);
        if (!sk_buf_ok(&path))
            return sk_buf_fail(&path, err);
        if (sk_remote_call(r, "GET", path.data, NULL, &answer, err) < 0)
            return -1;

        const struct sk_json *models = sk_json_get(answer, "registered_models");

        if (is_first && !a->json)
            sk_buf_str(&out, "NAME                              LATEST   ALIASES                   "
                             "UPDATED (UTC)     DESCRIPTION\n");
        for (size_t i = 0; i < sk_json_count(models); i++) {
            if (a->json) {
                sk_json_dump(sk_json_at(models, i), &out);
                sk_buf_chr(&out, '\n');
            } else {
                add_model_row(sk_json_at(models, i), &out);
            }
        }
        is_first = false;
        left -= sk_json_count(models) < left ? sk_json_count(models) : left;
        sk_buf_clear(&token);
        sk_buf_str(&token, sk_json_get_text(answer, "next_page_token", ""));
        if (sk_cli_print(&out, err) < 0)
            return -1;
    } while (left > 0 && token.len > 0);
    return 0;
}

const struct sk_cmd sk_cli_model_list = {
    .name = "model list",
    .summary = "Lists the models of a hub",
    .details = "One line each; with --json one object a line, as MLflow's interface has it.",
    .examples = "skerry model list --filter \"tags.site = 'north'\"  # models with that tag\n",
    .options = list_options,
    .args_size = sizeof(struct list_args),
    .run = run_list,
};

/* ---- versions ---- */

static void join_texts(const struct sk_json *list, struct sk_buf *out)
{
    for (size_t i = 0; i < sk_json_count(list); i++)
        sk_buf_fmt(out, "%s%s", i ? ", " : "", sk_json_text(sk_json_at(list, i), ""));
}

static void add_version_row(const struct sk_json *v, struct sk_buf *out)
{
    SK_AUTO(sk_buf_done) struct sk_buf cell = SK_BUF_INIT(1 << 16);

    sk_cli_cell(out, sk_json_get_text(v, "version", ""), 7);
    sk_cli_cell(out, sk_json_get_text(v, "current_stage", ""), 10);
    join_texts(sk_json_get(v, "aliases"), &cell);
    sk_cli_cell(out, cell.len ? cell.data : "-", 20);
    sk_buf_clear(&cell);
    sk_cli_size(&cell, (uint64_t)sk_json_int(sk_json_get(v, "size"), 0));
    sk_cli_cell(out, cell.data ? cell.data : "", 10);
    sk_cli_when(out, sk_json_int(sk_json_get(v, "creation_timestamp"), 0));
    sk_buf_fmt(out, "  %.19s  ", sk_json_get_text(v, "digest", ""));
    sk_cli_cell(out, sk_json_get_text(v, "description", ""), 0);
    sk_buf_chr(out, '\n');
}

static int run_versions(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct list_args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_OWN(sk_json_free) struct sk_json *answer = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(1 << 16);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);

    (void)count;
    if (sk_cli_remote(a->hub, &r, err) < 0)
        return -1;
    sk_buf_str(&path, "/api/v1/models/");
    sk_url_escape(&path, operands[0]);
    sk_buf_str(&path, "/versions?max_results=1000");
    if (!sk_buf_ok(&path))
        return sk_buf_fail(&path, err);
    if (sk_remote_call(r, "GET", path.data, NULL, &answer, err) < 0)
        return -1;
    if (a->json)
        return sk_cli_print_json(answer, err);

    const struct sk_json *list = sk_json_get(answer, "model_versions");

    sk_buf_str(&out, "VERSION  STAGE       ALIASES               SIZE        CREATED (UTC)     "
                     "DIGEST               DESCRIPTION\n");
    for (size_t i = 0; i < sk_json_count(list); i++)
        add_version_row(sk_json_at(list, i), &out);
    return sk_cli_print(&out, err);
}

static const struct sk_opt versions_options[] = {
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", .offset = offsetof(struct list_args, json) },
    SK_CLI_HUB_OPTION(struct list_args),
    { .name = NULL },
};

const struct sk_cmd sk_cli_model_versions = {
    .name = "model versions",
    .operands = "NAME",
    .summary = "Lists the versions of a model, newest first",
    .examples = "skerry model versions defect-detector\n",
    .options = versions_options,
    .args_size = sizeof(struct list_args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_versions,
};

/* ---- show ---- */

static int run_show(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct list_args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_OWN(sk_json_free) struct sk_json *answer = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);

    (void)count;
    if (sk_cli_remote(a->hub, &r, err) < 0 || sk_catalog_resolve(r, operands[0], &answer, err) < 0)
        return -1;
    if (a->json)
        return sk_cli_print_json(answer, err);
    sk_cli_leaves(answer, NULL, &out);
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_model_show = {
    .name = "model show",
    .operands = "MODEL",
    .summary = "Shows everything that is kept of a version",
    .details = "MODEL is NAME (the latest version that is not archived), NAME:3, NAME@champion or "
               "NAME@sha256:...",
    .examples = "skerry model show defect-detector:3\n",
    .options = versions_options,
    .args_size = sizeof(struct list_args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_show,
};
