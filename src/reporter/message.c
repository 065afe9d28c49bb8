/* message.c - one result as JSON, with the guide's names, and its topic. */
#include "reporter/reporter_priv.h"

#include "base/clock.h"
#include "iot/iot.h"

void sk_rep_result_set(struct sk_rep_result *out, const struct sk_reporter_result *in)
{
    size_t len = strlen(in->label), at = 0;
    while (at < len) {
        size_t step = sk_utf8_step(in->label + at, len - at);
        step = step ? step : 1;
        if (at + step >= sizeof out->label)
            break;
        at += step;
    }
    memcpy(out->label, in->label, at);
    out->label[at] = '\0';
    out->confidence = in->confidence;
    out->latency_ms = in->latency_ms;
    out->time_ms = in->time_ms;
}

void sk_rep_message(const struct sk_rep_result *r, const struct sk_rep_model *m, struct sk_buf *out)
{
    char time[SK_TIME_TEXT];
    sk_time_text(r->time_ms > 0 ? (uint64_t)r->time_ms : 0, time);
    sk_buf_str(out, "{\"prediction\":");
    sk_buf_json_str(out, r->label);
    sk_buf_str(out, ",\"confidence\":");
    sk_buf_num(out, r->confidence, 9);
    sk_buf_str(out, ",\"inferenceLatencyMs\":");
    sk_buf_num(out, r->latency_ms, 9);
    sk_buf_str(out, ",\"modelVersion\":");
    sk_buf_json_str(out, m->version);
    sk_buf_str(out, ",\"modelDigest\":");
    sk_buf_json_str(out, m->digest);
    sk_buf_str(out, ",\"deviceId\":");
    sk_buf_json_str(out, m->device);
    sk_buf_fmt(out, ",\"timestamp\":\"%s\"}", time);
}

void sk_rep_topic(const struct sk_rep_env *e, const char *output, const char *id,
                  struct sk_buf *out)
{
    bool is_first = true;
    sk_buf_fmt(out, "devices/%s/modules/%s/messages/events/", e->device, e->module);
    sk_iot_bag_add(out, &is_first, "$.on", output);
    sk_iot_bag_add(out, &is_first, "$.ct", "application/json");
    sk_iot_bag_add(out, &is_first, "$.ce", "utf-8");
    sk_iot_bag_add(out, &is_first, "$.mid", id);
}
