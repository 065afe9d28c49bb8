/*
 * sas.c - SAS tokens of modules and leaf devices, and ours upstream.
 *
 *     SharedAccessSignature sr=HOST%2Fdevices%2FID[%2Fmodules%2FID]&sig=BASE64&se=SECONDS[&skn=]
 *
 * What is signed is "<sr as it stands there>\n<se as it stands there>"; it is never encoded again.
 * The audience is compared in any case.
 */
#include "localhub/localhub_priv.h"

#include <string.h>
#include <strings.h>
#include <sys/timex.h>

#define EXPIRES_MAX_S (INT64_C(1) << 50)

/* "ID" up to a '/', and what is behind it. */
static bool take_id(const char **path, const char *before, char out[SK_IOT_ID_MAX + 1])
{
    if (strncasecmp(*path, before, strlen(before)) != 0)
        return false;
    const char *id = *path + strlen(before);
    const size_t len = strcspn(id, "/");
    if (len > SK_IOT_ID_MAX || !sk_iot_id_valid((struct sk_view){ id, len }))
        return false;
    memcpy(out, id, len);
    out[len] = '\0';
    *path = id + len;
    return true;
}

static int read_audience(struct sk_lh_sas *s, struct sk_err *err)
{
    char audience[SK_LH_HOST + 2 * SK_IOT_ID_MAX + 32];
    if (!sk_iot_sas_decode(s->sr, audience, sizeof audience))
        return sk_fail(err, SK_INVALID, "SAS token: sr is malformed");
    const size_t len = strcspn(audience, "/");
    const char *path = audience + len;
    if (len == 0 || len >= sizeof s->host || !take_id(&path, "/devices/", s->device) ||
        (*path && !take_id(&path, "/modules/", s->module)) || *path)
        return sk_fail(err, SK_INVALID,
                       "SAS token: sr is not HOST/devices/ID or HOST/devices/ID/modules/ID");
    memcpy(s->host, audience, len);
    s->host[len] = '\0';
    return 0;
}

int sk_lh_sas_parse(struct sk_view text, struct sk_lh_sas *out, struct sk_err *err)
{
    struct sk_iot_sas t;
    struct sk_lh_sas s = { 0 };
    if (text.len > SK_LH_TOKEN_MAX)
        return sk_fail(err, SK_INVALID, "no SAS token");
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    if (sk_iot_sas_read(text, EXPIRES_MAX_S, &t, err) < 0)
        return -1;
    s.sr = t.sr;
    s.se = t.se;
    s.expires_s = t.expires_s;
    memcpy(s.signature, t.signature, sizeof s.signature);
    if (read_audience(&s, err) < 0)
        return -1;
    *out = s;
    return 0;
}

void sk_lh_sas_signed(const struct sk_lh_sas *s, struct sk_buf *out)
{
    sk_buf_add(out, s->sr.ptr, s->sr.len);
    sk_buf_chr(out, '\n');
    sk_buf_add(out, s->se.ptr, s->se.len);
}

void sk_lh_sas_resource(const char *host, const char *device, const char *module,
                        struct sk_buf *out)
{
    sk_buf_percent(out, host, strlen(host), "");
    sk_buf_str(out, "%2Fdevices%2F");
    sk_buf_percent(out, device, strlen(device), "");
    if (!*module)
        return;
    sk_buf_str(out, "%2Fmodules%2F");
    sk_buf_percent(out, module, strlen(module), "");
}

bool sk_lh_clock_is_loose(void)
{
    struct timex t = { 0 };
    const int state = adjtimex(&t);
    return state == TIME_ERROR || (t.status & STA_UNSYNC) != 0;
}
