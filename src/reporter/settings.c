/*
 * settings.c - "telemetry" in the module twin: {"mode","every","intervalSeconds"}.
 *
 * What is desired is taken whole or not at all; what it leaves out is as the options say.
 */
#include "reporter/reporter_priv.h"

static const char *const modes[] = {
    [SK_REPORT_EACH] = "each",
    [SK_REPORT_SAMPLED] = "sampled",
    [SK_REPORT_SUMMARY] = "summary",
    [SK_REPORT_OFF] = "off",
};

bool sk_reporter_mode_parse(const char *text, enum sk_reporter_mode *out)
{
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(text, modes[i]) == 0) {
            *out = (enum sk_reporter_mode)i;
            return true;
        }
    return false;
}

int sk_rep_settings_read(const struct sk_json *desired, const struct sk_rep_settings *base,
                         struct sk_rep_settings *out, struct sk_err *err)
{
    const struct sk_json *t = NULL;
    const char *mode = NULL;
    struct sk_rep_settings s = *base;
    int64_t every = s.every, interval_s = s.interval_s;
    if (sk_json_want_object(desired, "telemetry", &t, err) < 0)
        return -1;
    if (t &&
        (sk_json_want_text(t, "mode", &mode, err) < 0 ||
         sk_json_want_int(t, "every", 1, SK_REP_EVERY_MAX, &every, err) < 0 ||
         sk_json_want_int(t, "intervalSeconds", 1, SK_REP_INTERVAL_MAX_S, &interval_s, err) < 0))
        return sk_wrap(err, "telemetry");
    if (mode && !sk_reporter_mode_parse(mode, &s.mode))
        return sk_fail(err, SK_INVALID,
                       "telemetry: 'mode': '%.40s' is none of each, sampled, summary, off", mode);
    s.every = (unsigned)every;
    s.interval_s = (unsigned)interval_s;
    *out = s;
    return 0;
}

void sk_rep_settings_write(const struct sk_rep_settings *s, const char *error, struct sk_buf *out)
{
    sk_buf_fmt(out,
               "{\"telemetry\":{\"mode\":\"%s\",\"every\":%u,\"intervalSeconds\":%u,\"error\":",
               modes[s->mode], s->every, s->interval_s);
    if (error[0])
        sk_buf_json_str(out, error);
    else
        sk_buf_str(out, "null");
    sk_buf_str(out, "}}");
}

bool sk_rep_settings_are(const struct sk_json *reported, const struct sk_rep_settings *s,
                         const char *error)
{
    const struct sk_json *t = sk_json_get(reported, "telemetry");
    return strcmp(sk_json_get_text(t, "mode", ""), modes[s->mode]) == 0 &&
           sk_json_int(sk_json_get(t, "every"), -1) == s->every &&
           sk_json_int(sk_json_get(t, "intervalSeconds"), -1) == s->interval_s &&
           strcmp(sk_json_get_text(t, "error", ""), error) == 0;
}
