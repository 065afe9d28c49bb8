/*
 * sas_read.c - reads SAS tokens as SDKs make them, see sas.c.
 *
 * Fields come in any order, names in any case, hex of either case. sr and se are kept as they stand
 * there, since that is what was signed; nothing is encoded again.
 */
#include "iot/iot_priv.h"

#include "base/cleanup.h"

#include <string.h>
#include <strings.h>

static const char scheme[] = "SharedAccessSignature";

bool sk_iot_sas_is(struct sk_view text)
{
    const size_t len = sizeof scheme - 1;
    return text.len > len && strncasecmp(text.ptr, scheme, len) == 0 &&
           (text.ptr[len] == ' ' || text.ptr[len] == '\t');
}

bool sk_iot_sas_decode(struct sk_view v, char *out, size_t cap)
{
    size_t used = 0;
    for (size_t i = 0; i < v.len; i++) {
        char c = v.ptr[i];
        if (c == '%') {
            int high = i + 2 < v.len ? sk_hex_digit(v.ptr[i + 1]) : -1;
            int low = i + 2 < v.len ? sk_hex_digit(v.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0' || used + 1 >= cap)
            return false;
        out[used++] = c;
    }
    out[used] = '\0';
    return true;
}

/* Each name at most once; an unknown one is an error. */
static bool split(struct sk_view text, struct sk_iot_sas *out, struct sk_view *sig)
{
    while (text.len > 0) {
        struct sk_view field, name;
        (void)sk_iot_cut(&text, '&', &field);
        if (!sk_iot_cut(&field, '=', &name))
            return false;
        struct sk_view *place = sk_view_eq_nocase(name, "sr")    ? &out->sr
                                : sk_view_eq_nocase(name, "sig") ? sig
                                : sk_view_eq_nocase(name, "se")  ? &out->se
                                : sk_view_eq_nocase(name, "skn") ? &out->skn
                                                                 : NULL;
        if (!place || place->ptr)
            return false;
        *place = field;
    }
    return out->sr.len > 0 && sig->len > 0 && out->se.len > 0;
}

static int read_signature(struct sk_view sig, struct sk_iot_sas *out, struct sk_err *err)
{
    char text[64];
    SK_AUTO(sk_buf_done) struct sk_buf bytes = SK_BUF_INIT(SK_SHA256_BYTES);
    bool is_read = sk_iot_sas_decode(sig, text, sizeof text) &&
                   sk_base64_decode(text, strlen(text), &bytes, err) == 0;
    if (!is_read && err->code == SK_NOMEM)
        return -1;
    if (!is_read || bytes.len != SK_SHA256_BYTES)
        return sk_fail(err, SK_INVALID, "SAS token: sig is no HMAC-SHA256 in base64");
    memcpy(out->signature, bytes.data, SK_SHA256_BYTES);
    return 0;
}

int sk_iot_sas_read(struct sk_view text, int64_t latest_s, struct sk_iot_sas *out,
                    struct sk_err *err)
{
    const size_t head = sizeof scheme - 1;
    struct sk_iot_sas s = { 0 };
    struct sk_view sig = { 0 };
    char seconds[24];
    uint64_t expires = 0;
    if (!sk_iot_sas_is(text))
        return sk_fail(err, SK_INVALID, "no SAS token");
    text = (struct sk_view){ text.ptr + head, text.len - head };
    while (text.len > 0 && (*text.ptr == ' ' || *text.ptr == '\t'))
        text = (struct sk_view){ text.ptr + 1, text.len - 1 };
    if (!split(text, &s, &sig))
        return sk_fail(err, SK_INVALID, "SAS token: needed are sr, sig and se, each once");
    if (s.se.len >= sizeof seconds)
        return sk_fail(err, SK_INVALID, "SAS token: se is no time");
    memcpy(seconds, s.se.ptr, s.se.len);
    seconds[s.se.len] = '\0';
    if (sk_parse_u64("se", seconds, 0, (uint64_t)latest_s, &expires, err) < 0)
        return sk_wrap(err, "SAS token");
    s.expires_s = (int64_t)expires;
    if (read_signature(sig, &s, err) < 0)
        return -1;
    *out = s;
    return 0;
}
