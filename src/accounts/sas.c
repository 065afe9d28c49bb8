/*
 * sas.c - SAS tokens of devices, modules and policies, as IoT Hub's SDKs make them.
 *
 *     SharedAccessSignature sr=HOST%2Fdevices%2FID[%2Fmodules%2FID]&sig=BASE64&se=SECONDS[&skn=]
 *     SharedAccessSignature sr=HOST&sig=BASE64&se=SECONDS&skn=POLICY
 *
 * The signature is HMAC-SHA256
 * with the key of the identity, or of the policy that skn names, over "<sr as it came>\n<se>", so
 * sr is never encoded again; what it says is read from a decoded copy and compared without case
 * (aziot-identityd lower-cases it all).
 */
#include "accounts/accounts_priv.h"

#include "base/str.h"

#include <string.h>
#include <strings.h>

static const char devices[] = "devices/", modules[] = "modules/";

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
    if (!sk_iot_sas_decode(s->signed_sr, audience, sizeof audience))
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

int sk_sas_parse(const char *text, struct sk_sas *out, struct sk_err *err)
{
    struct sk_iot_sas t;
    struct sk_sas s = { 0 };
    if (strlen(text) > SK_SAS_TEXT_MAX)
        return sk_fail(err, SK_INVALID, "no SAS token");
    if (sk_iot_sas_read(sk_view_of(text), SK_SAS_EXPIRES_MAX_S, &t, err) < 0)
        return -1;
    s.signed_sr = t.sr;
    s.expires_s = t.expires_s;
    memcpy(s.signature, t.signature, sizeof s.signature);
    if (!sk_iot_sas_decode(t.skn, s.policy, sizeof s.policy))
        return sk_fail(err, SK_INVALID, "SAS token: skn is no policy's name");
    if (read_audience(&s, err) < 0)
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
