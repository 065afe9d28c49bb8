/* cmd_help.c - `skerry help [COMMAND]`. */
#include "cli/cli.h"
#include "cli/cli_priv.h"

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);
    const char *near = NULL;
    int used = 0;

    (void)args;
    if (count == 0) {
        sk_cmds_help(sk_commands, SK_VERSION, &out);
        return sk_cli_print(&out, err);
    }
    const struct sk_cmd *cmd = sk_cmd_find(sk_commands, (int)count, operands, &used, &near);
    if (!cmd && count == 1 && sk_cmds_group_help(sk_commands, operands[0], &out))
        return sk_cli_print(&out, err);
    if (!cmd && near)
        return sk_fail(err, SK_USAGE, "unknown command '%s'; did you mean 'skerry help %s'?",
                       operands[0], near);
    if (!cmd)
        return sk_fail(err, SK_USAGE, "unknown command '%s'; 'skerry help' lists all", operands[0]);
    sk_cmd_help(cmd, &out);
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_help = {
    .name = "help",
    .operands = "[COMMAND]",
    .summary = "Lists the commands, or tells about one of them",
    .max_operands = 3,
    .run = run,
};
