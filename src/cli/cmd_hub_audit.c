/* cmd_hub_audit.c - `skerry hub audit`: who changed what, newest first. */
#include "base/str.h"
#include "cli/cli_priv.h"
#include "cli/hub_door_priv.h"

#include <string.h>

struct args {
    const char *data_dir, *hub;
    uint64_t max, before;
    bool json;
};

#define AT(field) .offset = offsetof(struct args, field)

enum {
    PAGE_BYTES = 64 << 20,
    PAGE_ROWS = 1000
};

/* clang-format off */
static const struct sk_opt options[] = {
    { "max", 'm', SK_OPT_U64, "N", "most rows", .def = "100", .min = 1, .max = 1000000, AT(max) },
    { "before", 0, SK_OPT_U64, "ID", "only rows older than this one; 0: all",
      .def = "0", .max = INT64_MAX, AT(before) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON, one row a line", AT(json) },
    { "data-dir", 'd', SK_OPT_TEXT, "DIR", "the hub's folder, opened here instead of asking the hub",
      AT(data_dir), .group = "Hub" },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

/* clang-format on */

static int add_row(void *ctx, const struct sk_audit_row *row, struct sk_err *err)
{
    struct sk_buf *b = ctx;
    if (sk_ends_with(b->data, "}"))
        sk_buf_chr(b, ',');
    sk_audit_json(row, b);
    return sk_buf_ok(b) ? 0 : sk_buf_fail(b, err);
}

/* One page: {"rows":[...]}. */
static int read_page(struct sk_hub_door *d, uint64_t before, uint64_t max, struct sk_json **out,
                     struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(PAGE_BYTES);
    if (d->remote) {
        sk_buf_fmt(&b, "/api/v1/audit?before=%llu&max=%llu", (unsigned long long)before,
                   (unsigned long long)max);
        return sk_buf_ok(&b) ? sk_remote_call(d->remote, "GET", b.data, NULL, out, err)
                             : sk_buf_fail(&b, err);
    }
    sk_buf_str(&b, "{\"rows\":[");
    if (!sk_buf_ok(&b))
        return sk_buf_fail(&b, err);
    if (sk_audit_list(d->accounts, (int64_t)before, (unsigned)max, add_row, &b, err) < 0)
        return -1;
    sk_buf_str(&b, "]}");
    return sk_hub_door_parse(&b, out, err);
}

static void add_line(struct sk_buf *out, const struct sk_json *row)
{
    const char *at = sk_json_get_text(row, "at", "");
    char when[24];
    (void)snprintf(when, sizeof when, "%.10s %.8s", at, strlen(at) > 19 ? at + 11 : "");
    sk_buf_fmt(out, "%-8lld  %s  ", (long long)sk_json_int(sk_json_get(row, "id"), 0), when);
    sk_cli_cell(out, sk_json_get_text(row, "who", ""), 16);
    sk_cli_cell(out, sk_json_get_text(row, "peer", ""), 21);
    sk_cli_cell(out, sk_json_get_text(row, "action", ""), 18);
    sk_cli_cell(out, sk_json_get_text(row, "object", ""), 0);
    sk_buf_str(out, "  ");
    sk_cli_cell(out, sk_json_get_text(row, "detail", ""), 0);
    sk_buf_chr(out, '\n');
}

static int print_page(const struct sk_json *rows, bool as_json, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(PAGE_BYTES);
    for (size_t i = 0; i < sk_json_count(rows); i++) {
        if (!as_json) {
            add_line(&out, sk_json_at(rows, i));
            continue;
        }
        sk_json_dump(sk_json_at(rows, i), &out);
        sk_buf_chr(&out, '\n');
    }
    return sk_cli_print(&out, err);
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_AUTO(sk_hub_door_close) struct sk_hub_door d = { 0 };
    uint64_t before = a->before, left = a->max;
    (void)operands;
    (void)count;
    if (sk_hub_door_open(&d, a->data_dir, a->hub, err) < 0)
        return -1;
    while (left > 0) {
        SK_OWN(sk_json_free) struct sk_json *doc = NULL;
        uint64_t ask = left < PAGE_ROWS ? left : PAGE_ROWS;
        if (read_page(&d, before, ask, &doc, err) < 0)
            return -1;
        const struct sk_json *rows = sk_json_get(doc, "rows");
        size_t got = sk_json_count(rows);
        if (got == 0)
            return 0;
        if (print_page(rows, a->json, err) < 0)
            return -1;
        const struct sk_json *last = sk_json_get(sk_json_at(rows, got - 1), "id");
        before = (uint64_t)sk_json_int(last, 0);
        left -= got < left ? got : left;
        if (got < ask || before == 0)
            return 0;
    }
    return 0;
}

const struct sk_cmd sk_cli_hub_audit = {
    .name = "hub audit",
    .summary = "Shows who changed what, when and from where",
    .examples = "skerry hub audit # the newest 100 changes\n"
                "skerry hub audit --json --max 1000000 --data-dir /srv/hub # all, for other tools",
    .options = options,
    .args_size = sizeof(struct args),
    .run = run,
};
