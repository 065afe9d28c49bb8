/* cmd_completion.c - `skerry completion SHELL`. */
#include "cli/cli.h"
#include "cli/cli_priv.h"

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);

    (void)args;
    (void)count;
    sk_cmds_completion(sk_commands, operands[0], &out);
    if (out.len == 0 && sk_buf_ok(&out))
        return sk_fail(err, SK_USAGE, "unknown shell '%s'; there is bash, zsh and fish",
                       operands[0]);
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_completion = {
    .name = "completion",
    .operands = "bash|zsh|fish",
    .summary = "Prints a completion script for a shell",
    .examples = "source <(skerry completion bash) # in ~/.bashrc\n"
                "skerry completion zsh >~/.zfunc/_skerry # with ~/.zfunc in $fpath\n"
                "skerry completion fish >~/.config/fish/completions/skerry.fish # for fish",
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
