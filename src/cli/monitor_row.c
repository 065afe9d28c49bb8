/*
 * monitor_row.c - a message of a device as a line of `skerry monitor`.
 *
 *     TIME (UTC)      DEVICE   MODULE     PREDICTION  CONFIDENCE  LATENCY  VERSION
 *     11-29 06:12:04  line-3   inference  scratch     0.913       12.4 ms  7
 *     11-29 06:12:09  line-3              {"temperature":21.5}
 *
 * The columns come from the members prediction, confidence, inferenceLatencyMs and modelVersion of
 * the body; a body without a prediction is shown as it is. Clients that do not say that they send
 * JSON are understood too.
 */
#include "cli/monitor_priv.h"

#include "base/clock.h"
#include "base/str.h"
#include "cli/remote_priv.h"

#include <math.h>
#include <string.h>

enum {
    TIME = 14,
    DEVICE = 16,
    MODULE = 14,
    PREDICTION = 16,
    EVENT = 24,
    CONFIDENCE = 10,
    LATENCY = 10,
    FIRST = TIME + DEVICE + MODULE + 6, /* what stands before a body, with the gaps */
    BODY_MIN = 20,                      /* of a body's columns, however narrow the terminal */
    BODY_BYTES = 1 << 20
};

#define DIM   "\033[2m"
#define BOLD  "\033[1m"
#define PLAIN "\033[0m"

/* ---- reading ---- */

static double number_of(const struct sk_json *body, const char *name)
{
    const struct sk_json *v = sk_json_get(body, name);
    double number = sk_json_num(v, NAN);

    return isfinite(number) ? number : NAN;
}

/* A version is a text or a number. */
static void read_version(const struct sk_json *v, char *out, size_t cap)
{
    const char *text = sk_json_text(v, NULL);
    SK_AUTO(sk_buf_done) struct sk_buf number = SK_BUF_INIT(64);

    out[0] = '\0';
    if (!text && (sk_json_type(v) == SK_JSON_INT || sk_json_type(v) == SK_JSON_REAL)) {
        sk_json_dump(v, &number);
        text = sk_buf_ok(&number) ? number.data : NULL;
    }
    if (!text)
        return;
    size_t len = 0; /* whole characters only */
    for (size_t step; text[len] && (step = sk_utf8_step(text + len, strlen(text + len))) > 0 &&
                      len + step < cap;)
        len += step;
    memcpy(out, text, len);
    out[len] = '\0';
}

void sk_monitor_row_read(const struct sk_json *message, struct sk_monitor_row *out)
{
    struct sk_err unused = SK_ERR_INIT;
    const char *text = sk_json_get_text(message, "bodyText", NULL);

    *out = (struct sk_monitor_row){ .time = sk_json_get_text(message, "enqueuedTime", ""),
                                    .device = sk_json_get_text(message, "deviceId", ""),
                                    .module = sk_json_get_text(message, "moduleId", ""),
                                    .body = sk_json_get(message, "body"),
                                    .text = text };
    if (!sk_time_parse(sk_view_of(out->time), &out->time_ms))
        out->time_ms = 0;
    if (text && text[0] == '{' &&
        sk_json_parse(text, strlen(text), NULL, &out->parsed, &unused) == 0) {
        out->body = out->parsed;
        out->text = NULL;
    }
    out->prediction = sk_json_get_text(out->body, "prediction", NULL);
    out->confidence = number_of(out->body, "confidence");
    out->latency_ms = number_of(out->body, "inferenceLatencyMs");
    read_version(sk_json_get(out->body, "modelVersion"), out->version, sizeof out->version);
    out->event = sk_json_get_text(out->body, "event", NULL);
    if (!out->event)
        out->event = sk_json_get_text(message, "source", "");
}

void sk_monitor_row_done(struct sk_monitor_row *r)
{
    sk_json_free(r->parsed);
    *r = (struct sk_monitor_row){ 0 };
}

/* ---- printing ---- */

