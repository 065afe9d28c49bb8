/* cmd_edge_list.c - `skerry edge list` and `status`: what runs on this device, from its agent. */
#include "base/clock.h"
#include "base/str.h"
#include "cli/cli_priv.h"
#include "cli/edge_priv.h"
#include "cli/remote_priv.h"

#include <string.h>

struct args {
    struct sk_cli_edge edge;
    bool json;
};

#define AT(field) .offset = offsetof(struct args, field)

enum {
    CALL_MS = 10000,
    OUT_BYTES = 1 << 20,
    DESCRIPTION = 34 /* columns of it in the table; what is longer stands below, whole */
};

/* clang-format off */
static const struct sk_opt options[] = {
    SK_CLI_EDGE_OPTIONS(struct args),
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", AT(json) },
    { .name = NULL },
};

/* clang-format on */

/* "3 hours" since a time; "" when it is none. */
static void since(const char *text, char *out, size_t cap)
{
    int64_t ms = 0;
    *out = '\0';
    if (!sk_time_parse(sk_view_of(text), &ms))
        return;
    int64_t s = ((int64_t)sk_wall_ms() - ms) / 1000;
    if (s < 0)
        s = 0;

    static const struct {
        int64_t seconds;
        const char *name;
    } units[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" } };

    for (size_t i = 0; i < 4; i++)
        if (s >= units[i].seconds || i == 3) {
            int64_t n = s / units[i].seconds;
            (void)snprintf(out, cap, "%lld %s%s", (long long)n, units[i].name, n == 1 ? "" : "s");
            return;
        }
}

static void describe(const struct sk_json *m, char *out, size_t cap)
{
    const char *status = sk_json_get_text(m, "status", "");
    const char *text = sk_json_get_text(m, "description", "");
    char ago[64];
    if (strcmp(status, "running") == 0) {
        since(sk_json_get_text(m, "lastStart", ""), ago, sizeof ago);
        const char *more = sk_starts_with(text, "running; ") ? text + strlen("running; ")
                           : strcmp(text, "running") == 0    ? ""
                                                             : text;
        (void)snprintf(out, cap, "Up %s%s%s", ago, *more ? "; " : "", more);
        return;
    }
    if (strcmp(status, "failed") == 0) {
        since(sk_json_get_text(m, "lastExit", ""), ago, sizeof ago);
        if (*ago) {
            (void)snprintf(out, cap, "Failed (%lld) %s ago",
                           (long long)sk_json_int(sk_json_get(m, "exitCode"), 0), ago);
            return;
        }
    }
    (void)snprintf(out, cap, "%s", text);
}

static void add_row(const struct sk_json *m, struct sk_buf *out)
{
    char text[500];
    describe(m, text, sizeof text);
    sk_cli_cell(out, sk_json_get_text(m, "name", ""), 24);
    sk_cli_cell(out, sk_json_get_text(m, "status", ""), 10);
    sk_cli_cell(out, text, DESCRIPTION);
    sk_buf_fmt(out, "%s\n", sk_json_get_text(m, "image", ""));
}

static void add_whole(const struct sk_json *modules, struct sk_buf *out)
{
    bool is_first = true;
    for (size_t i = 0; i < sk_json_count(modules); i++) {
        const struct sk_json *m = sk_json_at(modules, i);
        char text[500];
        describe(m, text, sizeof text);
        if (strlen(text) <= DESCRIPTION)
            continue;
        sk_buf_fmt(out, "%s%s: %s\n", is_first ? "\n" : "", sk_json_get_text(m, "name", ""),
                   sk_json_get_text(m, "description", ""));
        is_first = false;
    }
}

static int list(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_json_free) struct sk_json *answer = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(OUT_BYTES);
    (void)operands;
    (void)count;
    if (sk_cli_edge_ask(&a->edge, "{\"type\":\"list\"}", CALL_MS, &answer, err) < 0)
        return -1;
    const struct sk_json *modules = sk_json_get(answer, "modules");
    if (a->json) {
        sk_json_dump(modules, &out);
        sk_buf_chr(&out, '\n');
        return sk_cli_print(&out, err);
    }
    sk_buf_str(&out, "NAME                      STATUS      DESCRIPTION                         "
                     "CONFIG\n");
    for (size_t i = 0; i < sk_json_count(modules); i++)
        add_row(sk_json_at(modules, i), &out);
    add_whole(modules, &out);
    if (sk_json_count(modules) == 0)
        sk_buf_str(&out, "(the deployment has no modules, or there is none yet)\n");
    return sk_cli_print(&out, err);
}

