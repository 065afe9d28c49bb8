/*
 * opt.h - options as tables, commands as tables. Parser, --help, man page and shell completion are
 * all printed from the same rows.
 *
 *     struct args { const char *host; uint64_t port; bool watch; };
 *     static const struct sk_opt options[] = {
 *         { "host", 'H', SK_OPT_TEXT, "ADDR", "address to listen on",
 *           .def = "127.0.0.1", .offset = offsetof(struct args, host) },
 *         { "port", 'p', SK_OPT_U64, "N", "port; 0 picks a free one",
 *           .def = "5001", .max = 65535, .offset = offsetof(struct args, port) },
 *         { "watch", 0, SK_OPT_FLAG, NULL, "reload changed models",
 *           .offset = offsetof(struct args, watch) },
 *         { .name = NULL },
 *     };
 *
 * Precedence: flag, then environment SKERRY_<NAME> (dashes become underscores), then
 * /etc/skerry/<command>.json (an object with the option names as keys; SKERRY_CONFIG names another
 * file), then the default.
 *
 * Forms: "--name=value", "--name value", "-n value", "-nvalue", "--no-name" for flags, "--" ends
 * the options; options may follow operands. A path (PATH, DIR, FILE) that is empty is refused; an
 * empty variable is none. A wrong word is named, with the nearest known one, and
 * gives SK_USAGE.
 */
#ifndef SK_BASE_OPT_H
#define SK_BASE_OPT_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sk_opt_type {
    SK_OPT_FLAG,   /* bool */
    SK_OPT_TEXT,   /* const char *, borrowed from argv, the environment or the table */
    SK_OPT_U64,    /* uint64_t within min..max */
    SK_OPT_F64,    /* double within min..max */
    SK_OPT_SIZE,   /* uint64_t bytes: 64K, 10M */
    SK_OPT_MS,     /* uint64_t milliseconds: 250ms, 30s */
    SK_OPT_CHOICE, /* const char * of one of choices ("auto|cpu|cuda") */
    SK_OPT_LIST,   /* struct sk_opt_list: may be given several times */
};

enum {
    SK_OPT_LIST_MAX = 32
};

struct sk_opt_list {
    const char *items[SK_OPT_LIST_MAX];
    size_t count;
};

struct sk_opt {
    const char *name;
    char letter; /* 0: none */
    enum sk_opt_type type;
    const char *arg;     /* name of the value in help, NULL for flags */
    const char *help;    /* one sentence without full stop */
    const char *def;     /* default as text, NULL for "unset" (NULL, 0, false) */
    const char *choices; /* SK_OPT_CHOICE */
    uint64_t min, max;   /* max 0: no upper bound */
    size_t offset;       /* into the command's argument structure */
    const char *group;   /* heading in help, NULL: "Options" */
};

struct sk_cmd {
    const char *name;     /* "serve", "model inspect" */
    const char *operands; /* "MODEL...", as help prints it; NULL: none */
    const char *summary;  /* one line */
    const char *details;  /* paragraphs for --help and the man page */
    const char *examples; /* lines "command # what it does" */
    const struct sk_opt *options;
    size_t args_size; /* size of the argument structure, at most SK_CMD_ARGS_MAX */
    unsigned min_operands, max_operands;
    bool hidden; /* internal: not listed */
    int (*run)(const void *args, char **operands, unsigned count, struct sk_err *err);
};

enum {
    SK_CMD_ARGS_MAX = 4096
};

/* Fills args (zeroed here) and moves the operands to the front of argv[1..]; *count is their
 * number. When --help is among the words *help is set and nothing else is done. config_get may be
 * NULL; it gives the value of a key of the configuration file as text, NULL for none, so that base
 * needs no JSON library. */
typedef const char *sk_opt_config_get(void *ctx, const char *key);
int sk_opt_parse(const struct sk_cmd *cmd, int argc, char **argv, sk_opt_config_get *config_get,
                 void *config, void *args, unsigned *count, bool *help,
                 struct sk_err *err) SK_CHECK;

/* The row of an option, NULL for none. */
const struct sk_opt *sk_cmd_option(const struct sk_cmd *cmd, const char *name);

/* The row whose name matches the first words; *used is how many words it took. NULL: none; then
 * *near is the nearest known name or NULL. */
const struct sk_cmd *sk_cmd_find(const struct sk_cmd *const *cmds, int argc, char **argv, int *used,
                                 const char **near);

void sk_cmd_help(const struct sk_cmd *cmd, struct sk_buf *out);
void sk_cmds_help(const struct sk_cmd *const *cmds, const char *version, struct sk_buf *out);
/* The same for the commands that begin with a word, such as "hub"; false when there is none. */
bool sk_cmds_group_help(const struct sk_cmd *const *cmds, const char *group, struct sk_buf *out);
/* The manual page skerry(1), in roff. */
void sk_cmds_man(const struct sk_cmd *const *cmds, const char *version, struct sk_buf *out);
/* shell: "bash", "zsh" or "fish"; nothing is added for others. */
void sk_cmds_completion(const struct sk_cmd *const *cmds, const char *shell, struct sk_buf *out);
/* docs/commands.md */
void sk_cmds_markdown(const struct sk_cmd *const *cmds, struct sk_buf *out);

#endif
