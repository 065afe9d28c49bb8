/*
 * cmd_edge_check.c - `skerry edge check`: what may keep this device from working; `support-bundle`:
 * the same with logs and configuration, without secrets, in one file.
 */
#include "agent/agent.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "cli/cli_priv.h"
#include "cli/edge_priv.h"

#include <string.h>

struct args {
    struct sk_cli_edge edge;
    const char *output;
    uint64_t tail;
    bool json;
};

#define AT(field) .offset = offsetof(struct args, field)

enum {
    OUT_BYTES = 16 << 20,
    CALL_MS = 15000
};

/* clang-format off */
static const struct sk_opt check_options[] = {
    SK_CLI_EDGE_OPTIONS(struct args),
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON, one finding a line", AT(json) },
    { .name = NULL },
};

static const struct sk_opt bundle_options[] = {
    { "output", 'o', SK_OPT_TEXT, "FILE", "the file that is made; else support-bundle.txt", AT(output) },
    { "tail", 't', SK_OPT_U64, "N", "lines of each module's output", .def = "1000", .min = 1, .max = 1000000, AT(tail) },
    SK_CLI_EDGE_OPTIONS(struct args),
    { .name = NULL },
};

/* clang-format on */

struct findings {
    struct sk_buf *out;
    bool json;
    char group[32];
    unsigned errors, warnings;
};

static int add_finding(void *ctx, const char *group, const char *name, const char *result,
                       const char *text, const char *fix, struct sk_err *err)
{
    struct findings *f = ctx;
    bool is_error = strcmp(result, "error") == 0, is_warning = strcmp(result, "warning") == 0;
    (void)err;
    f->errors += is_error;
    f->warnings += is_warning;
    if (f->json) {
        const char *const rows[][2] = {
            { "group", group }, { "name", name }, { "result", result },
            { "text", text },   { "fix", fix },
        };
        for (size_t i = 0; i < 5; i++) {
            sk_buf_fmt(f->out, "%c\"%s\":", i == 0 ? '{' : ',', rows[i][0]);
            sk_buf_json_str(f->out, rows[i][1]);
        }
        sk_buf_str(f->out, "}\n");
        return 0;
    }
    if (strcmp(f->group, group) != 0) {
        sk_buf_fmt(f->out, "%s%s\n", *f->group ? "\n" : "", group);
        (void)snprintf(f->group, sizeof f->group, "%s", group);
    }
    sk_buf_fmt(f->out, "%s %s: %s\n", is_error ? "×" : is_warning ? "‼" : "√", name, text);
    if (*fix)
        sk_buf_fmt(f->out, "      to mend it: %s\n", fix);
    return 0;
}

static int gather(const struct sk_cli_edge *e, struct findings *f, struct sk_err *err)
{
    SK_OWN(free) char *dir = NULL;
    if (sk_cli_edge_dirs(e, &dir, NULL, err) < 0)
        return -1;
    const struct sk_agent_options agent = { .dir = dir, .run_dir = e->run_dir };
    return sk_agent_check(&agent, add_finding, f, err);
}

static int check(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(OUT_BYTES);
    struct findings f = { .out = &out, .json = a->json };
    (void)operands;
    (void)count;
    if (gather(&a->edge, &f, err) < 0)
        return -1;
    if (!a->json)
        sk_buf_fmt(&out, "\n%u error%s, %u warning%s\n", f.errors, f.errors == 1 ? "" : "s",
                   f.warnings, f.warnings == 1 ? "" : "s");
    if (sk_cli_print(&out, err) < 0)
        return -1;
    return f.errors > 0 ? sk_fail(err, SK_INVALID, "%u of the checks failed", f.errors) : 0;
}

/* ---- the support bundle ---- */

