/*
 * mqtt_load.c - devices by the thousand, on one thread: connect, send on a schedule, answer.
 *
 *     mqtt_load --port 8883 --keys devices.txt --ca ca.pem --devices 1000 --publish 5000 --seconds
 * 30
 *
 * The schedule is open: every message has its time before the run begins, in a slot of its own with
 * a random place in it, and its latency counts from that time, however late it was sent. Devices
 * take turns in a random order. Lines of JSON on standard output say what happened; on standard
 * input it takes commands, which is how the fault tests lead it:
 *
 *     mark NAME        ends the window, prints it, begins another
 *     rate KIND N      publish, get, report or method: so many a second from now on
 *     backlog N        N messages for each device, due now
 *     ledger           writes the ledger (--ledger)
 *     drop             cuts all connections
 *     again            lets those try again that were refused
 *     stop             waits for acknowledgements (--drain), prints the last window, ends
 */
#include "load.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/opt.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

struct args {
    const char *host, *keys, *ca, *hub_name, *ledger, *bearer, *tls;
    uint64_t port, service_port, devices, first, seconds_ms, warmup_ms, drain_ms, size;
    uint64_t retry_ms, keep_alive_ms, connect_ms, token_end, opening, sources, callers, hub_pid;
    uint64_t subscriptions, seed, backlog, run;
    double rate[KIND_COUNT];
    bool is_plain, is_websocket, resumes, is_verbose, has_no_twins;
};

enum {
    EVENTS = 256,
    LINE_MAX_BYTES = 256,
    TEND_NS = 10 * 1000 * 1000,
    TOKEN_S = 7200
};

#define AT(field) .offset = offsetof(struct args, field)

/* clang-format off */
static const struct sk_opt options[] = {
    { "host", 0, SK_OPT_TEXT, "IP", "where the devices connect", .def = "127.0.0.1", AT(host) },
    { "port", 'p', SK_OPT_U64, "N", "its port", .def = "8883", .max = 65535, AT(port) },
    { "keys", 'k', SK_OPT_TEXT, "FILE", "lines of device and key", AT(keys) },
    { "ca", 0, SK_OPT_TEXT, "FILE", "who signs the server's certificate; not checked without", AT(ca) },
    { "hub-name", 0, SK_OPT_TEXT, "NAME", "in user names and tokens", .def = "localhost", AT(hub_name) },
    { "plain", 0, SK_OPT_FLAG, NULL, "without TLS", AT(is_plain) },
    { "tls", 0, SK_OPT_CHOICE, "V", "its version; the Python SDK has 1.2", .def = "1.2", .choices = "1.2|1.3", AT(tls) },
    { "resume", 0, SK_OPT_FLAG, NULL, "resume TLS sessions; the Python SDK does not", AT(resumes) },
    { "websocket", 'w', SK_OPT_FLAG, NULL, "MQTT over WebSocket", AT(is_websocket) },
    { "devices", 'n', SK_OPT_U64, "N", "how many", .def = "100", .min = 1, .max = 19000, AT(devices) },
    { "first", 0, SK_OPT_U64, "N", "devices of the file to skip", .def = "0", .max = 10000000, AT(first) },
    { "sources", 0, SK_OPT_U64, "N", "addresses to come from, 127.0.0.2 and on; 0: any", .def = "4", .max = 250, AT(sources) },
    { "subscriptions", 0, SK_OPT_U64, "N", "of twin answers, methods, desired properties, C2D, in this order",
      .def = "4", .max = 4, AT(subscriptions) },
    { "no-twins", 0, SK_OPT_FLAG, NULL, "the server answers no twin calls", AT(has_no_twins) },
    { "opening", 0, SK_OPT_U64, "N", "most connections that are being opened", .def = "1000", .min = 1, AT(opening) },
    { "retry", 0, SK_OPT_MS, "TIME", "before the next try, and half as much more or less", .def = "1s", AT(retry_ms) },
    { "connect-timeout", 0, SK_OPT_MS, "TIME", "for becoming ready", .def = "60s", AT(connect_ms) },
    { "keep-alive", 0, SK_OPT_MS, "TIME", "of MQTT", .def = "60s", .max = 1740000, AT(keep_alive_ms) },
    { "token-end", 0, SK_OPT_U64, "S", "of SAS tokens, in seconds since 1970; 0: in two hours", .def = "0", AT(token_end) },

    { "publish", 0, SK_OPT_F64, "N", "messages a second, all devices together", .def = "0", AT(rate[KIND_PUBLISH]), .group = "Load" },
    { "get", 0, SK_OPT_F64, "N", "twin gets a second", .def = "0", AT(rate[KIND_GET]), .group = "Load" },
    { "report", 0, SK_OPT_F64, "N", "reported patches a second", .def = "0", AT(rate[KIND_REPORT]), .group = "Load" },
    { "method", 0, SK_OPT_F64, "N", "direct methods a second (--service-port, --bearer)", .def = "0", AT(rate[KIND_METHOD]), .group = "Load" },
    { "backlog", 0, SK_OPT_U64, "N", "messages that each device has when it starts", .def = "0", AT(backlog), .group = "Load" },
    { "size", 's', SK_OPT_SIZE, "SIZE", "of a message", .def = "200", .min = 64, .max = 200000, AT(size), .group = "Load" },
    { "service-port", 0, SK_OPT_U64, "N", "HTTPS of the service", .def = "0", .max = 65535, AT(service_port), .group = "Load" },
    { "bearer", 0, SK_OPT_TEXT, "TOKEN", "of the service", AT(bearer), .group = "Load" },
    { "callers", 0, SK_OPT_U64, "N", "connections for methods", .def = "32", .min = 1, .max = 1000, AT(callers), .group = "Load" },
    { "warmup", 0, SK_OPT_MS, "TIME", "before the window \"main\"", .def = "2s", AT(warmup_ms), .group = "Load" },
    { "seconds", 't', SK_OPT_MS, "TIME", "of that window; 0: until told to stop", .def = "10s", AT(seconds_ms), .group = "Load" },
    { "drain", 0, SK_OPT_MS, "TIME", "to wait for acknowledgements at the end", .def = "10s", AT(drain_ms), .group = "Load" },
    { "seed", 0, SK_OPT_U64, "N", "of the schedule and all jitter", .def = "1", .min = 1, AT(seed), .group = "Load" },
    { "run", 0, SK_OPT_U64, "N", "in every message, to tell runs apart", .def = "0", AT(run), .group = "Load" },
    { "ledger", 0, SK_OPT_TEXT, "FILE", "device, sent, acked, reports, acked, versions reported, desired", AT(ledger), .group = "Load" },
    { "hub-pid", 0, SK_OPT_U64, "PID", "whose processor time is shown", .def = "0", AT(hub_pid), .group = "Load" },
    { "verbose", 0, SK_OPT_FLAG, NULL, "a line for every connection that ends", AT(is_verbose), .group = "Load" },
    { .name = NULL },
};
/* clang-format on */

