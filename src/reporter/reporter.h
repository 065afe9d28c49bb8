/*
 * reporter.h - results of `skerry serve` as messages of an IoT Edge module: to output "metrics" of
 * the local hub, each one, some, or sums.
 *
 * Finds the local hub as the SDKs do (IOTEDGE_* variables, the workload API), connects by MQTT over
 * TLS, and keeps at it. Sending never slows answering: sk_reporter_result copies into a ring of
 * fixed size and returns; a full ring drops the oldest and counts it. One thread sends, another
 * (the MQTT client's) receives.
 *
 * Modes, by flag or by desired properties of the module twin, while running:
 *     {"telemetry":{"mode":"each"|"sampled"|"summary"|"off","every":10,"intervalSeconds":60}}
 * each: one message a result with the guide's fields prediction, confidence, inferenceLatencyMs,
 * modelVersion, deviceId, and modelDigest, timestamp. sampled: every n-th. summary: one each n
 * seconds: count, count by label, errors, latency p50, p90, p99, max. What is in force is reported
 * as reported.telemetry.
 */
#ifndef SK_REPORTER_REPORTER_H
#define SK_REPORTER_REPORTER_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sk_reporter_mode {
    SK_REPORT_EACH,
    SK_REPORT_SAMPLED,
    SK_REPORT_SUMMARY,
    SK_REPORT_OFF
};

/* "each", "sampled", "summary", "off". */
bool sk_reporter_mode_parse(const char *text, enum sk_reporter_mode *out);

struct sk_reporter;

struct sk_reporter_options {
    enum sk_reporter_mode mode;
    unsigned every;      /* of sampled; 0: 10 */
    unsigned interval_s; /* of summary; 0: 60 */
    const char *output;  /* NULL: "metrics" */
    const char *version; /* modelVersion; NULL: SKERRY_MODEL_VERSION, else "" */
    const char *digest;  /* modelDigest; "" */
};

/* Whether the environment is that of a module (IOTEDGE_WORKLOADURI and its like). */
bool sk_reporter_is_module(void);
/* Never waits for the local hub. SK_INVALID: a variable is missing (which). */
int sk_reporter_new(const struct sk_reporter_options *opts, struct sk_reporter **out,
                    struct sk_err *err) SK_CHECK;
/* Sends what waits, for at most wait_ms. */
void sk_reporter_stop(struct sk_reporter *r, unsigned wait_ms);
void sk_reporter_free(struct sk_reporter *r);
SK_DEFINE_OWN(struct sk_reporter, sk_reporter_free);

struct sk_reporter_result {
    const char *label; /* NULL: the request failed */
    double confidence, latency_ms;
    int64_t time_ms; /* since 1970 */
};

/* Any thread; copies, never waits. */
void sk_reporter_result(struct sk_reporter *r, const struct sk_reporter_result *result);

struct sk_reporter_counts {
    uint64_t results, sent, dropped;
    bool is_connected;
};

void sk_reporter_counts(const struct sk_reporter *r, struct sk_reporter_counts *out);

#endif
