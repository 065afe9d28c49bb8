/*
 * opt.c - reads the words of a command line into a structure, as a table of options says.
 *
 * Two passes. The first walks the words: options set their fields, everything else is an operand
 * and moves to the front. The second gives each option that no word named its value from the
 * environment, the configuration file, or its default, in this order. All four sources go through
 * one function, set(), so a value means the same wherever it comes from, and an error names its
 * source: "--port", "SKERRY_PORT" or "port in the configuration file".
 */
#include "base/opt.h"

#include "base/opt_priv.h"
#include "base/str.h"

#include <assert.h>
#include <ctype.h>
#include <float.h>

const struct sk_opt *sk_cmd_option(const struct sk_cmd *cmd, const char *name)
{
    for (const struct sk_opt *o = cmd->options; o && o->name; o++)
        if (strcmp(o->name, name) == 0)
            return o;
    return NULL;
}

static const struct sk_opt *option_of_letter(const struct sk_cmd *cmd, char letter)
{
    for (const struct sk_opt *o = cmd->options; o && o->name; o++)
        if (o->letter == letter)
            return o;
    return NULL;
}

bool sk_near_enough(const char *word, const char *known, int *best)
{
    int distance = sk_edit_distance(word, known);
    int most = (int)(strlen(word) / 3) + 1;

    if (distance < 0 || distance > most || distance >= *best)
        return false;
    *best = distance;
    return true;
}

/* A word of a command line in an error: "--prot=80" is about "--prot". */
static int unknown_option(const struct sk_cmd *cmd, const char *name, size_t len,
                          struct sk_err *err)
{
    char word[64];
    const char *near = NULL;
    int best = INT32_MAX;

    (void)snprintf(word, sizeof word, "%.*s", (int)(len < sizeof word ? len : sizeof word), name);
    for (const struct sk_opt *o = cmd->options; o && o->name; o++)
        if (sk_near_enough(word, o->name, &best))
            near = o->name;
    if (near)
        return sk_fail(err, SK_USAGE, "unknown option '--%s'; did you mean '--%s'?", word, near);
    return sk_fail(err, SK_USAGE, "unknown option '--%s'; 'skerry %s --help' lists all", word,
                   cmd->name);
}

static bool parse_bool(const char *text, bool *out)
{
    static const char *const words[] = { "false", "true", "no", "yes", "off", "on", "0", "1" };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (sk_view_eq_nocase(sk_view_of(text), words[i])) {
            *out = i % 2 == 1;
            return true;
        }
    }
    return false;
}

/* Is text one of the words of "a|b|c"? */
static bool is_choice(const char *choices, const char *text)
{
    size_t len = strlen(text);

    for (const char *p = choices; *p;) {
        size_t n = strcspn(p, "|");
        if (n == len && memcmp(p, text, n) == 0)
            return true;
        p += n + (p[n] == '|');
    }
    return false;
}

static int set_choice(const struct sk_opt *o, const char *what, const char *text, const char **out,
                      struct sk_err *err)
{
    if (!is_choice(o->choices, text))
        return sk_fail(err, SK_USAGE, "%s: '%s' is not one of %s", what, text, o->choices);
    *out = text;
    return 0;
}

static int set_list(const char *what, const char *text, struct sk_opt_list *list,
                    struct sk_err *err)
{
    if (list->count == SK_OPT_LIST_MAX)
        return sk_fail(err, SK_USAGE, "%s: given more than %d times", what, SK_OPT_LIST_MAX);
    list->items[list->count++] = text;
    return 0;
}

/* An empty path would be the root folder, or this one, once something is joined to it. */
static bool is_path(const struct sk_opt *o)
{
    return o->type == SK_OPT_TEXT && o->arg && is_choice("PATH|DIR|FILE", o->arg);
}

static int set_text(const struct sk_opt *o, const char *what, const char *text, const char **out,
                    struct sk_err *err)
{
    if (!*text && is_path(o))
        return sk_fail(err, SK_USAGE, "%s is empty: give a %s, or leave it out", what, o->arg);
    *out = text;
    return 0;
}