static const struct sk_cmd command = {
    .name = "mqtt_load",
    .summary = "Devices by the thousand",
    .options = options,
    .args_size = sizeof(struct args),
};

struct load load;
const char *const kind_names[KIND_COUNT] = { "publish", "get", "report", "method" };

/* One kind's times: slot by slot, a random place in each. */
static struct stream {
    double rate, slot_ns; /* the slot's begin, since origin */
    uint64_t origin_ns, due_ns, taken;
} streams[KIND_COUNT];

static struct args args;
static unsigned *order; /* of devices */
static unsigned count;
static bool is_stopping;

uint64_t dice(void)
{
    load.seed ^= load.seed << 13;
    load.seed ^= load.seed >> 7;
    load.seed ^= load.seed << 17;
    return load.seed;
}

void say(const char *fmt, ...)
{
    va_list list;
    va_start(list, fmt);
    (void)vprintf(fmt, list);
    va_end(list);
    (void)fputc('\n', stdout);
    (void)fflush(stdout);
}

/* ---- windows ---- */

static uint64_t own_cpu_us(uint64_t *switches)
{
    struct rusage use;
    (void)getrusage(RUSAGE_SELF, &use);
    *switches = (uint64_t)(use.ru_nvcsw + use.ru_nivcsw);
    return (uint64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

static uint64_t hub_cpu_us(void)
{
    char path[64], text[1024] = "";
    unsigned long user = 0, kernel = 0;
    (void)snprintf(path, sizeof path, "/proc/%llu/stat", (unsigned long long)args.hub_pid);
    FILE *f = args.hub_pid > 0 ? fopen(path, "re") : NULL;
    if (!f)
        return 0;
    size_t got = fread(text, 1, sizeof text - 1, f);
    (void)fclose(f);
    text[got] = '\0';
    const char *at = strrchr(text, ')');
    if (!at ||
        sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel) != 2)
        return 0;
    return (user + kernel) * 1000000ull / (uint64_t)sysconf(_SC_CLK_TCK);
}

static void begin_window(const char *name)
{
    memset(&load.now, 0, sizeof load.now);
    (void)snprintf(load.now.name, sizeof load.now.name, "%s", name);
    load.now.start_ns = sk_now_ns();
    load.now.cpu_us = own_cpu_us(&load.now.context_switches);
    load.now.hub_cpu_us = hub_cpu_us();
}

static void number(struct sk_buf *out, const char *name, uint64_t value)
{
    sk_buf_fmt(out, ",\"%s\":%llu", name, (unsigned long long)value);
}

/* next: the window that follows. */
static void end_window(const char *next)
{
    const struct window *w = &load.now;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    uint64_t switches = 0, cpu = own_cpu_us(&switches) - w->cpu_us;
    double seconds = (double)(sk_now_ns() - w->start_ns) / 1e9;
    uint64_t hub = hub_cpu_us();
    sk_buf_fmt(&out, "{\"event\":\"window\",\"name\":\"%s\",\"next\":\"%s\",\"seconds\":%.3f",
               w->name, next, seconds);
    sk_buf_fmt(&out, ",\"own_cores\":%.3f,\"hub_cores\":%.3f", (double)cpu / 1e6 / seconds,
               hub > w->hub_cpu_us ? (double)(hub - w->hub_cpu_us) / 1e6 / seconds : 0);
    for (unsigned i = 0; i < KIND_COUNT; i++) {
        if (w->scheduled[i] == 0 && w->latency[i].count == 0)
            continue;
        sk_buf_chr(&out, ',');
        hist_json(&w->latency[i], kind_names[i], &out);
        out.len--; /* goes on inside the object */
        number(&out, "scheduled", w->scheduled[i]);
        number(&out, "failed", w->failed[i]);
        sk_buf_fmt(&out, ",\"per_s\":%.1f}", (double)w->latency[i].count / seconds);
    }
    sk_buf_chr(&out, ',');
    hist_json(&w->connect, "connect", &out);
    number(&out, "ready", load.ready);
    number(&out, "waiting", clients_waiting());
    number(&out, "resent", w->resent);
    number(&out, "down", w->down);
    number(&out, "methods", w->methods);
    number(&out, "closed", w->closed);
    number(&out, "refused", w->refused);
    number(&out, "unreachable", w->unreachable);
    number(&out, "disorder", w->disorder);
    number(&out, "regress", w->regress);
    number(&out, "sessions_lost", w->sessions_lost);
    say("%.*s}", (int)out.len, out.data);
}

/* ---- the schedule ---- */

static void next_due(struct stream *s)
{
    double slot = 1e9 / s->rate;
    s->due_ns = s->origin_ns +
                (uint64_t)(s->slot_ns + slot * (double)(dice() >> 11) / (double)(1ull << 53));
    s->slot_ns += slot;
}

static void set_rate(enum kind kind, double rate)
{
    struct stream *s = &streams[kind];
    s->rate = rate;
    s->slot_ns = 0;
    s->origin_ns = sk_now_ns();
    s->due_ns = UINT64_MAX;
    if (rate > 0)
        next_due(s);
}

static void run_due(uint64_t now)
{
    static void (*const what[KIND_COUNT])(unsigned, uint64_t) = {
        [KIND_PUBLISH] = client_message,
        [KIND_GET] = client_get,
        [KIND_REPORT] = client_report,
        [KIND_METHOD] = caller_method,
    };
    for (unsigned i = 0; i < KIND_COUNT && !is_stopping; i++) {
        struct stream *s = &streams[i];
        while (s->due_ns <= now) {
            load.now.scheduled[i]++;
            what[i](order[s->taken++ % count], s->due_ns);
            next_due(s);
        }
    }
}

static uint64_t next_ns(uint64_t tend_ns)
{
    uint64_t first = tend_ns;
    for (unsigned i = 0; i < KIND_COUNT && !is_stopping; i++)
        if (streams[i].due_ns < first)
            first = streams[i].due_ns;
    return first;
}

static void backlog(uint64_t each)
{
    uint64_t now = sk_now_ns();
    for (unsigned i = 0; i < count; i++) {
        for (uint64_t k = 0; k < each; k++) {
            load.now.scheduled[KIND_PUBLISH]++;
            client_message(i, now);
        }
    }
}

/* ---- commands ---- */

static void write_ledger(void)
{
    struct sk_err err = SK_ERR_INIT;
    if (!args.ledger)
        return;
    if (clients_ledger(args.ledger, &err) < 0)
        say("{\"event\":\"error\",\"text\":\"%s\"}", err.text);
    else
        say("{\"event\":\"ledger\"}");
}

static void obey(char *line)
{
    char word[16] = "", what[64] = "";
    double value = 0;
    int words = sscanf(line, "%15s %63s %lf", word, what, &value);
    if (strcmp(word, "mark") == 0 && words >= 2) {
        end_window(what);
        begin_window(what);
    } else if (strcmp(word, "rate") == 0 && words == 3) {
        for (unsigned i = 0; i < KIND_COUNT; i++)
            if (strcmp(what, kind_names[i]) == 0)
                set_rate((enum kind)i, value);
    } else if (strcmp(word, "backlog") == 0 && words >= 2) {
        backlog(strtoull(what, NULL, 10));
    } else if (strcmp(word, "ledger") == 0) {
        write_ledger();
    } else if (strcmp(word, "drop") == 0) {
        clients_drop();
    } else if (strcmp(word, "again") == 0) {
        clients_again();
    } else if (strcmp(word, "stop") == 0) {
        is_stopping = true;
    } else {
        say("{\"event\":\"error\",\"text\":\"unknown command\"}");
    }
}

static void read_commands(struct link *l)
{
    static char line[LINE_MAX_BYTES];
    static size_t len;
    char chunk[LINE_MAX_BYTES];
    ssize_t got = read(l->fd, chunk, sizeof chunk);
    if (got == 0) {
        is_stopping = true;
        l->fd = -1;
        return;
    }
    for (ssize_t i = 0; i < got; i++) {
        if (chunk[i] == '\n') {
            line[len] = '\0';
            len = 0;
            obey(line);
        } else if (len < sizeof line - 1) {
            line[len++] = chunk[i];
        }
    }
}

/* ---- the run ---- */

/* Says when all devices are ready, each time. */
static void watch_ready(uint64_t begin_ns)
{
    static bool was_whole;
    static uint64_t lost_ns;
    bool is_whole = load.ready == count;
    uint64_t now = sk_now_ns();
    if (lost_ns == 0)
        lost_ns = begin_ns;
    if (was_whole && !is_whole) {
        lost_ns = now;
        say("{\"event\":\"lost\",\"at_ns\":%llu}", (unsigned long long)now);
    }
    if (!was_whole && is_whole)
        say("{\"event\":\"ready\",\"at_ns\":%llu,\"seconds\":%.3f,\"devices\":%u}",
            (unsigned long long)now, (double)(now - lost_ns) / 1e9, count);
    was_whole = is_whole;
}

static void wait_and_serve(int epoll, uint64_t until_ns)
{
    struct epoll_event events[EVENTS];
    uint64_t now = sk_now_ns(), wait = until_ns > now ? until_ns - now : 0;
    struct timespec left = { (time_t)(wait / 1000000000), (long)(wait % 1000000000) };
    int got = epoll_pwait2(epoll, events, EVENTS, &left, NULL);
    for (int i = 0; i < got; i++) {
        struct link *l = events[i].data.ptr;
        if (l->fd >= 0)
            l->ready(l);
    }
}

/* Until a time, or what ends before it: everybody ready, everything acknowledged. */
static void run_until(int epoll, uint64_t end_ns, bool (*is_over)(void))
{
    static uint64_t tend_ns, begin_ns;
    if (begin_ns == 0)
        begin_ns = sk_now_ns();
    for (;;) {
        uint64_t now = sk_now_ns();
        if (now >= end_ns || is_over())
            return;
        if (now >= tend_ns) {
            clients_tend((unsigned)args.opening);
            callers_tend();
            tend_ns = sk_now_ns() + TEND_NS;
        }
        run_due(now);
        uint64_t next = next_ns(tend_ns);
        wait_and_serve(epoll, next < end_ns ? next : end_ns);
        watch_ready(begin_ns);
    }
}

static bool is_told(void)
{
    return is_stopping;
}

static bool is_everybody(void)
{
    return is_stopping || load.ready == count;
}

static bool is_acked(void)
{
    return clients_waiting() == 0;
}

static uint64_t in_ms(uint64_t ms)
{
    return ms == 0 ? UINT64_MAX : sk_now_ns() + ms * 1000000;
}

static void run(int epoll)
{
    for (unsigned i = 0; i < KIND_COUNT; i++)
        set_rate((enum kind)i, 0);
    begin_window("connect");
    backlog(args.backlog);
    run_until(epoll, UINT64_MAX, is_everybody);
    end_window("main");
    for (unsigned i = 0; i < KIND_COUNT; i++)
        set_rate((enum kind)i, args.rate[i]);
    if (args.warmup_ms > 0 && !is_stopping) {
        begin_window("warmup");
        run_until(epoll, in_ms(args.warmup_ms), is_told);
    }
    begin_window("main");
    run_until(epoll, in_ms(args.seconds_ms), is_told);
    is_stopping = true;
    run_until(epoll, sk_now_ns() + args.drain_ms * 1000000, is_acked);
    end_window("");
    write_ledger();
}

static int set_up_tls(SSL_CTX **out, struct sk_err *err)
{
    int version = strcmp(args.tls, "1.3") == 0 ? TLS1_3_VERSION : TLS1_2_VERSION;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx)
        return sk_nomem(err);
    *out = ctx;
    (void)SSL_CTX_set_min_proto_version(ctx, version);
    (void)SSL_CTX_set_max_proto_version(ctx, version);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 1);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    if (!args.ca)
        return 0;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    return SSL_CTX_load_verify_file(ctx, args.ca) == 1
               ? 0
               : sk_fail(err, SK_INVALID, "%s: no certificate", args.ca);
}

