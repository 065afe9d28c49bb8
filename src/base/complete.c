/*
 * complete.c - completion scripts for bash, zsh and fish, from the tables.
 *
 * Each script finds the command among the words, offers its options after a dash, the choices of an
 * option that has some, files where an argument is named FILE, DIR, PATH or so, and files as
 * operands. Names of commands and options are ours and plain; sentences are quoted for the shell.
 */
#include "base/opt.h"

#include "base/str.h"

/* Does the value of this option name something in the file system? */
static bool takes_file(const struct sk_opt *o)
{
    static const char *const words[] = { "FILE", "DIR", "PATH", "BUNDLE" };

    for (size_t i = 0; o->arg && i < sizeof words / sizeof *words; i++)
        if (strcmp(o->arg, words[i]) == 0)
            return true;
    return false;
}

static void add_spaced_choices(struct sk_buf *out, const char *choices)
{
    for (const char *p = choices; *p; p++)
        sk_buf_chr(out, *p == '|' ? ' ' : *p);
}

/* Is cmds[at] the first row whose name begins with its first word? Its length goes to *len. */
static bool starts_word(const struct sk_cmd *const *cmds, size_t at, size_t *len)
{
    *len = strcspn(cmds[at]->name, " ");
    for (size_t i = 0; i < at; i++)
        if (!cmds[i]->hidden && strcspn(cmds[i]->name, " ") == *len &&
            memcmp(cmds[i]->name, cmds[at]->name, *len) == 0)
            return false;
    return !cmds[at]->hidden;
}

static void add_first_words(struct sk_buf *out, const struct sk_cmd *const *cmds)
{
    size_t len = 0;

    for (size_t i = 0; cmds[i]; i++)
        if (starts_word(cmds, i, &len))
            sk_buf_fmt(out, "%s%.*s", i ? " " : "", (int)len, cmds[i]->name);
}

/* The second words of all commands that begin with the first word of cmds[at], which has len bytes.
 */
static void add_second_words(struct sk_buf *out, const struct sk_cmd *const *cmds, size_t at,
                             size_t len)
{
    const char *before = "";

    for (size_t i = at; cmds[i]; i++) {
        const char *name = cmds[i]->name;
        if (cmds[i]->hidden || strncmp(name, cmds[at]->name, len) != 0 || name[len] != ' ')
            continue;
        sk_buf_fmt(out, "%s%s", before, name + len + 1);
        before = " ";
    }
}

/* ---- bash ---- */

static void add_bash_command(struct sk_buf *out, const struct sk_cmd *cmd)
{
    sk_buf_fmt(out, "    '%s')\n        case $prev in\n", cmd->name);
    for (const struct sk_opt *o = cmd->options; o && o->name; o++) {
        if (o->type == SK_OPT_FLAG)
            continue;
        sk_buf_fmt(out, "        --%s", o->name);
        if (o->letter)
            sk_buf_fmt(out, "|-%c", o->letter);
        sk_buf_str(out, ") ");
        if (o->type == SK_OPT_CHOICE) {
            sk_buf_str(out, "COMPREPLY=($(compgen -W '");
            add_spaced_choices(out, o->choices);
            sk_buf_str(out, "' -- \"$cur\")); ");
        } else if (takes_file(o)) {
            sk_buf_str(out, "mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); ");
        }
        sk_buf_str(out, "return ;;\n");
    }
    sk_buf_str(out, "        esac\n        options='");
    for (const struct sk_opt *o = cmd->options; o && o->name; o++)
        sk_buf_fmt(out, "--%s ", o->name);
    sk_buf_fmt(out, "--help'\n        operands=%s ;;\n", cmd->operands ? "files" : "");
}

