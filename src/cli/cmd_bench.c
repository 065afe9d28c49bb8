/*
 * cmd_bench.c - `skerry bench TARGET`: how fast a server answers, and where it spends its time.
 *
 * Each concurrency is one closed-loop run, --rate is one open-loop run (see bench_load.c). The
 * server's own histograms are read before and after each run; their difference says how long
 * requests stood in which stage.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "cli/bench_priv.h"
#include "cli/cli_priv.h"

enum {
    RUNS_MAX = 16,
    CONNECTIONS_MAX = 4096
};

struct args {
    struct sk_cli_engine engine;
    const char *image;
    const char *size;
    const char *model;
    const char *labels;
    bool v2;
    const char *concurrency;
    double rate;
    uint64_t connections;
    uint64_t duration_ms, warmup_ms, timeout_ms;
    uint64_t seed;
    const char *api_key_file;
    bool json;
};

#define AT(field) .offset = offsetof(struct args, field)

/* clang-format off */
static const struct sk_opt options[] = {
    { "image", 'i', SK_OPT_TEXT, "FILE", "picture to send to /predict; else one is made", AT(image) },
    { "size", 0, SK_OPT_TEXT, "WxH", "size of the picture that is made",
      .def = "640x480", AT(size) },
    { "v2", 0, SK_OPT_FLAG, NULL, "send random binary tensors to the V2 protocol instead", AT(v2) },
    { "model", 'm', SK_OPT_TEXT, "NAME", "model to ask; else the server's choice", AT(model) },
    { "api-key-file", 0, SK_OPT_TEXT, "FILE", "file whose first line is the server's API key",
      AT(api_key_file) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", AT(json) },

    { "concurrency", 'c', SK_OPT_TEXT, "N,N...",
      "closed loop: connections that are always busy, one run each",
      .def = "1,2,4,8", AT(concurrency), .group = "Load" },
    { "rate", 'r', SK_OPT_F64, "N", "open loop instead: requests a second, at random times",
      .max = 10000000, AT(rate), .group = "Load" },
    { "connections", 0, SK_OPT_U64, "N", "open loop: most connections",
      .def = "256", .min = 1, .max = CONNECTIONS_MAX, AT(connections), .group = "Load" },
    { "duration", 'd', SK_OPT_MS, "TIME", "length of each run",
      .def = "5s", .min = 10, .max = 86400000, AT(duration_ms), .group = "Load" },
    { "warmup", 0, SK_OPT_MS, "TIME", "load before each run that is not counted",
      .def = "1s", .max = 3600000, AT(warmup_ms), .group = "Load" },
    { "timeout", 0, SK_OPT_MS, "TIME", "a request without answer is an error after this time",
      .def = "30s", .min = 1, .max = 3600000, AT(timeout_ms), .group = "Load" },
    { "seed", 0, SK_OPT_U64, "N", "of the random times",
      .def = "1", .min = 1, AT(seed), .group = "Load" },

    { "labels", 'l', SK_OPT_TEXT, "FILE", "labels, when TARGET is a model without", AT(labels) },
    SK_CLI_ENGINE_OPTIONS(struct args),
    { .name = NULL },
};

/* clang-format on */

/* One run, as it was asked for and as it went. */
struct outcome {
    unsigned concurrency;
    double rate; /* 0: closed loop */
    struct sk_load_result load;
    struct sk_stages stages;
};

/* ---- options ---- */

static int parse_concurrency(const char *text, unsigned *out, size_t *count, struct sk_err *err)
{
    *count = 0;
    for (const char *p = text; *p;) {
        char word[16];
        uint64_t n = 0;
        size_t len = strcspn(p, ",");

        (void)snprintf(word, sizeof word, "%.*s", (int)(len < 15 ? len : 15), p);
        if (sk_parse_u64("--concurrency", word, 1, CONNECTIONS_MAX, &n, err) < 0 ||
            *count == RUNS_MAX) {
            if (*count == RUNS_MAX)
                return sk_fail(err, SK_USAGE, "--concurrency: more than %d numbers", RUNS_MAX);
            err->code = SK_USAGE;
            return -1;
        }
        out[(*count)++] = (unsigned)n;
        p += len + (p[len] == ',');
    }
    return *count > 0 ? 0 : sk_fail(err, SK_USAGE, "--concurrency: no number");
}

static int parse_size(const char *text, unsigned *width, unsigned *height, struct sk_err *err)
{
    char first[16];
    uint64_t w = 0;
    uint64_t h = 0;
    size_t len = strcspn(text, "x");

    (void)snprintf(first, sizeof first, "%.*s", (int)(len < 15 ? len : 15), text);
    if (text[len] != 'x' || sk_parse_u64("--size", first, 1, 20000, &w, err) < 0 ||
        sk_parse_u64("--size", text + len + 1, 1, 20000, &h, err) < 0)
        return sk_fail(err, SK_USAGE, "--size: '%s' is not a size such as 640x480", text);
    *width = (unsigned)w;
    *height = (unsigned)h;
    return 0;
}

static int make_request(const struct args *a, const struct sk_bench_target *t, struct sk_buf *out,
                        struct sk_err *err)
{
    SK_OWN(free) void *picture = NULL;
    size_t len = 0;
    unsigned width = 0;
    unsigned height = 0;
    char *bytes = NULL;
    uint8_t *made = NULL;

    if (a->v2)
        return sk_bench_infer_request(t, a->model, out, err);
    if (a->image) {
        if (sk_file_read(a->image, (size_t)1 << 30, &bytes, &len, err) < 0)
            return -1;
        picture = bytes;
    } else {
        if (parse_size(a->size, &width, &height, err) < 0 ||
            sk_bench_picture(width, height, &made, &len, err) < 0)
            return -1;
        picture = made;
    }
    return sk_bench_predict_request(t, a->model, picture, len, out, err);
}

/* ---- runs ---- */

/* An unreadable /metrics is no failure: other servers have none. */
static void read_stages(const struct sk_bench_target *t, struct sk_stages *out)
{
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(64 << 20);
    struct sk_err ignored = SK_ERR_INIT;

    memset(out, 0, sizeof *out);
    if (sk_bench_get(t, "GET", "/metrics", &body, &ignored) == 0 && body.data)
        sk_stages_parse(body.data, body.len, out);
}

/* One request before all load: a wrong one fails here, with the server's own words. */
static int try_once(const struct args *a, const struct sk_bench_target *t,
                    const struct sk_buf *request, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT((size_t)1 << 30);
    int status = 0;

    if (sk_bench_exchange(t, request->data, request->len, (unsigned)a->timeout_ms, &status, &body,
                          err) < 0)
        return -1;
    if (status != 200)
        return sk_fail(err, SK_REMOTE, "the server answers with status %d: %.300s", status,
                       body.data ? body.data : "");
    return 0;
}

/* Warm-up is a run of its own, so that the server's histograms cover the measured time only. */
static int run_one(const struct args *a, const struct sk_bench_target *t,
                   const struct sk_buf *request, struct outcome *o, struct sk_err *err)
{
    SK_OWN(free) struct sk_stages *before = calloc(1, sizeof *before);
    struct sk_load load = {
        .target = t,
        .request = request->data,
        .request_len = request->len,
        .connections = o->rate > 0 ? (unsigned)a->connections : o->concurrency,
        .rate = o->rate,
        .duration_ns = a->warmup_ms * 1000000,
        .timeout_ns = a->timeout_ms * 1000000,
        .seed = a->seed,
    };

    if (!before)
        return sk_nomem(err);
    if (a->warmup_ms > 0 && sk_load_run(&load, &o->load, err) < 0)
        return -1;
    read_stages(t, before);
    load.duration_ns = a->duration_ms * 1000000;
    if (sk_load_run(&load, &o->load, err) < 0)
        return -1;
    read_stages(t, &o->stages);
    sk_stages_subtract(&o->stages, before);
    return 0;
}

/* ---- output ---- */

static double ms(uint64_t ns)
{
    return (double)ns / 1e6;
}

static void print_head(const struct args *a, const struct sk_bench_target *t, size_t request_len,
                       struct sk_buf *out)
{
    sk_buf_fmt(out, "%s%s, %s of %zu bytes, %g s a run\n\n", t->host, t->pid ? " (own child)" : "",
               a->v2 ? "V2 request" : "request", request_len, (double)a->duration_ms / 1000);
    sk_buf_str(out, "                        latency in ms\n"
                    "    load  requests/s     p50     p90     p99   p99.9     max  errors\n");
}

static void print_row(const struct outcome *o, struct sk_buf *out)
{
    const struct sk_bench_hist *h = &o->load.latency;
    char load[32];

    if (o->rate > 0)
        (void)snprintf(load, sizeof load, "%g/s", o->rate);
    else
        (void)snprintf(load, sizeof load, "%u", o->concurrency);
    sk_buf_fmt(out, "%8s  %10.1f", load, (double)o->load.answered / o->load.seconds);
    sk_buf_fmt(out, " %7.3g %7.3g %7.3g %7.3g %7.3g %7llu\n", ms(sk_bench_hist_quantile(h, 0.5)),
               ms(sk_bench_hist_quantile(h, 0.9)), ms(sk_bench_hist_quantile(h, 0.99)),
               ms(sk_bench_hist_quantile(h, 0.999)), ms(h->max),
               (unsigned long long)o->load.errors);
    if (o->load.first_error[0])
        sk_buf_fmt(out, "          first error: %s\n", o->load.first_error);
}

/* Means of the server's stages, one row a run. */
static void print_stages(const struct outcome *runs, size_t count, struct sk_buf *out)
{
    const struct sk_stages *first = &runs[0].stages;

    if (first->count == 0)
        return;
    sk_buf_str(out, "\nin the server, mean (p99) in ms\n    load");
    for (size_t i = 0; i < first->count; i++)
        sk_buf_fmt(out, " %15s", first->rows[i].name);
    sk_buf_chr(out, '\n');
    for (size_t r = 0; r < count; r++) {
        char load[32];
        (void)snprintf(load, sizeof load, runs[r].rate > 0 ? "%g/s" : "%g",
                       runs[r].rate > 0 ? runs[r].rate : (double)runs[r].concurrency);
        sk_buf_fmt(out, "%8s", load);
        for (size_t i = 0; i < runs[r].stages.count; i++) {
            const struct sk_stage *s = &runs[r].stages.rows[i];
            char cell[48];
            (void)snprintf(cell, sizeof cell, "%.3g (%.3g)", 1e3 * s->sum / s->count,
                           1e3 * sk_stage_quantile(s, 0.99));
            sk_buf_fmt(out, " %15s", cell);
        }
        sk_buf_chr(out, '\n');
    }
}

static void add_number(struct sk_buf *out, const char *key, double value)
{
    sk_buf_fmt(out, "\"%s\":", key);
    sk_buf_num(out, value, 9);
}

static void add_run_json(const struct outcome *o, struct sk_buf *out)
{
    static const struct {
        const char *name;
        double q;
    } quantiles[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p99_9", 0.999 } };
    const struct sk_bench_hist *h = &o->load.latency;

    sk_buf_fmt(out, "{\"mode\":\"%s\",", o->rate > 0 ? "open" : "closed");
    if (o->rate > 0)
        add_number(out, "rate", o->rate);
    else
        sk_buf_fmt(out, "\"concurrency\":%u", o->concurrency);
    sk_buf_chr(out, ',');
    add_number(out, "seconds", o->load.seconds);
    sk_buf_fmt(out, ",\"requests\":%llu,\"errors\":%llu,", (unsigned long long)o->load.answered,
               (unsigned long long)o->load.errors);
    add_number(out, "requests_per_s", (double)o->load.answered / o->load.seconds);
    sk_buf_str(out, ",\"first_error\":");
    if (o->load.first_error[0])
        sk_buf_json_str(out, o->load.first_error);
    else
        sk_buf_str(out, "null");
    sk_buf_str(out, ",\"latency_ms\":{");
    add_number(out, "mean", h->n ? h->sum / (double)h->n / 1e6 : 0);
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        sk_buf_chr(out, ',');
        add_number(out, quantiles[i].name, ms(sk_bench_hist_quantile(h, quantiles[i].q)));
    }
    sk_buf_chr(out, ',');
    add_number(out, "max", ms(h->max));
    sk_buf_str(out, "},\"stages_ms\":{");
    for (size_t i = 0; i < o->stages.count; i++) {
        const struct sk_stage *s = &o->stages.rows[i];
        sk_buf_str(out, i ? "," : "");
        sk_buf_json_str(out, s->name);
        sk_buf_str(out, ":{");
        add_number(out, "mean", 1e3 * s->sum / s->count);
        sk_buf_chr(out, ',');
        add_number(out, "p50", 1e3 * sk_stage_quantile(s, 0.5));
        sk_buf_chr(out, ',');
        add_number(out, "p99", 1e3 * sk_stage_quantile(s, 0.99));
        sk_buf_fmt(out, ",\"count\":%.0f}", s->count);
    }
    sk_buf_str(out, "}}");
}

static void add_json(const struct args *a, const struct sk_bench_target *t, size_t request_len,
                     const struct outcome *runs, size_t count, struct sk_buf *out)
{
    sk_buf_str(out, "{\"target\":");
    sk_buf_json_str(out, t->host);
    sk_buf_fmt(out, ",\"own_child\":%s,\"kind\":\"%s\",\"request_bytes\":%zu,\"runs\":[",
               t->pid ? "true" : "false", a->v2 ? "v2" : "predict", request_len);
    for (size_t i = 0; i < count; i++) {
        sk_buf_str(out, i ? "," : "");
        add_run_json(&runs[i], out);
    }
    sk_buf_str(out, "]}\n");
}

/* Prints what is there now, for someone waits for it, and empties the buffer. */
static int flush(struct sk_buf *out, struct sk_err *err)
{
    if (sk_cli_print(out, err) < 0)
        return -1;
    sk_buf_clear(out);
    return fflush(stdout) == 0 ? 0 : sk_fail_errno(err, "standard output");
}

/* Prints each row as soon as it is known, unless the output is JSON. */
static int run_all(const struct args *a, const struct sk_bench_target *t,
                   const struct sk_buf *request, struct outcome *runs, size_t count,
                   struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);

    if (!a->json)
        print_head(a, t, request->len, &out);
    for (size_t i = 0; i < count; i++) {
        if (flush(&out, err) < 0 || run_one(a, t, request, &runs[i], err) < 0)
            return -1;
        if (!a->json)
            print_row(&runs[i], &out);
    }
    if (a->json)
        add_json(a, t, request->len, runs, count, &out);
    else
        print_stages(runs, count, &out);
    return flush(&out, err);
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    const struct sk_bench_child_options child = {
        .device = a->engine.device,
        .onnxruntime = a->engine.onnxruntime,
        .labels = a->labels,
        .threads = a->engine.threads,
        .cache = a->engine.cache,
    };
    SK_AUTO(sk_bench_target_done) struct sk_bench_target target = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf request = SK_BUF_INIT((size_t)1 << 30);
    SK_OWN(free) struct outcome *runs = NULL;
    unsigned levels[RUNS_MAX] = { 0 };
    size_t run_count = 0;
    uint64_t errors = 0;
    uint64_t answered = 0;

    (void)count;
    if (parse_concurrency(a->concurrency, levels, &run_count, err) < 0)
        return -1;
    run_count = a->rate > 0 ? 1 : run_count;
    runs = calloc(run_count, sizeof *runs);
    if (!runs)
        return sk_nomem(err);
    for (size_t i = 0; i < run_count; i++) {
        runs[i].concurrency = levels[i];
        runs[i].rate = a->rate;
    }
    if (sk_bench_target_open(operands[0], &child, a->api_key_file, &target, err) < 0 ||
        make_request(a, &target, &request, err) < 0 || try_once(a, &target, &request, err) < 0 ||
        run_all(a, &target, &request, runs, run_count, err) < 0)
        return -1;
    for (size_t i = 0; i < run_count; i++) {
        errors += runs[i].load.errors;
        answered += runs[i].load.answered;
    }
    if (errors > 0)
        return sk_fail(err, SK_REMOTE, "%llu of %llu requests failed", (unsigned long long)errors,
                       (unsigned long long)(errors + answered));
    return 0;
}

const struct sk_cmd sk_cli_bench = {
    .name = "bench",
    .operands = "TARGET",
    .summary = "Measures throughput and latency of a server",
    .details = "TARGET is http://HOST:PORT of a running server, or a model; then a server is "
               "started for it on a free "
               "port and stopped at the end.\n\n"
               "In a closed loop each connection sends its next request when the last one is "
               "answered. In an open loop "
               "(--rate) requests are due at random times whatever the server does, and latency "
               "counts from "
               "when a request was due, so a stall is charged for all that should have been sent "
               "meanwhile.\n\n"
               "TIME is a number with ms, s, m or h; a bare number is seconds.",
    .examples =
        "skerry bench models/digits # 1, 2, 4 and 8 connections\n"
        "skerry bench http://127.0.0.1:5001 --image cat.jpg -c 4 -d 30s # a running server\n"
        "skerry bench models/digits --rate 50 --json # open loop at 50 requests a second\n"
        "skerry bench models/digits --v2 -c 1 # tensors instead of pictures",
    .options = options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
