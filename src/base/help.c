/*
 * help.c - --help and docs/commands.md from the tables of options and commands.
 *
 * Help is two columns, words wrapped at 90 columns:
 *
 *       -p, --port N           port; 0 picks a free one (default 5001)
 *
 * An option too wide for its column puts its sentence on the next line.
 */
#include "base/opt.h"

#include "base/cleanup.h"
#include "base/opt_priv.h"
#include "base/str.h"

enum {
    WIDTH = 90,
    COLUMN = 29
};

void sk_cmd_usage(const struct sk_cmd *cmd, struct sk_buf *out)
{
    sk_buf_fmt(out, "skerry %s", cmd->name);
    if (cmd->options && cmd->options->name)
        sk_buf_str(out, " [options]");
    if (cmd->operands)
        sk_buf_fmt(out, " %s", cmd->operands);
}

const char *sk_opt_group(const struct sk_opt *o)
{
    return o->group ? o->group : "Options";
}

const char *sk_opt_next_group(const struct sk_opt *options, const char *previous)
{
    bool seen = previous == NULL;

    for (const struct sk_opt *o = options; o && o->name; o++) {
        bool first = true;
        for (const struct sk_opt *p = options; p < o; p++)
            first = first && strcmp(sk_opt_group(p), sk_opt_group(o)) != 0;
        if (first && seen)
            return sk_opt_group(o);
        seen = seen || strcmp(sk_opt_group(o), previous) == 0;
    }
    return NULL;
}

void sk_opt_note(const struct sk_opt *o, struct sk_buf *out)
{
    if (o->type == SK_OPT_CHOICE)
        sk_buf_fmt(out, "one of %s", o->choices);
    if (o->type == SK_OPT_LIST)
        sk_buf_str(out, "may be given several times");
    if (o->def && o->type != SK_OPT_FLAG)
        sk_buf_fmt(out, "%sdefault %s", out->len ? "; " : "", o->def);
    if (o->def && o->type == SK_OPT_FLAG && strcmp(o->def, "true") == 0)
        sk_buf_fmt(out, "on unless --no-%s", o->name);
}

const char *sk_example_split(const char *line, size_t line_len, size_t *len)
{
    const char *hash = memmem(line, line_len, " # ", 3);
    const char *end = hash ? hash : line + line_len;

    while (end > line && end[-1] == ' ')
        end--;
    *len = (size_t)(end - line);
    return hash ? hash + 3 : NULL;
}

/* Appends words, starting at column `at`, each line after the first indented by `indent`. */
static void add_wrapped(struct sk_buf *out, const char *text, size_t len, size_t at, size_t indent)
{
    bool first = true;

    for (const char *p = text, *end = text + len; p < end;) {
        size_t n = 0;
        while (p + n < end && p[n] != ' ' && p[n] != '\n')
            n++;
        if (!first && at + 1 + n > WIDTH) {
            sk_buf_fmt(out, "\n%*s", (int)indent, "");
            at = indent;
        } else if (!first) {
            sk_buf_chr(out, ' ');
            at++;
        }
        sk_buf_add(out, p, n);
        at += n;
        first = false;
        p += n;
        while (p < end && (*p == ' ' || *p == '\n'))
            p++;
    }
    sk_buf_chr(out, '\n');
}

/* Paragraphs are parted by an empty line; lines that begin with a space stay as they are. */
static void add_paragraphs(struct sk_buf *out, const char *text)
{
    for (const char *p = text; *p;) {
        const char *end = strstr(p, "\n\n");
        size_t len = end ? (size_t)(end - p) : strlen(p);

        if (*p == ' ') {
            sk_buf_add(out, p, len);
            sk_buf_chr(out, '\n');
        } else {
            add_wrapped(out, p, len, 0, 0);
        }
        if (!end)
            return;
        sk_buf_chr(out, '\n');
        p = end + 2;
    }
}

/* "  -p, --port N" padded to the column, then the sentence. */
static void add_row(struct sk_buf *out, const char *left, const char *right)
{
    size_t used = strlen(left);

    sk_buf_str(out, left);
    if (used + 2 > COLUMN)
        sk_buf_fmt(out, "\n%*s", COLUMN, "");
    else
        sk_buf_fmt(out, "%*s", (int)(COLUMN - used), "");
    add_wrapped(out, right, strlen(right), COLUMN, COLUMN);
}

static void add_option(struct sk_buf *out, const struct sk_opt *o)
{
    SK_AUTO(sk_buf_done) struct sk_buf right = SK_BUF_INIT(4096);
    SK_AUTO(sk_buf_done) struct sk_buf note = SK_BUF_INIT(4096);
    char left[128];
    char letter[5] = "    ";

    if (o->letter)
        (void)snprintf(letter, sizeof letter, "-%c, ", o->letter);
    (void)snprintf(left, sizeof left, "  %s--%s%s%s", letter, o->name, o->arg ? " " : "",
                   o->arg ? o->arg : "");
    sk_opt_note(o, &note);
    sk_buf_str(&right, o->help);
    if (note.len)
        sk_buf_fmt(&right, " (%s)", note.data);
    if (!sk_buf_ok(&right) || !sk_buf_ok(&note))
        out->failed = SK_NOMEM;
    else
        add_row(out, left, right.data);
}

