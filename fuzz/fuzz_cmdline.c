/*
 * fuzz_cmdline.c - arbitrary words to the command line: finding the command, its options, their
 * values.
 *
 * Words are separated by NUL or newline. The command is looked up among the real ones and its
 * options are read into a structure of their own, once as words and once as if the same texts stood
 * in a configuration file; nothing is run. What comes out is checked: operands are the given words,
 * and an error names its cause.
 */
#include "base/opt.h"
#include "cli/cli.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    WORDS_MAX = 128
};

struct words {
    char *items[WORDS_MAX];
    int count;
};

/* Every option has the text of the word after the key's length: arbitrary, but the same each time.
 */
static const char *config_value(void *ctx, const char *key)
{
    const struct words *w = ctx;
    size_t n = strlen(key);

    return w->count > 0 && n % 3 ? w->items[n % (size_t)w->count] : NULL;
}

static int is_word(const struct words *all, const char *word)
{
    for (int i = 0; i < all->count; i++)
        if (all->items[i] == word)
            return 1;
    return 0;
}

static void parse(const struct sk_cmd *cmd, int argc, char **argv, const struct words *all,
                  int with_config)
{
    alignas(max_align_t) char args[SK_CMD_ARGS_MAX];
    struct sk_err err = SK_ERR_INIT;
    unsigned count = 0;
    bool help = false;
    int rc = sk_opt_parse(cmd, argc, argv, with_config ? config_value : NULL,
                          (void *)(uintptr_t)all, args, &count, &help, &err);

    if (rc < 0 && (err.code != SK_USAGE || err.text[0] == '\0'))
        abort();
    if (rc < 0 || help)
        return;
    if (count < cmd->min_operands || count > cmd->max_operands)
        abort();
    for (unsigned i = 0; i < count; i++)
        if (!is_word(all, argv[1 + i]))
            abort();
}

static void try_words(const struct words *all, int with_config)
{
    char *argv[WORDS_MAX];
    const char *near = NULL;
    int used = 0;

    memcpy(argv, all->items, sizeof argv);
    const struct sk_cmd *cmd = sk_cmd_find(sk_commands, all->count, argv, &used, &near);
    if (cmd)
        parse(cmd, all->count - used + 1, argv + used - 1, all, with_config);
    else if (used != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct words all = { .count = 0 };

    if (!text)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    for (char *p = text; p <= text + size && all.count < WORDS_MAX;) {
        size_t n = strcspn(p, "\n");
        all.items[all.count++] = p;
        p[n] = '\0';
        p += n + 1;
    }
    try_words(&all, 0);
    try_words(&all, 1);
    free(text);
    return 0;
}