static void add_bash(struct sk_buf *out, const struct sk_cmd *const *cmds)
{
    sk_buf_str(out, "# bash completion for skerry: source <(skerry completion bash)\n"
                    "_skerry()\n{\n"
                    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                    "    local command=${COMP_WORDS[1]} options= operands=\n"
                    "    COMPREPLY=()\n"
                    "    if ((COMP_CWORD == 1)); then\n        COMPREPLY=($(compgen -W '");
    add_first_words(out, cmds);
    sk_buf_str(out,
               " --help --version' -- \"$cur\"))\n        return\n    fi\n    case $command in\n");
    for (size_t i = 0; cmds[i]; i++) {
        size_t len = 0;
        if (!starts_word(cmds, i, &len) || cmds[i]->name[len] == '\0')
            continue;
        sk_buf_fmt(out,
                   "    %.*s)\n        if ((COMP_CWORD == 2)); then\n            "
                   "COMPREPLY=($(compgen -W '",
                   (int)len, cmds[i]->name);
        add_second_words(out, cmds, i, len);
        sk_buf_str(out, "' -- \"$cur\"))\n            return\n        fi\n"
                        "        command=\"$command ${COMP_WORDS[2]}\" ;;\n");
    }
    sk_buf_str(out, "    esac\n    case $command in\n");
    for (size_t i = 0; cmds[i]; i++)
        if (!cmds[i]->hidden)
            add_bash_command(out, cmds[i]);
    sk_buf_str(out,
               "    esac\n"
               "    if [[ $cur == -* ]]; then\n        COMPREPLY=($(compgen -W \"$options\" -- "
               "\"$cur\"))\n"
               "    elif [[ $operands ]]; then\n        mapfile -t COMPREPLY < <(compgen -f -- "
               "\"$cur\")\n    fi\n}\n"
               "complete -o filenames -F _skerry skerry\n");
}

/* ---- zsh ---- */

/* A sentence inside '...' and inside [...] or after ':' of _arguments. */
static void add_zsh_text(struct sk_buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            sk_buf_str(out, "'\\''");
        else if (strchr("[]:\\", *text))
            sk_buf_fmt(out, "\\%c", *text);
        else
            sk_buf_chr(out, *text);
    }
}

static void add_zsh_option(struct sk_buf *out, const struct sk_opt *o)
{
    const char *repeat = o->type == SK_OPT_LIST ? "*" : "";

    for (int form = o->letter ? 0 : 1; form < 2; form++) {
        if (form == 0)
            sk_buf_fmt(out, " \\\n            '%s-%c", repeat, o->letter);
        else
            sk_buf_fmt(out, " \\\n            '%s--%s%s", repeat, o->name,
                       o->type == SK_OPT_FLAG ? "" : "=");
        sk_buf_chr(out, '[');
        add_zsh_text(out, o->help);
        sk_buf_chr(out, ']');
        if (o->type != SK_OPT_FLAG) {
            sk_buf_chr(out, ':');
            add_zsh_text(out, o->arg ? o->arg : "value");
            sk_buf_chr(out, ':');
        }
        if (o->type == SK_OPT_CHOICE) {
            sk_buf_chr(out, '(');
            add_spaced_choices(out, o->choices);
            sk_buf_chr(out, ')');
        } else if (takes_file(o)) {
            sk_buf_str(out, "_files");
        }
        sk_buf_chr(out, '\'');
    }
}

static void add_zsh(struct sk_buf *out, const struct sk_cmd *const *cmds)
{
    sk_buf_str(
        out,
        "#compdef skerry\n# zsh completion for skerry: put it as _skerry into a folder of $fpath\n"
        "_skerry() {\n    local command=$words[2]\n    local -a commands\n    commands=(\n");
    for (size_t i = 0; cmds[i]; i++) {
        size_t len = 0;
        if (!starts_word(cmds, i, &len))
            continue;
        sk_buf_fmt(out, "        '%.*s:", (int)len, cmds[i]->name);
        if (cmds[i]->name[len] == ' ')
            add_second_words(out, cmds, i, len);
        else
            add_zsh_text(out, cmds[i]->summary);
        sk_buf_str(out, "'\n");
    }
    sk_buf_str(out, "    )\n    if ((CURRENT == 2)); then\n        _describe command commands\n    "
                    "    return\n    fi\n"
                    "    case $command in\n");
    for (size_t i = 0; cmds[i]; i++) {
        size_t len = 0;
        if (!starts_word(cmds, i, &len) || cmds[i]->name[len] == '\0')
            continue;
        sk_buf_fmt(out, "    %.*s)\n        if ((CURRENT == 3)); then\n            compadd ",
                   (int)len, cmds[i]->name);
        add_second_words(out, cmds, i, len);
        sk_buf_str(out, "\n            return\n        fi\n        command=\"$command $words[3]\"\n"
                        "        shift words\n        ((CURRENT--)) ;;\n");
    }
    sk_buf_str(out, "    esac\n    shift words\n    ((CURRENT--))\n    case $command in\n");
    for (size_t i = 0; cmds[i]; i++) {
        if (cmds[i]->hidden)
            continue;
        sk_buf_fmt(out, "    '%s')\n        _arguments '--help[print help]'", cmds[i]->name);
        for (const struct sk_opt *o = cmds[i]->options; o && o->name; o++)
            add_zsh_option(out, o);
        sk_buf_str(out, cmds[i]->operands ? " '*:operand:_files' ;;\n" : " ;;\n");
    }
    sk_buf_str(out, "    esac\n}\n_skerry \"$@\"\n");
}

