/* cmd_query.c - `skerry query`: twins by IoT Hub's query language. */
#include "cli/cli_priv.h"
#include "cli/device_priv.h"
#include "cli/remote_priv.h"

#include <string.h>

struct args {
    const char *hub;
    uint64_t top;
    bool json;
};

#define AT(field) .offset = offsetof(struct args, field)

enum {
    PAGE = 1000,
    PAGE_BYTES = 64 << 20,
    COLUMNS_MAX = 16
};

/* clang-format off */
static const struct sk_opt options[] = {
    { "top", 0, SK_OPT_U64, "N", "most rows", .def = "1000", .min = 1, .max = 1000000, AT(top) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON, one row a line", AT(json) },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

/* clang-format on */

void sk_query_page_done(struct sk_query_page *p)
{
    sk_json_free(p->rows);
    *p = (struct sk_query_page){ 0 };
}

int sk_query_next(struct sk_remote *r, const char *query, uint64_t max, struct sk_query_page *p,
                  struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(SK_DEVICE_BODY_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf answer = SK_BUF_INIT(PAGE_BYTES);
    char most[64], from[sizeof p->continuation + 32];
    const char *const headers[] = { most, p->continuation[0] ? from : NULL, NULL };

    (void)snprintf(most, sizeof most, "x-ms-max-item-count: %llu", (unsigned long long)max);
    (void)snprintf(from, sizeof from, "x-ms-continuation: %s", p->continuation);
    sk_json_free(SK_TAKE(p->rows));
    sk_buf_str(&body, "{\"query\":");
    sk_buf_json_str(&body, query);
    sk_buf_chr(&body, '}');
    if (!sk_buf_ok(&body))
        return sk_buf_fail(&body, err);
    const struct sk_remote_request q = { .method = "POST",
                                         .path = "/devices/query?" SK_IOT_API,
                                         .headers = headers,
                                         .body = body.data,
                                         .body_len = body.len,
                                         .wanted = "x-ms-continuation",
                                         .value = p->continuation,
                                         .value_cap = sizeof p->continuation };
    if (sk_remote_send(r, &q, &answer, err) < 0)
        return -1;
    return sk_json_parse(answer.data ? answer.data : "", answer.len, NULL, &p->rows, err);
}

/* ---- printing ---- */

static bool is_twin(const struct sk_json *row)
{
    return sk_json_get(row, "deviceId") && sk_json_get(row, "connectionState") &&
           sk_json_get(row, "properties");
}

static void add_value(const struct sk_json *v, unsigned width, struct sk_buf *out)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_DEVICE_BODY_BYTES);

    if (!sk_json_text(v, NULL))
        sk_json_dump(v, &text);
    sk_cli_cell(out, sk_json_text(v, text.data ? text.data : ""), width);
}

/* What is shown of rows like this one: of twins a few members, of others all. */
static size_t choose(const struct sk_json *row, const char *names[COLUMNS_MAX])
{
    static const char *const of_twins[] = { "deviceId", "moduleId", "status", "connectionState",
                                            "lastActivityTime" };
    size_t count = 0;

    if (is_twin(row)) {
        for (size_t i = 0; i < sizeof of_twins / sizeof of_twins[0]; i++)
            if (strcmp(of_twins[i], "moduleId") != 0 || sk_json_get(row, "moduleId"))
                names[count++] = of_twins[i];
        return count;
    }
    for (void *it = sk_json_first(row); it && count < COLUMNS_MAX; it = sk_json_next(row, it))
        names[count++] = sk_json_key(it);
    return count;
}

static void add_row(const struct sk_json *row, const char *const *names, size_t count,
                    struct sk_buf *out)
{
    for (size_t i = 0; i < count; i++) {
        const unsigned width = i + 1 < count ? 24 : 0;
        if (row)
            add_value(sk_json_get(row, names[i]), width, out);
        else
            sk_cli_cell(out, names[i], width);
    }
    sk_buf_chr(out, '\n');
}

static int print(const struct args *a, const struct sk_json *rows, struct sk_buf *head,
                 uint64_t *left, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(PAGE_BYTES);
    const char *names[COLUMNS_MAX];
    const size_t all = sk_json_count(rows);
    const size_t columns = all > 0 ? choose(sk_json_at(rows, 0), names) : 0;

    if (!a->json && head->len == 0 && all > 0) {
        add_row(NULL, names, columns, head);
        sk_buf_add(&out, head->data ? head->data : "", head->len);
    }
    for (size_t i = 0; i<all && * left> 0; i++, --*left) {
        if (a->json) {
            sk_json_dump(sk_json_at(rows, i), &out);
            sk_buf_chr(&out, '\n');
        } else {
            add_row(sk_json_at(rows, i), names, columns, &out);
        }
    }
    return sk_cli_print(&out, err);
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_AUTO(sk_query_page_done) struct sk_query_page page = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf head = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    uint64_t left = a->top;

    (void)count;
    if (sk_cli_remote(a->hub, &r, err) < 0)
        return -1;
    do {
        if (sk_query_next(r, operands[0], left < PAGE ? left : PAGE, &page, err) < 0 ||
            print(a, page.rows, &head, &left, err) < 0)
            return -1;
    } while (left > 0 && page.continuation[0]);
    return 0;
}

const struct sk_cmd sk_cli_query = {
    .name = "query",
    .operands = "QUERY",
    .summary = "Asks for devices, modules and their twins",
    .details = "QUERY is in IoT Hub's language: SELECT of FROM devices or devices.modules with "
               "WHERE and GROUP BY. Of whole twins the table shows a few members; --json all.",
    .examples = "skerry query \"SELECT * FROM devices WHERE tags.site = 'north'\"\n"
                "skerry query \"SELECT properties.reported.model AS model, COUNT() AS n FROM "
                "devices GROUP BY properties.reported.model\"\n",
    .options = options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
