/*
 * sas.c - SAS tokens of devices, modules and policies, as IoT Hub's SDKs make them.
 *
 *     SharedAccessSignature sr=HOST%2Fdevices%2FID[%2Fmodules%2FID]&sig=BASE64&se=SECONDS[&skn=]
 *     SharedAccessSignature sr=HOST&sig=BASE64&se=SECONDS&skn=POLICY
 *
 * Fields come in any order, names in any case, hex of either case. The signature is HMAC-SHA256
 * with the key of the identity, or of the policy that skn names, over "<sr as it came>\n<se>", so
 * sr is never encoded again; what it says is read from a decoded copy and compared without case
 * (aziot-identityd lower-cases it all).
 */
#include "accounts/accounts_priv.h"

#include "base/str.h"

#include <string.h>
#include <strings.h>

static const char scheme[] = "SharedAccessSignature";
static const char devices[] = "devices/", modules[] = "modules/";

bool sk_sas_is(const char *text)
{
    size_t len = sizeof scheme - 1;
    return strncasecmp(text, scheme, len) == 0 && (text[len] == ' ' || text[len] == '\t');
}

/* False: malformed, a NUL, or too long for cap. */
static bool decode(struct sk_view v, char *out, size_t cap)
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

struct fields {
    struct sk_view sr, sig, se, skn;
};

/* Each name at most once; an unknown one is an error. */
static bool split(const char *text, struct fields *out)
{
    while (*text) {
        size_t len = strcspn(text, "&");
        const char *equals = memchr(text, '=', len);
        if (!equals)
            return false;
        struct sk_view name = { text, (size_t)(equals - text) };
        struct sk_view value = { equals + 1, len - name.len - 1 };
        struct sk_view *place = sk_view_eq_nocase(name, "sr")    ? &out->sr
                                : sk_view_eq_nocase(name, "sig") ? &out->sig
                                : sk_view_eq_nocase(name, "se")  ? &out->se
                                : sk_view_eq_nocase(name, "skn") ? &out->skn
                                                                 : NULL;
        if (!place || place->ptr)
            return false;
        *place = value;
        text += len;
        text += *text == '&';
    }
    return out->sr.len > 0 && out->sig.len > 0 && out->se.len > 0;
}

/* "devices/ID" or "devices/ID/modules/ID"; text is cut into its parts. */
static bool read_path(char *text, struct sk_sas *out)
{
    if (strncasecmp(text, devices, sizeof devices - 1) != 0)
        return false;
    char *device = text + sizeof devices - 1, *module = strchr(device, '/');
    if (module) {
        *module++ = '\0';
        if (strncasecmp(module, modules, sizeof modules - 1) != 0)
            return false;
        module += sizeof modules - 1;
        if (!sk_device_id_valid(module))
            return false;
    }
    if (!sk_device_id_valid(device))
        return false;
    memcpy(out->device, device, strlen(device) + 1);
    if (module)
        memcpy(out->module, module, strlen(module) + 1);
    return true;
}

static int read_audience(struct sk_sas *s, struct sk_err *err)
{
    char audience[sizeof s->host + sizeof devices + sizeof s->device + sizeof modules +
                  sizeof s->module];
    if (!decode(s->signed_sr, audience, sizeof audience))
        return sk_fail(err, SK_INVALID, "SAS token: sr is malformed");
    char *path = strchr(audience, '/');
    if (path)
        *path++ = '\0';
    if ((path && !read_path(path, s)) || !*audience || strlen(audience) >= sizeof s->host)
        return sk_fail(err, SK_INVALID,
                       "SAS token: sr is not HOST, HOST/devices/ID or HOST/devices/ID/modules/ID");
    if (!path && !s->policy[0])
        return sk_fail(err, SK_INVALID, "SAS token: sr names no device and skn no policy");
    memcpy(s->host, audience, strlen(audience) + 1);
    return 0;
}

static int read_signature(struct sk_view sig, struct sk_sas *out, struct sk_err *err)
{
    char text[64];
    SK_AUTO(sk_buf_done) struct sk_buf bytes = SK_BUF_INIT(SK_SHA256_BYTES);
    bool is_read = decode(sig, text, sizeof text) &&
                   sk_base64_decode(text, strlen(text), &bytes, err) == 0;
    if (!is_read && err->code == SK_NOMEM)
        return -1;
    if (!is_read || bytes.len != SK_SHA256_BYTES)
        return sk_fail(err, SK_INVALID, "SAS token: sig is no HMAC-SHA256 in base64");
    memcpy(out->signature, bytes.data, SK_SHA256_BYTES);
    return 0;
}

int sk_sas_parse(const char *text, struct sk_sas *out, struct sk_err *err)
{
    struct fields f = { 0 };
    struct sk_sas s = { 0 };
    char seconds[24];
    uint64_t expires = 0;
    if (!sk_sas_is(text) || strlen(text) > SK_SAS_TEXT_MAX)
        return sk_fail(err, SK_INVALID, "no SAS token");
    text += sizeof scheme - 1;
    text += strspn(text, " \t");
    if (!split(text, &f))
        return sk_fail(err, SK_INVALID, "SAS token: needed are sr, sig and se, each once");
    s.signed_sr = f.sr;
    if (!decode(f.skn, s.policy, sizeof s.policy))
        return sk_fail(err, SK_INVALID, "SAS token: skn is no policy's name");
    if (f.se.len >= sizeof seconds)
        return sk_fail(err, SK_INVALID, "SAS token: se is no time");
    memcpy(seconds, f.se.ptr, f.se.len);
    seconds[f.se.len] = '\0';
    if (sk_parse_u64("se", seconds, 0, SK_SAS_EXPIRES_MAX_S, &expires, err) < 0)
        return sk_wrap(err, "SAS token");
    s.expires_s = (int64_t)expires;
    if (read_audience(&s, err) < 0 || read_signature(f.sig, &s, err) < 0)
        return -1;
    *out = s;
    return 0;
}

int sk_sas_signed_by(const struct sk_sas *s, const char *key, bool *out, struct sk_err *err)
{
    unsigned char mac[SK_SHA256_BYTES];
    SK_AUTO(sk_buf_done) struct sk_buf bytes = SK_BUF_INIT(128);
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_SAS_TEXT_MAX + 32);
    bool is_key = sk_base64_decode(key, strlen(key), &bytes, err) == 0 && bytes.len > 0;
    if (!is_key && err->code == SK_NOMEM)
        return -1;
    sk_buf_add(&text, s->signed_sr.ptr, s->signed_sr.len);
    sk_buf_fmt(&text, "\n%lld", (long long)s->expires_s);
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    if (sk_hmac_sha256(bytes.data, bytes.len, text.data, text.len, mac, err) < 0)
        return -1;
    bool is_same = sk_equal_secret((const char *)mac, sizeof mac, (const char *)s->signature,
                                   sizeof s->signature);
    *out = is_same && is_key;
    return 0;
}

bool sk_host_is_ours(const char *host, const char *const *names)
{
    const char *colon = strchr(host, ':');
    size_t len = strlen(host);
    if (colon && !strchr(colon + 1, ':'))
        len = (size_t)(colon - host); /* a port; with more colons it is an IPv6 address */
    for (; names && *names; names++)
        if (strlen(*names) == len && strncasecmp(host, *names, len) == 0)
            return true;
    return false;
}