static void put_deployment(const struct sk_json *d, struct sk_buf *out)
{
    long long version = sk_json_int(sk_json_get(d, "version"), -1);
    long long code = sk_json_int(sk_json_get(d, "code"), 0);
    const char *text = sk_json_get_text(d, "description", "");
    if (version < 0) {
        sk_buf_str(out, "deployment   none yet\n");
        return;
    }
    sk_buf_fmt(out, "deployment   version %lld, %s%lld%s%s\n", version,
               sk_json_int(sk_json_get(d, "applied"), -1) == version ? "applied: "
                                                                     : "under way; last: ",
               code, *text ? " " : "", text);
}

static void put_hub(const struct sk_json *s, struct sk_buf *out)
{
    const struct sk_json *hub = sk_json_get(s, "localHub");
    const struct sk_json *spool = sk_json_get(hub, "spool");
    if (sk_json_type(hub) != SK_JSON_OBJECT) {
        sk_buf_str(out, "local hub    does not answer\n");
        return;
    }
    size_t up = 0;
    const struct sk_json *clients = sk_json_get(hub, "clients");
    for (size_t i = 0; i < sk_json_count(clients); i++)
        if (sk_json_bool(sk_json_get(sk_json_at(clients, i), "isConnected"), false))
            up++;
    sk_buf_fmt(out, "local hub    %zu client%s, %lld message%s stored (%lld of %lld MiB)\n", up,
               up == 1 ? "" : "s", (long long)sk_json_int(sk_json_get(spool, "messages"), 0),
               sk_json_int(sk_json_get(spool, "messages"), 0) == 1 ? "" : "s",
               (long long)sk_json_int(sk_json_get(spool, "bytes"), 0) >> 20,
               (long long)sk_json_int(sk_json_get(spool, "maxBytes"), 0) >> 20);
}

static int status(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_json_free) struct sk_json *s = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(OUT_BYTES);
    char ago[64];
    (void)operands;
    (void)count;
    if (sk_cli_edge_ask(&a->edge, "{\"type\":\"status\"}", CALL_MS, &s, err) < 0)
        return -1;
    if (a->json) {
        sk_json_dump(s, &out);
        sk_buf_chr(&out, '\n');
        return sk_cli_print(&out, err);
    }
    since(sk_json_get_text(s, "since", ""), ago, sizeof ago);
    sk_buf_fmt(&out, "device       %s, reached as %s\n", sk_json_get_text(s, "device", ""),
               sk_json_get_text(s, "gateway", ""));
    const char *why = sk_json_get_text(s, "why", "");
    sk_buf_fmt(&out, "hub          %s, %s%s%s\n", sk_json_get_text(s, "hub", ""),
               sk_json_bool(sk_json_get(s, "isConnected"), false) ? "connected" : "not reached",
               *why ? ": " : "", why);
    sk_buf_fmt(&out, "agent        up %s, process %lld\n", ago,
               (long long)sk_json_int(sk_json_get(s, "pid"), 0));
    put_hub(s, &out);
    put_deployment(sk_json_get(s, "deployment"), &out);
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_edge_list = {
    .name = "edge list",
    .summary = "Lists the modules of this edge device",
    .examples = "skerry edge list # name, status, since when, image\n"
                "skerry edge list --json # with instances, processes and restarts",
    .options = options,
    .args_size = sizeof(struct args),
    .run = list,
};

const struct sk_cmd sk_cli_edge_status = {
    .name = "edge status",
    .summary = "Shows how this edge device is: hub, deployment, stored messages",
    .options = options,
    .args_size = sizeof(struct args),
    .run = status,
};
