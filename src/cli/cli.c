/*
 * cli.c - from the words of the command line to the run of one command.
 *
 * A failure is one line on standard error, "skerry: what went wrong"; the exit status comes from
 * the error's code. SIGPIPE keeps its default: `skerry predict ... | head` ends quietly when head
 * has seen enough. Where a parent has it ignored, the failed write ends the command with an error
 * instead.
 */
#include "cli/cli.h"

#include "cli/cli_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <unistd.h>

int sk_cli_print(const struct sk_buf *out, struct sk_err *err)
{
    if (!sk_buf_ok(out))
        return sk_buf_fail(out, err);
    if (out->len && fwrite(out->data, 1, out->len, stdout) != out->len)
        return sk_fail_errno(err, "standard output");
    return 0;
}

void sk_cli_report_warnings(const struct sk_bundle *b)
{
    for (const char *p = b->warnings; p && *p;) {
        size_t n = strcspn(p, "\n");
        (void)fprintf(stderr, "skerry: warning: %s: %.*s\n", b->name, (int)n, p);
        p += n + (p[n] == '\n');
    }
}

int sk_cli_model_first(char **operands, struct sk_err *err)
{
    if (!sk_bundle_is(operands[0]) && sk_bundle_is(operands[1]))
        return sk_fail(err, SK_USAGE, "'%s' is no model, but '%s' is: the model comes first",
                       operands[0], operands[1]);
    return 0;
}

int sk_cli_open_classifier(const struct sk_cli_engine *opts, const char *path, const char *labels,
                           struct sk_engine **engine, struct sk_classifier **out,
                           struct sk_err *err)
{
    const struct sk_engine_options o = sk_cli_engine_options(opts);
    const char *reason = "";

    if (sk_engine_open(&o, engine, err) < 0)
        return -1;
    (void)sk_engine_device(*engine, &reason);
    if (sk_engine_degraded(*engine))
        (void)fprintf(stderr, "skerry: warning: %s\n", reason);
    if (sk_classifier_load(*engine, path, labels, out, err) < 0)
        return -1;
    sk_cli_report_warnings(sk_classifier_bundle(*out));
    return 0;
}

enum sk_device sk_cli_device(const char *name)
{
    if (strcmp(name, "cpu") == 0)
        return SK_DEVICE_CPU;
    return strcmp(name, "cuda") == 0 ? SK_DEVICE_CUDA : SK_DEVICE_AUTO;
}

struct sk_engine_options sk_cli_engine_options(const struct sk_cli_engine *e)
{
    return (struct sk_engine_options){
        .library = e->onnxruntime,
        .device = sk_cli_device(e->device),
        .threads = (unsigned)e->threads,
        .use_cache = e->cache,
    };
}

/* Is word the first word of a longer name? */
static bool begins(const char *name, const char *word)
{
    size_t len = strlen(word);
    return strncmp(name, word, len) == 0 && name[len] == ' ';
}

/* `skerry hub`, `skerry hub token --help`: what there is below these words. */
static int print_group(int argc, char **argv, bool *is_group, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf words = SK_BUF_INIT(256);
    const char *last = argv[argc - 1];
    bool asks = argc > 1 && (strcmp(last, "--help") == 0 || strcmp(last, "-h") == 0);

    for (int i = 0; i < argc - asks; i++)
        sk_buf_fmt(&words, "%s%s", i ? " " : "", argv[i]);
    *is_group = sk_buf_ok(&words) && sk_cmds_group_help(sk_commands, words.data, &out);
    return *is_group ? sk_cli_print(&out, err) : 0;
}

static int unknown_command(int argc, char **argv, const char *near, struct sk_err *err)
{
    bool first_is_right = near && begins(near, argv[0]);

    const char *word = first_is_right && argc > 1 ? argv[1] : argv[0];
    if (near)
        return sk_fail(err, SK_USAGE, "unknown command '%s'; did you mean 'skerry %s'?", word,
                       near);
    return sk_fail(err, SK_USAGE, "unknown command '%s'; 'skerry help' lists all", word);
}

static int print_help(const struct sk_cmd *cmd, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);

    sk_cmd_help(cmd, &out);
    return sk_cli_print(&out, err);
}

/* argv[0] is the last word of the command's name. */
static int run_command(const struct sk_cmd *cmd, int argc, char **argv, struct sk_err *err)
{
    alignas(max_align_t) char args[SK_CMD_ARGS_MAX];
    SK_OWN(sk_config_free) struct sk_config *config = NULL;
    unsigned count = 0;
    bool help = false;

    if (cmd->options && sk_config_load(cmd, sk_commands, &config, err) < 0)
        return -1;
    if (sk_opt_parse(cmd, argc, argv, config ? sk_config_get : NULL, config, args, &count, &help,
                     err) < 0)
        return -1;
    if (help)
        return print_help(cmd, err);
    return cmd->run(args, argv + 1, count, err);
}

static int run_words(int argc, char **argv, struct sk_err *err)
{
    static char help[] = "help";
    static char version[] = "version";
    const char *near = NULL;
    int used = 0;

    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)
        argv[0] = help;
    if (strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "-V") == 0)
        argv[0] = version;
    if (argv[0][0] == '-')
        return sk_fail(err, SK_USAGE, "unknown option '%s'; options stand behind the command",
                       argv[0]);
    const struct sk_cmd *cmd = sk_cmd_find(sk_commands, argc, argv, &used, &near);
    if (!cmd) {
        bool is_group = false;

        if (print_group(argc, argv, &is_group, err) < 0)
            return -1;
        return is_group ? 0 : unknown_command(argc, argv, near, err);
    }
    return run_command(cmd, argc - used + 1, argv + used - 1, err);
}

/* A standard descriptor that is closed would become the first file or connection that is opened,
 * and what is printed would go there. What takes its place fails as a closed one does: 0 is not
 * for reading, 1 not for writing. */
static void hold_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", fd == STDOUT_FILENO ? O_RDONLY : O_WRONLY);
}

int sk_cli_main(int argc, char **argv)
{
    struct sk_err err = SK_ERR_INIT;
    int rc = 0;

    hold_standard_descriptors();
    if (argc < 2)
        rc = sk_fail(&err, SK_USAGE, "no command; 'skerry help' lists all");
    else
        rc = run_words(argc - 1, argv + 1, &err);
    if (fflush(stdout) == EOF && rc == 0)
        rc = sk_fail_errno(&err, "standard output");
    if (rc == 0)
        return 0;
    (void)fprintf(stderr, "skerry: %s\n", err.text);
    return sk_code_exit(err.code);
}