/* ---- fish ---- */

/* A sentence inside '...': fish knows \' and \\ there. */
static void add_fish_text(struct sk_buf *out, const char *text)
{
    sk_buf_chr(out, '\'');
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            sk_buf_chr(out, '\\');
        sk_buf_chr(out, *text);
    }
    sk_buf_chr(out, '\'');
}

static void add_fish_option(struct sk_buf *out, const struct sk_cmd *cmd, const struct sk_opt *o)
{
    sk_buf_fmt(out, "complete -c skerry -n '__skerry_is %s' -l %s", cmd->name, o->name);
    if (o->letter)
        sk_buf_fmt(out, " -s %c", o->letter);
    if (o->type == SK_OPT_CHOICE) {
        sk_buf_str(out, " -x -a '");
        add_spaced_choices(out, o->choices);
        sk_buf_chr(out, '\'');
    } else if (o->type != SK_OPT_FLAG) {
        sk_buf_str(out, takes_file(o) ? " -r -F" : " -x");
    }
    sk_buf_str(out, " -d ");
    add_fish_text(out, o->help);
    sk_buf_chr(out, '\n');
}

static void add_fish(struct sk_buf *out, const struct sk_cmd *const *cmds)
{
    sk_buf_str(out, "# fish completion for skerry: skerry completion fish | source\n"
                    "function __skerry_is\n    set -l words (commandline -opc)\n"
                    "    set -l n (count $argv)\n"
                    "    set -l last (math $n + 1)\n    test (count $words) -gt $n; and test "
                    "\"$words[2..$last]\" = \"$argv\"\nend\n"
                    "complete -c skerry -f -n 'test (count (commandline -opc)) -eq 1'\n");
    for (size_t i = 0; cmds[i]; i++) {
        const struct sk_cmd *cmd = cmds[i];
        size_t len = 0;

        if (cmd->hidden)
            continue;
        if (starts_word(cmds, i, &len)) {
            sk_buf_fmt(out,
                       "complete -c skerry -n 'test (count (commandline -opc)) -eq 1' -a %.*s -d ",
                       (int)len, cmd->name);
            if (cmd->name[len] == ' ') {
                sk_buf_chr(out, '\'');
                add_second_words(out, cmds, i, len);
                sk_buf_chr(out, '\'');
            } else {
                add_fish_text(out, cmd->summary);
            }
            sk_buf_chr(out, '\n');
        }
        if (cmd->name[strcspn(cmd->name, " ")] == ' ') {
            len = strcspn(cmd->name, " ");
            sk_buf_fmt(out,
                       "complete -c skerry -f -n '__skerry_is %.*s; and test (count (commandline "
                       "-opc)) -eq 2' -a %s -d ",
                       (int)len, cmd->name, cmd->name + len + 1);
            add_fish_text(out, cmd->summary);
            sk_buf_chr(out, '\n');
        }
        for (const struct sk_opt *o = cmd->options; o && o->name; o++)
            add_fish_option(out, cmd, o);
    }
}

void sk_cmds_completion(const struct sk_cmd *const *cmds, const char *shell, struct sk_buf *out)
{
    if (strcmp(shell, "bash") == 0)
        add_bash(out, cmds);
    else if (strcmp(shell, "zsh") == 0)
        add_zsh(out, cmds);
    else if (strcmp(shell, "fish") == 0)
        add_fish(out, cmds);
}