/* Puts the value of an option into its field. what names the source in errors. */
static int set(const struct sk_opt *o, const char *what, const char *text, void *args,
               struct sk_err *err)
{
    void *field = (char *)args + o->offset;
    uint64_t max = o->max ? o->max : UINT64_MAX;
    int rc = 0;

    switch (o->type) {
    case SK_OPT_FLAG:
        rc = parse_bool(text, field)
                 ? 0
                 : sk_fail(err, SK_USAGE, "%s: '%s' is not true or false", what, text);
        break;
    case SK_OPT_TEXT:
        rc = set_text(o, what, text, field, err);
        break;
    case SK_OPT_U64:
        rc = sk_parse_u64(what, text, o->min, max, field, err);
        break;
    case SK_OPT_F64:
        rc = sk_parse_f64(what, text, (double)o->min, o->max ? (double)o->max : DBL_MAX, field,
                          err);
        break;
    case SK_OPT_SIZE:
        rc = sk_parse_size(what, text, o->min, max, field, err);
        break;
    case SK_OPT_MS:
        rc = sk_parse_ms(what, text, o->min, max, field, err);
        break;
    case SK_OPT_CHOICE:
        rc = set_choice(o, what, text, field, err);
        break;
    case SK_OPT_LIST:
        rc = set_list(what, text, field, err);
        break;
    }
    if (rc < 0)
        err->code = SK_USAGE;
    return rc;
}

/* The state of one walk over the words. */
struct walk {
    const struct sk_cmd *cmd;
    int argc;
    char **argv;
    int at; /* the word being read */
    void *args;
    bool given[SK_OPT_MAX];
};

/* Sets option o; value is what follows '=' or the letter, NULL when nothing does. */
static int take(struct walk *w, const struct sk_opt *o, const char *value, struct sk_err *err)
{
    char what[80];

    (void)snprintf(what, sizeof what, "--%s", o->name);
    w->given[o - w->cmd->options] = true;
    if (o->type == SK_OPT_FLAG)
        return set(o, what, value ? value : "true", w->args, err);
    if (!value && w->at + 1 < w->argc)
        value = w->argv[++w->at];
    if (!value)
        return sk_fail(err, SK_USAGE, "option '%s' needs a value: %s %s", what, what, o->arg);
    return set(o, what, value, w->args, err);
}

/* "--name", "--name=value", "--no-name". */
static int take_long(struct walk *w, const char *name, struct sk_err *err)
{
    size_t len = strcspn(name, "=");
    const char *value = name[len] == '=' ? name + len + 1 : NULL;

    for (const struct sk_opt *o = w->cmd->options; o && o->name; o++) {
        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
            return take(w, o, value, err);
        if (o->type == SK_OPT_FLAG && !value && sk_starts_with(name, "no-") &&
            strcmp(name + 3, o->name) == 0)
            return take(w, o, "false", err);
    }
    return unknown_option(w->cmd, name, len, err);
}

/* "-n value", "-nvalue", and several flags in one word. */
static int take_letters(struct walk *w, const char *letters, struct sk_err *err)
{
    for (const char *p = letters; *p; p++) {
        const struct sk_opt *o = option_of_letter(w->cmd, *p);
        if (!o)
            return sk_fail(err, SK_USAGE, "unknown option '-%c'; 'skerry %s --help' lists all", *p,
                           w->cmd->name);
        if (o->type != SK_OPT_FLAG)
            return take(w, o, p[1] ? p + 1 : NULL, err);
        if (take(w, o, NULL, err) < 0)
            return -1;
    }
    return 0;
}

static int walk_words(struct walk *w, unsigned *count, struct sk_err *err)
{
    bool only_operands = false;

    *count = 0;
    for (w->at = 1; w->at < w->argc; w->at++) {
        char *word = w->argv[w->at];
        int rc = 0;

        if (!only_operands && strcmp(word, "--") == 0)
            only_operands = true;
        else if (!only_operands && word[0] == '-' && word[1] == '-')
            rc = take_long(w, word + 2, err);
        else if (!only_operands && word[0] == '-' && word[1] != '\0')
            rc = take_letters(w, word + 1, err);
        else
            w->argv[1 + (*count)++] = word; /* never ahead of w->at */
        if (rc < 0)
            return -1;
    }
    return 0;
}

