/*
 * results.c - what the models said, for the cloud: one result after the other goes to the reporter,
 * which sends them as a module's messages when and as it is asked to.
 *
 * A result costs a copy here. What failed is told with the answers of 500 and above; that a picture
 * was none is its sender's affair.
 */
#include "serve/api_priv.h"

#include "base/clock.h"
#include "base/log.h"
#include "crypto/crypto.h"
#include "reporter/reporter.h"

#include <string.h>

enum {
    LAST_MS = 2000
};

struct first {
    char digest[sizeof "sha256:" + SK_SHA256_HEX];
};

static void keep_digest(void *ctx, struct sk_slot *slot, enum sk_slot_state state,
                        const char *reason, struct sk_loaded *loaded)
{
    struct first *f = ctx;

    (void)slot;
    (void)state;
    (void)reason;
    if (loaded && !f->digest[0])
        (void)snprintf(f->digest, sizeof f->digest, "sha256:%s",
                       sk_classifier_digest(loaded->classifier));
}

void sk_results_start(struct sk_server *s)
{
    struct first first = { "" };
    struct sk_err err = SK_ERR_INIT;
    struct sk_reporter_options o = {
        .mode = SK_REPORT_EACH,
        .every = s->opts.telemetry_every,
        .interval_s = s->opts.telemetry_interval_s,
        .version = s->opts.model_version,
        .digest = first.digest,
    };

    if (!sk_reporter_is_module())
        return;
    if (s->opts.telemetry && !sk_reporter_mode_parse(s->opts.telemetry, &o.mode))
        o.mode = SK_REPORT_EACH; /* the option's words are its own */
    sk_models_each(s->models, keep_digest, &first);
    if (sk_reporter_new(&o, &s->reporter, &err) < 0)
        sk_log(SK_WARN, "telemetry_off", "reason=\"%s\" next=\"serving without it\"", err.text);
}

void sk_results_stop(struct sk_server *s)
{
    if (s->reporter)
        sk_reporter_stop(s->reporter, LAST_MS);
    sk_reporter_free(s->reporter);
    s->reporter = NULL;
}

void sk_results_tell(struct sk_call *c, const char *label, double confidence, uint64_t took_ns)
{
    if (!c->server->reporter || c->is_control)
        return;
    atomic_fetch_add_explicit(&c->told, 1, memory_order_relaxed);
    const struct sk_reporter_result result = {
        .label = label,
        .confidence = confidence,
        .latency_ms = (double)took_ns / 1e6,
        .time_ms = (int64_t)sk_wall_ms(),
    };
    sk_reporter_result(c->server->reporter, &result);
}

void sk_results_end(struct sk_call *c, int status, uint64_t total_ns)
{
    if (status >= 500 && atomic_load_explicit(&c->told, memory_order_relaxed) == 0)
        sk_results_tell(c, NULL, 0, total_ns);
}

void sk_results_metrics(const struct sk_server *s, struct sk_buf *out)
{
    struct sk_reporter_counts counts;

    if (!s->reporter)
        return;
    sk_reporter_counts(s->reporter, &counts);
    sk_metrics_head(out, "skerry_telemetry_results_total", "counter",
                    "Results that were given to the reporter.");
    sk_metrics_u64(out, "skerry_telemetry_results_total", NULL, counts.results);
    sk_metrics_head(out, "skerry_telemetry_sent_total", "counter",
                    "Messages that the local hub has acknowledged.");
    sk_metrics_u64(out, "skerry_telemetry_sent_total", NULL, counts.sent);
    sk_metrics_head(out, "skerry_telemetry_dropped_total", "counter",
                    "Results that were dropped because the local hub did not take them in time.");
    sk_metrics_u64(out, "skerry_telemetry_dropped_total", NULL, counts.dropped);
    sk_metrics_head(out, "skerry_telemetry_connected", "gauge",
                    "1 while the local hub is connected.");
    sk_metrics_u64(out, "skerry_telemetry_connected", NULL, counts.is_connected);
}
