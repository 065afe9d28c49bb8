/*
 * api_metrics.c - GET /metrics: the device half in numbers, in Prometheus' text format (0.0.4).
 *
 * Counters begin with the hub's start. Readers may ask, and the policies that read telemetry.
 */
#include "hub/iot_priv.h"

enum {
    METRICS_BYTES = 64 << 10
};

static void head(struct sk_buf *out, const char *name, const char *type, const char *help)
{
    sk_buf_fmt(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void counter(struct sk_buf *out, const char *name, const char *help, uint64_t value)
{
    head(out, name, "counter", help);
    sk_buf_fmt(out, "%s %llu\n", name, (unsigned long long)value);
}

static void gauge(struct sk_buf *out, const char *name, const char *help, uint64_t value)
{
    head(out, name, "gauge", help);
    sk_buf_fmt(out, "%s %llu\n", name, (unsigned long long)value);
}

static void put_gateway(const struct sk_hub_iot *iot, struct sk_buf *out)
{
    struct sk_gateway_counts c;
    sk_gateway_counts(iot->gateway, &c);
    gauge(out, "skerry_hub_connections", "Devices and modules connected over MQTT.", c.connections);
    counter(out, "skerry_hub_connects_total", "Connections accepted.", c.connects);
    counter(out, "skerry_hub_refused_total", "Connections turned down.", c.refused);
    counter(out, "skerry_hub_messages_total", "Messages from devices.", c.messages_in);
    counter(out, "skerry_hub_message_bytes_total", "Bytes of their bodies.", c.bytes_in);
    counter(out, "skerry_hub_messages_down_total", "Messages sent to devices and module inputs.",
            c.messages_down);
    counter(out, "skerry_hub_methods_total", "Direct methods sent.", c.methods);
    counter(out, "skerry_hub_twin_gets_total", "Twins fetched by devices.", c.twin_gets);
    counter(out, "skerry_hub_twin_reports_total", "Reported patches.", c.twin_reports);
    counter(out, "skerry_hub_twin_desired_total", "Desired patches sent.", c.desired);
}

static int put_devices(struct sk_hub_iot *iot, struct sk_buf *out, struct sk_err *err)
{
    struct sk_device_counts c;
    if (sk_devices_count(iot->devices, &c, err) < 0)
        return -1;
    head(out, "skerry_hub_devices", "gauge", "Registered devices by status.");
    sk_buf_fmt(out, "skerry_hub_devices{status=\"enabled\"} %llu\n", (unsigned long long)c.enabled);
    sk_buf_fmt(out, "skerry_hub_devices{status=\"disabled\"} %llu\n",
               (unsigned long long)c.disabled);
    gauge(out, "skerry_hub_modules", "Registered modules.", c.modules);
    return 0;
}

/* One metric's lines stand together, so each is written for both journals. */
static void put_journals(struct sk_hub_iot *iot, struct sk_buf *out)
{
    static const struct {
        const char *name, *type, *help;
        size_t at;
    } rows[] = {
        { "skerry_hub_journal_records_total", "counter", "Records written.",
          offsetof(struct sk_journal_state, records) },
        { "skerry_hub_journal_syncs_total", "counter", "Groups written and synced.",
          offsetof(struct sk_journal_state, groups) },
        { "skerry_hub_journal_damaged_total", "counter", "Records found damaged.",
          offsetof(struct sk_journal_state, damaged) },
        { "skerry_hub_journal_bytes", "gauge", "Bytes on the disk.",
          offsetof(struct sk_journal_state, bytes) },
        { "skerry_hub_journal_queued_bytes", "gauge", "Bytes that wait to be written.",
          offsetof(struct sk_journal_state, queued_bytes) },
    };
    struct sk_journal_state states[2];
    static const char *const names[] = { "telemetry", "events" };
    sk_telemetry_state(iot->telemetry, &states[0]);
    sk_telemetry_state(iot->events, &states[1]);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        head(out, rows[i].name, rows[i].type, rows[i].help);
        for (size_t k = 0; k < 2; k++) {
            const char *state = (const char *)&states[k];
            const uint64_t *value = (const uint64_t *)(const void *)(state + rows[i].at);
            sk_buf_fmt(out, "%s{journal=\"%s\"} %llu\n", rows[i].name, names[k],
                       (unsigned long long)*value);
        }
    }
    head(out, "skerry_hub_journal_failing", "gauge", "1 when the last group could not be written.");
    for (size_t k = 0; k < 2; k++)
        sk_buf_fmt(out, "skerry_hub_journal_failing{journal=\"%s\"} %d\n", names[k],
                   states[k].is_failing);
}

static void get_metrics(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(METRICS_BYTES);
    put_gateway(call->hub->iot, &out);
    put_journals(call->hub->iot, &out);
    if (put_devices(call->hub->iot, &out, &err) < 0 ||
        (!sk_buf_ok(&out) && sk_buf_fail(&out, &err) < 0)) {
        sk_hub_fail(call, &err);
        return;
    }
    sk_http_set_type(call->req, "text/plain; version=0.0.4; charset=utf-8");
    sk_buf_add(sk_http_out(call->req), out.data, out.len);
    sk_hub_reply(call, 200);
}

const struct sk_hub_route sk_hub_routes_metrics[] = {
    { "GET", "/metrics", SK_HUB_RIGHTS(SK_RIGHT_TELEMETRY), SK_HUB_PLAIN, SK_ROLE_READER,
      get_metrics },
    { .method = NULL },
};