static int set_up(SSL_CTX **tls, struct sk_err *err)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)args.port) };
    if (!args.keys)
        return sk_fail(err, SK_USAGE, "--keys is missing");
    if (inet_pton(AF_INET, args.host, &to.sin_addr) != 1)
        return sk_fail(err, SK_INVALID, "%s: no address", args.host);
    if (set_up_tls(tls, err) < 0)
        return -1;
    load = (struct load){
        .device_to = { to, args.ca ? args.host : NULL, args.is_plain ? NULL : *tls },
        .hub_name = args.hub_name,
        .bearer = args.bearer ? args.bearer : "",
        .is_websocket = args.is_websocket,
        .resumes = args.resumes,
        .is_verbose = args.is_verbose,
        .answers_twins = !args.has_no_twins,
        .subscriptions = (unsigned)args.subscriptions,
        .retry_ms = (unsigned)args.retry_ms,
        .connect_ms = (unsigned)args.connect_ms,
        .keep_alive_s = (unsigned)(args.keep_alive_ms / 1000),
        .sources = (unsigned)args.sources,
        .token_end_s = (int64_t)(args.token_end > 0 ? args.token_end
                                                    : sk_wall_ms() / 1000 + TOKEN_S),
        .size = args.size,
        .run = args.run,
        .seed = args.seed * 0x9e3779b97f4a7c15ull,
    };
    load.service_to = load.device_to;
    load.service_to.addr.sin_port = htons((uint16_t)args.service_port);
    if (clients_make(args.keys, (unsigned)args.first, (unsigned)args.devices, &count, err) < 0 ||
        (args.service_port > 0 && callers_make((unsigned)args.callers, err) < 0))
        return -1;
    order = calloc(count, sizeof *order);
    if (!order)
        return sk_nomem(err);
    for (unsigned i = 0; i < count; i++) { /* Fisher and Yates, inside out */
        unsigned k = (unsigned)(dice() % (i + 1));
        order[i] = order[k];
        order[k] = i;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct sk_err err = SK_ERR_INIT;
    SSL_CTX *tls = NULL;
    unsigned operands = 0;
    bool help = false;
    struct link commands = { .fd = STDIN_FILENO, .ready = read_commands };
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event in = { .events = EPOLLIN, .data.ptr = &commands };
    (void)signal(SIGPIPE, SIG_IGN);
    link_setup(epoll);
    int rc = sk_opt_parse(&command, argc, argv, NULL, NULL, &args, &operands, &help, &err);
    if (rc == 0 && help) {
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 20);
        sk_cmd_help(&command, &text);
        (void)fputs(text.data, stdout);
        return 0;
    }
    if (rc == 0)
        rc = set_up(&tls, &err);
    if (rc < 0) {
        (void)fprintf(stderr, "mqtt_load: %s\n", err.text);
        return 2;
    }
    (void)epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &in); /* not of files and /dev/null */
    run(epoll);
    callers_free();
    clients_free();
    free(order);
    SSL_CTX_free(tls);
    (void)close(epoll);
    return 0;
}
