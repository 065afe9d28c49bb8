/*
 * cmd_device_list.c - `skerry device list`, `modules`, `show`: what the hub knows of devices.
 *
 * The list is a query of twins, page by page, so that filters work at the hub. Who may only read
 * the registry gets the identities instead (at most 1,000), which are filtered here.
 */
#include "base/str.h"
#include "cli/cli_priv.h"
#include "cli/device_priv.h"
#include "cli/remote_priv.h"

#include <string.h>

struct args {
    const char *hub, *module;
    uint64_t top;
    bool is_edge, is_connected, keys, json;
};

#define AT(field) .offset = offsetof(struct args, field)

enum {
    PAGE = 1000,
    LIST_BYTES = 64 << 20,
    CONTINUATION = 1024
};

/* clang-format off */
static const struct sk_opt list_options[] = {
    { "edge", 'e', SK_OPT_FLAG, NULL, "edge devices only", AT(is_edge) },
    { "connected", 'c', SK_OPT_FLAG, NULL, "those that are connected only", AT(is_connected) },
    { "top", 0, SK_OPT_U64, "N", "most rows", .def = "1000", .min = 1, .max = 1000000, AT(top) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON, one device a line", AT(json) },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

static const struct sk_opt modules_options[] = {
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", AT(json) },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

static const struct sk_opt show_options[] = {
    { "module", 'm', SK_OPT_TEXT, "ID", "this module of it", AT(module) },
    { "keys", 'k', SK_OPT_FLAG, NULL, "its keys, too", AT(keys) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", AT(json) },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

/* clang-format on */

/* ---- list ---- */

/* Of a twin, or of an identity. */
static const char *auth_of(const struct sk_json *d)
{
    const char *type = sk_json_get_text(d, "authenticationType", NULL);

    if (!type)
        type = sk_json_get_text(sk_json_get(d, "authentication"), "type", "");
    return sk_device_auth(type);
}

static bool is_edge(const struct sk_json *d)
{
    return sk_json_bool(sk_json_get(sk_json_get(d, "capabilities"), "iotEdge"), false);
}

static bool is_connected(const struct sk_json *d)
{
    return strcmp(sk_json_get_text(d, "connectionState", ""), "Connected") == 0;
}

static void add_heading(struct sk_buf *out)
{
    sk_buf_str(out,
               "ID                                STATUS    STATE         EDGE  AUTH             "
               "LAST ACTIVITY (UTC)\n");
}

static void add_row(const struct sk_json *d, struct sk_buf *out)
{
    sk_cli_cell(out, sk_json_get_text(d, "deviceId", ""), 32);
    sk_cli_cell(out, sk_json_get_text(d, "status", ""), 8);
    sk_cli_cell(out, is_connected(d) ? "connected" : "disconnected", 12);
    sk_cli_cell(out, is_edge(d) ? "yes" : "no", 4);
    sk_cli_cell(out, auth_of(d), 15);
    sk_device_when(out, sk_json_get_text(d, "lastActivityTime", ""));
    while (sk_buf_ok(out) && out->len > 0 && out->data[out->len - 1] == ' ')
        out->len--;
    sk_buf_chr(out, '\n');
}

/* Keys stay out of lists. */
static void add_json(const struct sk_json *d, struct sk_buf *out)
{
    bool is_first = true;

    sk_buf_chr(out, '{');
    for (void *it = sk_json_first(d); it; it = sk_json_next(d, it)) {
        if (strcmp(sk_json_key(it), "authentication") == 0)
            continue;
        sk_buf_str(out, is_first ? "" : ",");
        is_first = false;
        sk_buf_json_str(out, sk_json_key(it));
        sk_buf_chr(out, ':');
        sk_json_dump(sk_json_value(it), out);
    }
    if (sk_json_get(d, "authentication"))
        sk_buf_fmt(out, ",\"authenticationType\":\"%s\"",
                   sk_json_get_text(sk_json_get(d, "authentication"), "type", ""));
    sk_buf_chr(out, '}');
}

/* Prints those of the array that are wanted, at most *left. */
static int print_page(const struct args *a, const struct sk_json *list, bool is_first,
                      uint64_t *left, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(LIST_BYTES);

    if (is_first && !a->json)
        add_heading(&out);
    for (size_t i = 0; i < sk_json_count(list) && *left > 0; i++) {
        const struct sk_json *d = sk_json_at(list, i);
        if ((a->is_edge && !is_edge(d)) || (a->is_connected && !is_connected(d)))
            continue;
        if (a->json) {
            add_json(d, &out);
            sk_buf_chr(&out, '\n');
        } else {
            add_row(d, &out);
        }
        --*left;
    }
    return sk_cli_print(&out, err);
}

static int list_identities(struct sk_remote *r, const struct args *a, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *list = NULL;
    uint64_t left = a->top;

    if (sk_remote_call(r, "GET", "/devices?top=1000&" SK_IOT_API, NULL, &list, err) < 0)
        return -1;
    return print_page(a, list, true, &left, err);
}

static int run_list(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf query = SK_BUF_INIT(4096);
    SK_AUTO(sk_query_page_done) struct sk_query_page page = { 0 };
    uint64_t left = a->top;

    (void)operands;
    (void)count;
    sk_buf_fmt(&query, "SELECT * FROM devices%s%s%s%s",
               a->is_edge || a->is_connected ? " WHERE " : "",
               a->is_edge ? "capabilities.iotEdge = true" : "",
               a->is_edge && a->is_connected ? " AND " : "",
               a->is_connected ? "connectionState = 'Connected'" : "");
    if (!sk_buf_ok(&query))
        return sk_buf_fail(&query, err);
    if (sk_cli_remote(a->hub, &r, err) < 0)
        return -1;
    for (bool is_first = true; is_first || (left > 0 && page.continuation[0]); is_first = false) {
        struct sk_err why = SK_ERR_INIT;
        if (sk_query_next(r, query.data, left < PAGE ? left : PAGE, &page, &why) < 0) {
            if (is_first && why.code == SK_DENIED)
                return list_identities(r, a, err);
            *err = why;
            return -1;
        }
        if (print_page(a, page.rows, is_first, &left, err) < 0)
            return -1;
    }
    return 0;
}

const struct sk_cmd sk_cli_device_list = {
    .name = "device list",
    .summary = "Lists the devices of a hub",
    .examples = "skerry device list --edge --connected # edge devices that are there now\n",
    .options = list_options,
    .args_size = sizeof(struct args),
    .run = run_list,
};

/* ---- modules ---- */

int sk_device_print_modules(const struct sk_json *list, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(LIST_BYTES);

    sk_buf_str(&out,
               "ID                                STATE         AUTH             MANAGED BY   "
               "LAST ACTIVITY (UTC)\n");
    for (size_t i = 0; i < sk_json_count(list); i++) {
        const struct sk_json *m = sk_json_at(list, i);
        sk_cli_cell(&out, sk_json_get_text(m, "moduleId", ""), 32);
        sk_cli_cell(&out, is_connected(m) ? "connected" : "disconnected", 12);
        sk_cli_cell(&out, auth_of(m), 15);
        sk_cli_cell(&out, sk_json_get_text(m, "managedBy", "-"), 11);
        sk_device_when(&out, sk_json_get_text(m, "lastActivityTime", ""));
        while (sk_buf_ok(&out) && out.len > 0 && out.data[out.len - 1] == ' ')
            out.len--;
        sk_buf_chr(&out, '\n');
    }
    return sk_cli_print(&out, err);
}

int sk_device_print_modules_json(const struct sk_json *list, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(LIST_BYTES);

    sk_buf_chr(&out, '[');
    for (size_t i = 0; i < sk_json_count(list); i++) {
        sk_buf_str(&out, i > 0 ? "," : "");
        add_json(sk_json_at(list, i), &out);
    }
    sk_buf_str(&out, "]\n");
    return sk_cli_print(&out, err);
}

static int run_modules(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_OWN(sk_json_free) struct sk_json *list = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);

    (void)count;
    if (sk_device_path("/devices/", operands[0], NULL, "/modules", &path, err) < 0 ||
        sk_cli_remote(a->hub, &r, err) < 0 ||
        sk_remote_call(r, "GET", path.data, NULL, &list, err) < 0)
        return -1;
    return (a->json ? sk_device_print_modules_json : sk_device_print_modules)(list, err);
}

const struct sk_cmd sk_cli_device_modules = {
    .name = "device modules",
    .operands = "DEVICE",
    .summary = "Lists the modules of a device",
    .examples = "skerry device modules cell-7\n",
    .options = modules_options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_modules,
};

/* ---- show ---- */

static int run_show(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    static const char *const secrets[] = { "symmetricKey", NULL };
    const struct args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_OWN(sk_json_free) struct sk_json *identity = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);

    (void)count;
    if (sk_device_path("/devices/", operands[0], a->module, NULL, &path, err) < 0 ||
        sk_cli_remote(a->hub, &r, err) < 0 ||
        sk_remote_call(r, "GET", path.data, NULL, &identity, err) < 0)
        return -1;
    if (a->json && a->keys)
        return sk_cli_print_json(identity, err);
    if (a->json) {
        add_json(identity, &out);
        sk_buf_chr(&out, '\n');
    } else {
        sk_cli_leaves(identity, a->keys ? NULL : secrets, &out);
    }
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_device_show = {
    .name = "device show",
    .operands = "DEVICE",
    .summary = "Shows the identity of a device or module",
    .details = "Its properties and tags are its twin's: see twin show.",
    .examples = "skerry device show line-3\n"
                "skerry device show line-3 --module filter --keys --json\n",
    .options = show_options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_show,
};