void sk_opt_env_name(const struct sk_opt *o, char *out, size_t size)
{
    (void)snprintf(out, size, "SKERRY_%s", o->name);
    for (char *p = out; *p; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
}

/* The value of an option that no word named. */
static int set_from_elsewhere(const struct sk_opt *o, sk_opt_config_get *config_get, void *config,
                              void *args, struct sk_err *err)
{
    char what[128];

    sk_opt_env_name(o, what, sizeof what);
    const char *value = getenv(what);
    if (value && (*value || !is_path(o)))
        return set(o, what, value, args, err);
    value = config_get ? config_get(config, o->name) : NULL;
    if (value) {
        (void)snprintf(what, sizeof what, "'%s' in the configuration file", o->name);
        return set(o, what, value, args, err);
    }
    return o->def ? set(o, o->name, o->def, args, err) : 0;
}

static int check_count(const struct sk_cmd *cmd, unsigned count, char **operands,
                       struct sk_err *err)
{
    if (count < cmd->min_operands)
        return sk_fail(err, SK_USAGE, "%s needs %s; 'skerry %s --help' tells more", cmd->name,
                       cmd->operands ? cmd->operands : "an operand", cmd->name);
    if (count > cmd->max_operands)
        return sk_fail(err, SK_USAGE, "unexpected '%s'; 'skerry %s --help' tells more",
                       operands[cmd->max_operands], cmd->name);
    return 0;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

int sk_opt_parse(const struct sk_cmd *cmd, int argc, char **argv, sk_opt_config_get *config_get,
                 void *config, void *args, unsigned *count, bool *help, struct sk_err *err)
{
    struct walk w = { .cmd = cmd, .argc = argc, .argv = argv, .args = args };

    memset(args, 0, cmd->args_size);
    *count = 0;
    *help = asks_for_help(argc, argv);
    if (*help)
        return 0;
    if (walk_words(&w, count, err) < 0)
        return -1;
    for (const struct sk_opt *o = cmd->options; o && o->name; o++) {
        assert(o - cmd->options < SK_OPT_MAX);
        if (!w.given[o - cmd->options] && set_from_elsewhere(o, config_get, config, args, err) < 0)
            return -1;
    }
    return check_count(cmd, *count, argv + 1, err);
}

/* How many words name has when the words begin with it, else 0. */
static int words_matched(const char *name, int argc, char **argv)
{
    int n = 0;

    for (const char *p = name; *p; n++) {
        size_t len = strcspn(p, " ");
        if (n >= argc || strlen(argv[n]) != len || memcmp(argv[n], p, len) != 0)
            return 0;
        p += len + (p[len] == ' ');
    }
    return n;
}

/* The nearest name to the first one or two words; a first word that only begins names leads to one
 * of them. */
static const char *nearest(const struct sk_cmd *const *cmds, int argc, char **argv)
{
    char words[130];
    const char *near = NULL;
    int best = INT32_MAX;

    if (argc == 0)
        return NULL;
    (void)snprintf(words, sizeof words, "%.64s %.64s", argv[0], argc > 1 ? argv[1] : "");
    for (; *cmds; cmds++) {
        const char *name = (*cmds)->name;
        const char *space = strchr(name, ' ');

        if ((*cmds)->hidden)
            continue;
        if (sk_near_enough(space ? words : argv[0], name, &best))
            near = name;
        if (space && strlen(argv[0]) == (size_t)(space - name) && sk_starts_with(name, argv[0]) &&
            !near)
            near = name;
    }
    return near;
}

const struct sk_cmd *sk_cmd_find(const struct sk_cmd *const *cmds, int argc, char **argv, int *used,
                                 const char **near)
{
    const struct sk_cmd *found = NULL;

    *used = 0;
    *near = NULL;
    for (size_t i = 0; cmds[i]; i++) {
        int n = words_matched(cmds[i]->name, argc, argv);
        if (n > *used) {
            *used = n;
            found = cmds[i];
        }
    }
    if (!found)
        *near = nearest(cmds, argc, argv);
    return found;
}