static void add_examples(struct sk_buf *out, const char *examples)
{
    sk_buf_str(out, "\nExamples:\n");
    for (const char *p = examples; *p;) {
        size_t line = strcspn(p, "\n");
        size_t len = 0;
        const char *why = sk_example_split(p, line, &len);

        if (why)
            sk_buf_fmt(out, "  # %.*s\n", (int)(p + line - why), why);
        sk_buf_fmt(out, "  %.*s\n", (int)len, p);
        p += line + (p[line] == '\n');
    }
}

void sk_cmd_help(const struct sk_cmd *cmd, struct sk_buf *out)
{
    sk_buf_str(out, "Usage: ");
    sk_cmd_usage(cmd, out);
    sk_buf_fmt(out, "\n\n%s.\n", cmd->summary);
    if (cmd->details) {
        sk_buf_chr(out, '\n');
        add_paragraphs(out, cmd->details);
    }
    for (const char *g = NULL; (g = sk_opt_next_group(cmd->options, g)) != NULL;) {
        sk_buf_fmt(out, "\n%s:\n", g);
        for (const struct sk_opt *o = cmd->options; o->name; o++)
            if (strcmp(sk_opt_group(o), g) == 0)
                add_option(out, o);
    }
    if (cmd->options && cmd->options->name) {
        char word[32];
        (void)snprintf(word, sizeof word, "%s", cmd->name);
        for (char *p = word; *p; p++)
            *p = *p == ' ' ? '-' : *p;
        sk_buf_fmt(
            out,
            "\nAn option --some-name can also be set by SKERRY_SOME_NAME or as \"some-name\" in\n"
            "/etc/skerry/%s.json; the command line wins, then the environment.\n",
            word);
    }
    if (cmd->examples)
        add_examples(out, cmd->examples);
}

void sk_cmds_help(const struct sk_cmd *const *cmds, const char *version, struct sk_buf *out)
{
    sk_buf_fmt(out,
               "skerry %s: trains, keeps, packages and serves image models.\n\n"
               "Usage: skerry COMMAND [options] ...\n\nCommands:\n",
               version);
    for (; *cmds; cmds++) {
        char left[80];
        if ((*cmds)->hidden)
            continue;
        (void)snprintf(left, sizeof left, "  %s", (*cmds)->name);
        add_row(out, left, (*cmds)->summary);
    }
    sk_buf_str(out, "\n'skerry COMMAND --help' tells more about one of them.\n");
}

bool sk_cmds_group_help(const struct sk_cmd *const *cmds, const char *group, struct sk_buf *out)
{
    size_t len = strlen(group);
    bool is_group = false;

    for (; *cmds; cmds++) {
        const char *name = (*cmds)->name;
        char left[80];

        if ((*cmds)->hidden || strncmp(name, group, len) != 0 || name[len] != ' ')
            continue;
        if (!is_group)
            sk_buf_fmt(out, "Usage: skerry %s COMMAND [options] ...\n\nCommands:\n", group);
        is_group = true;
        (void)snprintf(left, sizeof left, "  %s", name);
        add_row(out, left, (*cmds)->summary);
    }
    if (is_group)
        sk_buf_str(out, "\n'skerry COMMAND --help' tells more about one of them.\n");
    return is_group;
}

/* Text inside a table cell or paragraph: what Markdown would read as markup is escaped. */
static void add_md(struct sk_buf *out, const char *text)
{
    for (; *text; text++) {
        if (strchr("|<>*_[]`", *text))
            sk_buf_chr(out, '\\');
        sk_buf_chr(out, *text);
    }
}

static void add_md_options(struct sk_buf *out, const struct sk_cmd *cmd, const char *group)
{
    sk_buf_fmt(out, "\n**%s**\n\n| option | default | meaning |\n|---|---|---|\n", group);
    for (const struct sk_opt *o = cmd->options; o->name; o++) {
        if (strcmp(sk_opt_group(o), group) != 0)
            continue;
        sk_buf_str(out, "| `");
        if (o->letter)
            sk_buf_fmt(out, "-%c`, `", o->letter);
        sk_buf_fmt(out, "--%s%s%s` | %s%s%s | ", o->name, o->arg ? " " : "", o->arg ? o->arg : "",
                   o->def ? "`" : "", o->def ? o->def : "", o->def ? "`" : "");
        add_md(out, o->help);
        if (o->type == SK_OPT_CHOICE) {
            sk_buf_str(out, ": ");
            add_md(out, o->choices);
        }
        sk_buf_str(out, " |\n");
    }
}

void sk_cmds_markdown(const struct sk_cmd *const *cmds, struct sk_buf *out)
{
    sk_buf_str(out, "# Commands\n\nPrinted by `skerry man --markdown` from the tables in "
                    "`src/cli`; a test keeps the two equal.\n");
    for (; *cmds; cmds++) {
        const struct sk_cmd *cmd = *cmds;

        if (cmd->hidden)
            continue;
        sk_buf_fmt(out, "\n## skerry %s\n\n    ", cmd->name);
        sk_cmd_usage(cmd, out);
        sk_buf_str(out, "\n\n");
        add_md(out, cmd->summary);
        sk_buf_str(out, ".\n");
        if (cmd->details) {
            sk_buf_chr(out, '\n');
            add_md(out, cmd->details);
            sk_buf_chr(out, '\n');
        }
        for (const char *g = NULL; (g = sk_opt_next_group(cmd->options, g)) != NULL;)
            add_md_options(out, cmd, g);
        if (cmd->examples) {
            sk_buf_str(out, "\n```sh\n");
            sk_buf_str(out, cmd->examples);
            sk_buf_str(out, "\n```\n");
        }
    }
}
