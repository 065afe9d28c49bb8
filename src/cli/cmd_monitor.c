/* cmd_monitor.c - `skerry monitor`: what devices send, as it comes. */
#include "base/clock.h"
#include "base/str.h"
#include "cli/cli_priv.h"
#include "cli/monitor_priv.h"
#include "cli/remote_priv.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

struct args {
    const char *hub, *device, *module, *output, *since, *group;
    uint64_t max, window_ms;
    bool json, follow, events, summary;
};

#define AT(field) .offset = offsetof(struct args, field)

enum {
    REFRESH_MS = 2000,
    MAX = 1000
};

/* clang-format off */
static const struct sk_opt options[] = {
    { "follow", 'f', SK_OPT_FLAG, NULL, "go on with what comes, until Ctrl-C", AT(follow) },
    { "device", 0, SK_OPT_TEXT, "ID", "of this device only", AT(device) },
    { "module", 'm', SK_OPT_TEXT, "ID", "of this module of it only", AT(module) },
    { "output", 'o', SK_OPT_TEXT, "NAME", "sent to this output only", AT(output) },
    { "since", 0, SK_OPT_TEXT, "WHEN", "from then on: 10m ago, or 2026-11-29T05:00:00Z", AT(since) },
    { "max", 0, SK_OPT_U64, "N", "how many of the newest, without --follow and --since", .def = "100", .min = 1, .max = MAX, AT(max) },
    { "events", 'e', SK_OPT_FLAG, NULL, "events about devices instead of their messages: connections, twins, deployments", AT(events) },
    { "summary", 's', SK_OPT_FLAG, NULL, "rate, latencies and predictions of each device, module and model version", AT(summary) },
    { "window", 0, SK_OPT_MS, "T", "of the summary: messages of so long", .def = "60s", .min = 1000, .max = 86400000, AT(window_ms) },
    { "group", 'g', SK_OPT_TEXT, "NAME", "as this consumer group: from where it stopped, and what is shown is done with", AT(group) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON, one message a line", AT(json) },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

/* clang-format on */

struct monitor {
    const struct args *a;
    struct sk_monitor_look look;
    struct sk_summary *summary;
    bool is_headed;
    bool is_terminal;
    bool is_pipe_broken;
    unsigned rows;      /* of the terminal; 0: not known */
    unsigned lines;     /* of the summary that stands on the terminal */
    uint64_t drawn_ms;  /* when */
    uint64_t newest_at; /* our clock when the newest message came */
};

static void monitor_done(struct monitor *m)
{
    sk_summary_free(m->summary);
}

/* At once: whoever reads the other end of a pipe waits for it. */
static int print(struct monitor *m, const struct sk_buf *out, struct sk_err *err)
{
    if (sk_cli_print(out, err) < 0)
        return -1;
    if (fflush(stdout) == 0)
        return 0;
    m->is_pipe_broken = errno == EPIPE;
    return sk_fail_errno(err, "standard output");
}

/* The reader of a pipe is gone, as with `| head`. Fetch held SIGPIPE back when it came; we end by
 * it now, as quietly as a command without a connection. */
static int end(const struct monitor *m)
{
    if (m->is_pipe_broken)
        (void)raise(SIGPIPE);
    return -1;
}

/* The hub's clock, which need not be ours: the newest message, and the time since it came. */
static int64_t hub_now(const struct monitor *m)
{
    int64_t newest = sk_summary_newest(m->summary);

    if (!m->a->follow)
        return (int64_t)sk_wall_ms() > newest ? (int64_t)sk_wall_ms() : newest;
    return newest > 0 ? newest + (int64_t)(sk_now_ms() - m->newest_at) : 0;
}

/* As many rows as the terminal has: what has scrolled away cannot be drawn over. Returns how many
 * lines these are. */
static unsigned add_rows(const struct monitor *m, const struct sk_buf *table, unsigned lines,
                         struct sk_buf *out)
{
    const unsigned room = m->rows > 3 ? m->rows - 2 : 2; /* two for "more" and the cursor */
    size_t len = 0;

    if (lines <= room + 1) {
        sk_buf_add(out, table->data, table->len);
        return lines;
    }
    for (unsigned i = 0; i < room; i++)
        len += strcspn(table->data + len, "\n") + 1;
    sk_buf_add(out, table->data, len);
    sk_buf_fmt(out, "... and %u more\n", lines - room);
    return room + 1;
}

static int print_summary(struct monitor *m, bool is_last, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf table = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);
    const int64_t since = m->a->follow ? sk_summary_first(m->summary) : 0;
    const bool is_drawn = m->is_terminal && !m->a->json;

    /* Over the one before; a row that is too long is cut there, so that a line stays one. */
    if (m->lines > 0)
        sk_buf_fmt(&out, "\033[%uA\033[J", m->lines);
    sk_buf_str(&out, is_drawn ? "\033[?7l" : "");
    const bool is_cut = is_drawn && !is_last && m->rows > 0;
    unsigned lines = sk_summary_print(m->summary, hub_now(m), since, m->a->json,
                                      is_cut ? &table : &out);
    if (!sk_buf_ok(&table))
        return sk_buf_fail(&table, err);
    if (is_cut)
        lines = add_rows(m, &table, lines, &out);
    sk_buf_str(&out, is_drawn ? "\033[?7h" : "");
    m->lines = is_drawn ? lines : 0;
    m->drawn_ms = sk_now_ms();
    return print(m, &out, err);
}

static void tick(void *ctx)
{
    struct monitor *m = ctx;
    struct sk_err unused = SK_ERR_INIT;

    if (m->summary && m->is_terminal && !m->a->json && sk_now_ms() - m->drawn_ms >= REFRESH_MS &&
        print_summary(m, false, &unused) < 0)
        m->drawn_ms = sk_now_ms(); /* the next message, or the end, meets the same failure */
}

static int count(struct monitor *m, const struct sk_json *message, struct sk_err *err)
{
    SK_AUTO(sk_monitor_row_done) struct sk_monitor_row row;
    const int64_t before = sk_summary_newest(m->summary);

    sk_monitor_row_read(message, &row);
    if (sk_summary_add(m->summary, &row, err) < 0)
        return -1;
    if (sk_summary_newest(m->summary) > before)
        m->newest_at = sk_now_ms();
    return 0;
}

static int show(void *ctx, const struct sk_json *message, const char *text, struct sk_err *err)
{
    struct monitor *m = ctx;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_MESSAGE_BYTES);

    if (m->summary)
        return count(m, message, err);
    if (m->a->json) {
        sk_buf_str(&out, text);
        sk_buf_chr(&out, '\n');
        return print(m, &out, err);
    }
    if (!m->is_headed)
        sk_monitor_heading(&m->look, &out);
    m->is_headed = true;
    sk_monitor_line(message, &m->look, &out);
    return print(m, &out, err);
}