static void add_answer(const struct sk_cli_edge *e, const char *title, const char *call,
                       struct sk_buf *out)
{
    SK_OWN(sk_json_free) struct sk_json *answer = NULL;
    struct sk_err err = SK_ERR_INIT;
    sk_buf_fmt(out, "\n==== %s ====\n", title);
    if (sk_cli_edge_ask(e, call, CALL_MS, &answer, &err) < 0) {
        sk_buf_fmt(out, "(%s)\n", err.text);
        return;
    }
    const char *text = sk_json_get_text(answer, "text", NULL);
    if (text)
        sk_buf_str(out, text);
    else
        sk_json_dump(answer, out);
    sk_buf_chr(out, '\n');
}

static void add_logs(const struct args *a, struct sk_buf *out)
{
    SK_OWN(sk_json_free) struct sk_json *list = NULL;
    struct sk_err err = SK_ERR_INIT;
    if (sk_cli_edge_ask(&a->edge, "{\"type\":\"list\"}", CALL_MS, &list, &err) < 0)
        return;
    const struct sk_json *modules = sk_json_get(list, "modules");
    for (size_t i = 0; i < sk_json_count(modules); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf call = SK_BUF_INIT(4096);
        char title[200];
        const char *name = sk_json_get_text(sk_json_at(modules, i), "name", "");
        sk_buf_str(&call, "{\"type\":\"logs\",\"module\":");
        sk_buf_json_str(&call, name);
        sk_buf_fmt(&call, ",\"tail\":%llu}", (unsigned long long)a->tail);
        sk_buf_chr(&call, '\0');
        (void)snprintf(title, sizeof title, "output of %s", name);
        if (sk_buf_ok(&call))
            add_answer(&a->edge, title, call.data, out);
    }
}

static void add_config(const struct sk_cli_edge *e, struct sk_buf *out)
{
    SK_OWN(free) char *dir = NULL;
    SK_OWN(free) char *text = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;
    if (sk_cli_edge_dirs(e, &dir, NULL, &err) < 0)
        return;
    SK_OWN(free) char *path = sk_path_join(dir, "edge.json");
    sk_buf_str(out, "\n==== edge.json ====\n");
    if (path && sk_file_read(path, OUT_BYTES, &text, &len, &err) == 0)
        sk_buf_add(out, text, len);
    else
        sk_buf_fmt(out, "(%s)\n", err.text);
}

static int bundle(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    const char *path = a->output ? a->output : "support-bundle.txt";
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(OUT_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf said = SK_BUF_INIT(4096);
    struct findings f = { .out = &out };
    char now[SK_TIME_TEXT];
    (void)operands;
    (void)count;
    sk_time_text(sk_wall_ms(), now);
    sk_buf_fmt(&out, "skerry " SK_VERSION ", %s\n\n==== check ====\n", now);
    if (gather(&a->edge, &f, err) < 0)
        return -1;
    add_config(&a->edge, &out);
    add_answer(&a->edge, "status", "{\"type\":\"status\"}", &out);
    add_answer(&a->edge, "modules", "{\"type\":\"list\"}", &out);
    add_logs(a, &out);
    if (!sk_buf_ok(&out))
        return sk_buf_fail(&out, err);
    if (sk_file_write(path, out.data, out.len, 0600, err) < 0)
        return -1;
    sk_buf_fmt(&said, "%s\n", path);
    return sk_cli_print(&said, err);
}

const struct sk_cmd sk_cli_edge_check = {
    .name = "edge check",
    .summary = "Looks for what may keep this edge device from working, and says how to mend it",
    .details = "√ is good, ‼ a warning, × an error. The exit status is 1 when there is an error.",
    .examples = "skerry edge check\nskerry edge check --json # for programs",
    .options = check_options,
    .args_size = sizeof(struct args),
    .run = check,
};

const struct sk_cmd sk_cli_edge_support_bundle = {
    .name = "edge support-bundle",
    .summary = "Gathers checks, state, configuration and logs in one file, without secrets",
    .examples = "skerry edge support-bundle -o cell-7.txt",
    .options = bundle_options,
    .args_size = sizeof(struct args),
    .run = bundle,
};
