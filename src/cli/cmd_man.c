/* cmd_man.c - `skerry man`: the manual page, or the same in Markdown. */
#include "cli/cli.h"
#include "cli/cli_priv.h"

struct args {
    bool markdown;
};

static const struct sk_opt options[] = {
    { "markdown", 0, SK_OPT_FLAG, NULL, "print docs/commands.md instead",
      .offset = offsetof(struct args, markdown) },
    { .name = NULL },
};

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);
    const struct args *a = args;

    (void)operands;
    (void)count;
    if (a->markdown)
        sk_cmds_markdown(sk_commands, &out);
    else
        sk_cmds_man(sk_commands, SK_VERSION, &out);
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_man = {
    .name = "man",
    .summary = "Prints the manual page skerry(1)",
    .examples = "skerry man | man -l - # read it\n"
                "skerry man >/usr/local/share/man/man1/skerry.1 # install it",
    .options = options,
    .args_size = sizeof(struct args),
    .run = run,
};
