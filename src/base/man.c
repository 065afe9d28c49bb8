/*
 * man.c - the manual page skerry(1) in the man macro language of roff, from the tables.
 *
 * Text is escaped on its way out: a backslash and a hyphen have meanings of their own, and a line
 * that begins with a dot or an apostrophe would be read as a request.
 */
#include "base/opt.h"

#include "base/cleanup.h"
#include "base/opt_priv.h"

static void add_text(struct sk_buf *out, const char *text, size_t len)
{
    bool line_start = true;

    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (line_start && (c == '.' || c == '\''))
            sk_buf_str(out, "\\&");
        if (c == '-')
            sk_buf_str(out, "\\-");
        else if (c == '\\')
            sk_buf_str(out, "\\e");
        else
            sk_buf_chr(out, c);
        line_start = c == '\n';
    }
}

static void add_str(struct sk_buf *out, const char *text)
{
    add_text(out, text, strlen(text));
}

static void add_paragraphs(struct sk_buf *out, const char *text)
{
    for (const char *p = text; *p;) {
        const char *end = strstr(p, "\n\n");
        size_t len = end ? (size_t)(end - p) : strlen(p);
        bool verbatim = *p == ' ';

        sk_buf_str(out, verbatim ? ".PP\n.nf\n" : ".PP\n");
        add_text(out, p, len);
        sk_buf_str(out, verbatim ? "\n.fi\n" : "\n");
        p += len + (end ? 2 : 0);
    }
}

static void add_option(struct sk_buf *out, const struct sk_opt *o)
{
    SK_AUTO(sk_buf_done) struct sk_buf note = SK_BUF_INIT(4096);
    char env[80];

    sk_buf_str(out, ".TP\n");
    if (o->letter)
        sk_buf_fmt(out, "\\fB\\-%c\\fR, ", o->letter);
    sk_buf_str(out, "\\fB\\-\\-");
    add_str(out, o->name);
    sk_buf_str(out, "\\fR");
    if (o->arg) {
        sk_buf_str(out, " \\fI");
        add_str(out, o->arg);
        sk_buf_str(out, "\\fR");
    }
    sk_buf_chr(out, '\n');
    add_str(out, o->help);
    sk_opt_note(o, &note);
    sk_opt_env_name(o, env, sizeof env);
    sk_buf_str(out, " (");
    if (note.len) {
        add_str(out, note.data);
        sk_buf_str(out, "; ");
    }
    sk_buf_fmt(out, "\\fB%s\\fR).\n", env);
    if (!sk_buf_ok(&note))
        out->failed = SK_NOMEM;
}

static void add_command(struct sk_buf *out, const struct sk_cmd *cmd)
{
    sk_buf_str(out, ".SS \"skerry ");
    add_str(out, cmd->name);
    sk_buf_str(out, "\"\n.PP\n\\fB");
    sk_cmd_usage(cmd, out);
    sk_buf_str(out, "\\fR\n.PP\n");
    add_str(out, cmd->summary);
    sk_buf_str(out, ".\n");
    if (cmd->details)
        add_paragraphs(out, cmd->details);
    for (const char *g = NULL; (g = sk_opt_next_group(cmd->options, g)) != NULL;) {
        sk_buf_str(out, ".PP\n");
        add_str(out, g);
        sk_buf_str(out, ":\n");
        for (const struct sk_opt *o = cmd->options; o->name; o++)
            if (strcmp(sk_opt_group(o), g) == 0)
                add_option(out, o);
    }
}

static void add_examples(struct sk_buf *out, const struct sk_cmd *cmd)
{
    for (const char *p = cmd->examples; p && *p;) {
        size_t line = strcspn(p, "\n");
        size_t len = 0;
        const char *why = sk_example_split(p, line, &len);

        sk_buf_str(out, ".TP\n\\fB");
        add_text(out, p, len);
        sk_buf_str(out, "\\fR\n");
        if (why)
            add_text(out, why, (size_t)(p + line - why));
        sk_buf_chr(out, '\n');
        p += line + (p[line] == '\n');
    }
}

void sk_cmds_man(const struct sk_cmd *const *cmds, const char *version, struct sk_buf *out)
{
    sk_buf_fmt(out, ".TH SKERRY 1 \"\" \"skerry %s\" \"User Commands\"\n", version);
    sk_buf_str(
        out, ".SH NAME\nskerry \\- serve image classifiers and other ONNX models over HTTP\n"
             ".SH SYNOPSIS\n\\fBskerry\\fR \\fICOMMAND\\fR [\\fIoptions\\fR] ...\n.SH COMMANDS\n");
    for (size_t i = 0; cmds[i]; i++)
        if (!cmds[i]->hidden)
            add_command(out, cmds[i]);
    sk_buf_str(
        out,
        ".SH EXIT STATUS\n.TP\n0\nsuccess\n.TP\n1\nfailure; one line on standard error says why\n"
        ".TP\n2\na word of the command line was wrong; the line on standard error names it\n");
    sk_buf_str(out,
               ".SH ENVIRONMENT\nThe variable of each option stands behind it in parentheses; the "
               "command line "
               "wins over it.\n.TP\n\\fBSKERRY_CONFIG\\fR\na configuration file to read instead of "
               "the one in "
               "/etc/skerry\n.TP\n\\fBSKERRY_CACHE_DIR\\fR\nwhere optimised models are kept\n");
    sk_buf_str(out, ".SH FILES\n.TP\n\\fI/etc/skerry/COMMAND.json\\fR\nan object with option names "
                    "as keys; the command "
                    "line and the environment win over it\n.SH EXAMPLES\n");
    for (size_t i = 0; cmds[i]; i++)
        if (!cmds[i]->hidden)
            add_examples(out, cmds[i]);
}
