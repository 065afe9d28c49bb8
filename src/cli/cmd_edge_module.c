/*
 * cmd_edge_module.c - `skerry edge logs`, `restart` and `exec`: one module of this device.
 *
 * exec: this process tells the agent its number, gets the module's environment, and becomes the
 * command, so that what the command does to the workload API is the module's.
 */
#include "base/str.h"
#include "cli/cli_priv.h"
#include "cli/edge_priv.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

struct args {
    struct sk_cli_edge edge;
    const char *since, *until;
    uint64_t tail;
    bool follow;
};

#define AT(field) .offset = offsetof(struct args, field)

enum {
    CALL_MS = 15000,
    OUT_BYTES = 4 << 20,
    FOLLOW_MS = 500,
    ENV_MAX = 512
};

/* clang-format off */
static const struct sk_opt logs_options[] = {
    { "tail", 't', SK_OPT_U64, "N", "the last N lines; 0: all that are kept", .def = "0", .max = 1000000, AT(tail) },
    { "since", 's', SK_OPT_TEXT, "TIME", "1d, 3h, 10m, 20s ago, Unix seconds, or ISO 8601 (containers)", AT(since) },
    { "until", 'u', SK_OPT_TEXT, "TIME", "likewise", AT(until) },
    { "follow", 'F', SK_OPT_FLAG, NULL, "go on with what comes", AT(follow) },
    SK_CLI_EDGE_OPTIONS(struct args),
    { .name = NULL },
};

static const struct sk_opt plain_options[] = {
    SK_CLI_EDGE_OPTIONS(struct args),
    { .name = NULL },
};

/* clang-format on */

static int ask_logs(const struct args *a, const char *module, struct sk_json **out,
                    struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(8192);
    sk_buf_str(&b, "{\"type\":\"logs\",\"module\":");
    sk_buf_json_str(&b, module);
    sk_buf_fmt(&b, ",\"tail\":%llu", (unsigned long long)a->tail);
    if (a->since) {
        sk_buf_str(&b, ",\"since\":");
        sk_buf_json_str(&b, a->since);
    }
    if (a->until) {
        sk_buf_str(&b, ",\"until\":");
        sk_buf_json_str(&b, a->until);
    }
    sk_buf_chr(&b, '}');
    sk_buf_chr(&b, '\0');
    if (!sk_buf_ok(&b))
        return sk_buf_fail(&b, err);
    return sk_cli_edge_ask(&a->edge, b.data, CALL_MS, out, err);
}

static int print_text(const char *text, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(OUT_BYTES);
    sk_buf_str(&out, text);
    return sk_cli_print(&out, err);
}

/* What stands behind the end of what was printed last; all of it when that is gone. */
static const char *behind(const char *text, const char *last)
{
    size_t n = strlen(last), mark = n > 400 ? 400 : n;
    const char *at = text, *found = NULL;
    if (mark == 0)
        return text;
    while ((at = strstr(at, last + n - mark)))
        found = at++;
    return found ? found + mark : text;
}

static int follow(const struct args *a, const char *module, const char *first, struct sk_err *err)
{
    struct args whole = *a;
    SK_OWN(free) char *last = strdup(first);
    whole.tail = 0;
    while (last) {
        SK_OWN(sk_json_free) struct sk_json *answer = NULL;
        (void)poll(NULL, 0, FOLLOW_MS);
        if (ask_logs(&whole, module, &answer, err) < 0)
            return -1;
        const char *text = sk_json_get_text(answer, "text", "");
        const char *more = behind(text, last);
        if (!*more)
            continue;
        if (print_text(more, err) < 0)
            return -1;
        free(last);
        last = strdup(text);
    }
    return sk_nomem(err);
}

static int logs(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_json_free) struct sk_json *answer = NULL;
    (void)count;
    if (ask_logs(a, operands[0], &answer, err) < 0)
        return -1;
    const char *text = sk_json_get_text(answer, "text", "");
    if (print_text(text, err) < 0)
        return -1;
    return a->follow ? follow(a, operands[0], text, err) : 0;
}

static int restart(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(8192);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(8192);
    (void)count;
    sk_buf_str(&b, "{\"type\":\"restart\",\"module\":");
    sk_buf_json_str(&b, operands[0]);
    sk_buf_chr(&b, '}');
    sk_buf_chr(&b, '\0');
    if (!sk_buf_ok(&b))
        return sk_buf_fail(&b, err);
    if (sk_cli_edge_ask(&a->edge, b.data, CALL_MS, NULL, err) < 0)
        return -1;
    sk_buf_fmt(&out, "%s\n", operands[0]);
    return sk_cli_print(&out, err);
}

static int become(const struct sk_json *env, char **command, struct sk_err *err)
{
    for (size_t i = 0; i < sk_json_count(env) && i < ENV_MAX; i++) {
        const char *text = sk_json_text(sk_json_at(env, i), "");
        const char *equals = strchr(text, '=');
        char name[256];
        if (!equals || (size_t)(equals - text) >= sizeof name)
            continue;
        memcpy(name, text, (size_t)(equals - text));
        name[equals - text] = '\0';
        if (setenv(name, equals + 1, 1) < 0)
            return sk_fail_errno(err, "the environment");
    }
    (void)execvp(command[0], command);
    return sk_fail_errno(err, "'%s'", command[0]);
}

static int exec(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_json_free) struct sk_json *answer = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(8192);
    char *command[256];
    if (count > sizeof command / sizeof *command)
        return sk_fail(err, SK_USAGE, "the command has too many words");
    for (unsigned i = 1; i < count; i++)
        command[i - 1] = operands[i];
    command[count - 1] = NULL;
    sk_buf_str(&b, "{\"type\":\"exec\",\"module\":");
    sk_buf_json_str(&b, operands[0]);
    sk_buf_fmt(&b, ",\"pid\":%d}", (int)getpid());
    sk_buf_chr(&b, '\0');
    if (!sk_buf_ok(&b))
        return sk_buf_fail(&b, err);
    if (sk_cli_edge_ask(&a->edge, b.data, CALL_MS, &answer, err) < 0)
        return -1;
    return become(sk_json_get(answer, "env"), command, err);
}

const struct sk_cmd sk_cli_edge_logs = {
    .name = "edge logs",
    .operands = "MODULE",
    .summary = "Prints the output of a module",
    .examples = "skerry edge logs defect-detector --tail 20\n"
                "skerry edge logs defect-detector --follow # until Ctrl-C",
    .options = logs_options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = logs,
};

const struct sk_cmd sk_cli_edge_restart = {
    .name = "edge restart",
    .operands = "MODULE",
    .summary = "Stops a module and starts it again",
    .options = plain_options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = restart,
};

const struct sk_cmd sk_cli_edge_exec = {
    .name = "edge exec",
    .operands = "MODULE -- COMMAND...",
    .summary = "Runs a command as a module, with its environment and identity",
    .details = "The command finds the local hub as the module does (IOTEDGE_* variables, the "
               "workload API), so a client that is meant for a container can be tried on a desk. "
               "It runs as you, outside of the module's sandbox, beside the module.",
    .examples = "skerry edge exec defect-detector -- python monitor_edge.py",
    .options = plain_options,
    .args_size = sizeof(struct args),
    .min_operands = 2,
    .max_operands = 250,
    .run = exec,
};