static void look_around(struct monitor *m)
{
    struct winsize size = { 0 };
    const char *no_colour = getenv("NO_COLOR");

    m->is_terminal = isatty(STDOUT_FILENO) == 1;
    m->look.is_events = m->a->events;
    m->look.has_colours = m->is_terminal && (!no_colour || !*no_colour);
    if (m->is_terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        m->look.width = size.ws_col;
    m->rows = size.ws_row;
}

static int check(const struct args *a, struct sk_err *err)
{
    if (a->module && !a->device)
        return sk_fail(err, SK_USAGE, "--module: give --device too");
    if (a->group && (a->device || a->output || a->since))
        return sk_fail(err, SK_USAGE,
                       "--group: it takes all messages from where it stopped, so --device, "
                       "--module, --output and --since have no place beside it");
    if (a->summary && a->events)
        return sk_fail(err, SK_USAGE, "--summary is of messages, not of --events");
    return 0;
}

static int run(const void *args, char **operands, unsigned count_of, struct sk_err *err)
{
    const struct args *a = args;
    SK_AUTO(monitor_done) struct monitor m = { .a = a, .drawn_ms = sk_now_ms() };
    char window[32];
    struct sk_monitor_source source = { .hub = a->hub,
                                        .device = a->device,
                                        .module = a->module,
                                        .output = a->output,
                                        .since = a->since,
                                        .group = a->group,
                                        .max = a->max,
                                        .is_events = a->events,
                                        .is_following = a->follow,
                                        .each = show,
                                        .tick = tick,
                                        .ctx = &m };

    (void)operands;
    (void)count_of;
    if (check(a, err) < 0 || (a->summary && sk_summary_new(a->window_ms, &m.summary, err) < 0))
        return -1;
    (void)snprintf(window, sizeof window, "%llums", (unsigned long long)a->window_ms);
    if (a->summary && !a->follow && !a->since && !a->group)
        source.since = window;
    look_around(&m);
    if (sk_monitor_read(&source, err) < 0)
        return end(&m);
    if (!a->summary && !a->json && !a->follow && !m.is_headed)
        (void)fprintf(stderr, "skerry: there are no such %s\n", a->events ? "events" : "messages");
    return a->summary ? print_summary(&m, true, err) : 0;
}

const struct sk_cmd sk_cli_monitor = {
    .name = "monitor",
    .summary = "Shows what devices send",
    .details =
        "Without --follow the newest 100 messages, oldest first. A body with a prediction is shown "
        "in columns (prediction, confidence, inferenceLatencyMs, modelVersion), another one as it "
        "is; --json prints messages whole.\n"
        "With --follow messages are shown as they come. After a break of the connection it goes "
        "on where it was; Ctrl-C ends it.\n"
        "--group reads as a consumer group: the hub remembers how far the group is, so several "
        "runs see each message once. A new group begins with the oldest message.\n"
        "--summary counts the messages of the last minute (--window), on a terminal anew each 2 "
        "seconds, otherwise once at the end.",
    .examples = "skerry monitor --follow # everything, live\n"
                "skerry monitor --device line-3 --since 10m --json # for other programs\n"
                "skerry monitor --summary --follow # rates, latencies, shares of predictions\n"
                "skerry monitor --events --follow # who connects, what is deployed\n"
                "skerry monitor --group store --json --follow # each message once\n",
    .options = options,
    .args_size = sizeof(struct args),
    .run = run,
};