static void no_spaces_behind(struct sk_buf *out, size_t from)
{
    while (sk_buf_ok(out) && out->len > from && out->data[out->len - 1] == ' ')
        out->len--;
    sk_buf_chr(out, '\n');
}

void sk_monitor_heading(const struct sk_monitor_look *look, struct sk_buf *out)
{
    const size_t from = out->len;

    sk_buf_str(out, look->has_colours ? DIM : "");
    sk_cli_cell(out, "TIME (UTC)", TIME);
    sk_cli_cell(out, "DEVICE", DEVICE);
    sk_cli_cell(out, "MODULE", MODULE);
    if (look->is_events) {
        sk_cli_cell(out, "EVENT", EVENT);
    } else {
        sk_cli_cell(out, "PREDICTION", PREDICTION);
        sk_cli_cell(out, "CONFIDENCE", CONFIDENCE);
        sk_cli_cell(out, "LATENCY", LATENCY);
    }
    sk_buf_str(out, look->is_events ? "DETAIL" : "VERSION");
    sk_buf_str(out, look->has_colours ? PLAIN : "");
    no_spaces_behind(out, from);
}

/* What the message carries, on one line, cut to what is left of the terminal's. */
static void add_body(const struct sk_json *message, const struct sk_monitor_row *r, unsigned used,
                     const struct sk_monitor_look *look, struct sk_buf *out)
{
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(BODY_BYTES);
    const char *base64 = sk_json_get_text(message, "bodyBase64", "");
    unsigned room = look->width == 0                ? 0
                    : look->width > used + BODY_MIN ? look->width - used
                                                    : BODY_MIN;

    if (r->body)
        sk_json_dump(r->body, &body);
    else if (r->text)
        sk_buf_str(&body, r->text);
    else
        sk_buf_fmt(&body, "%zu bytes",
                   strlen(base64) / 4 * 3 - (sk_ends_with(base64, "=") ? 1 : 0) -
                       (sk_ends_with(base64, "==") ? 1 : 0));
    sk_cli_cell(out, !sk_buf_ok(&body) ? "(too large to show)" : body.data ? body.data : "", room);
}

static void add_number(struct sk_buf *out, const char *format_unit, double value, unsigned digits,
                       unsigned width)
{
    char text[48] = "";

    if (!isnan(value))
        (void)snprintf(text, sizeof text, "%.*f%s", (int)digits, value, format_unit);
    sk_cli_cell(out, text, width);
}

static void add_prediction(const struct sk_monitor_row *r, const struct sk_monitor_look *look,
                           struct sk_buf *out)
{
    sk_buf_str(out, look->has_colours ? BOLD : "");
    sk_cli_cell(out, r->prediction, PREDICTION);
    sk_buf_str(out, look->has_colours ? PLAIN : "");
    add_number(out, "", r->confidence, 3, CONFIDENCE);
    add_number(out, " ms", r->latency_ms, 1, LATENCY);
    sk_cli_cell(out, r->version, 0);
}

void sk_monitor_line(const struct sk_json *message, const struct sk_monitor_look *look,
                     struct sk_buf *out)
{
    SK_AUTO(sk_monitor_row_done) struct sk_monitor_row r;
    const size_t from = out->len;
    char time[TIME + 1] = "-";

    sk_monitor_row_read(message, &r);
    if (strlen(r.time) >= 19)
        (void)snprintf(time, sizeof time, "%.5s %.8s", r.time + 5, r.time + 11);
    sk_buf_str(out, look->has_colours ? DIM : "");
    sk_cli_cell(out, time, TIME);
    sk_buf_str(out, look->has_colours ? PLAIN : "");
    sk_cli_cell(out, r.device, DEVICE);
    sk_cli_cell(out, r.module, MODULE);
    if (look->is_events) {
        sk_cli_cell(out, r.event, EVENT);
        add_body(message, &r, FIRST + EVENT + 2, look, out);
    } else if (r.prediction) {
        add_prediction(&r, look, out);
    } else {
        add_body(message, &r, FIRST, look, out);
    }
    no_spaces_behind(out, from);
}
