/* test_sas.c - tokens as the SDKs write them, signatures against `openssl dgst -hmac`, what is
 * refused. */
#include "fixture.h"

#include "base/str.h"

/* base64 of "0123456789abcdef0123456789abcdef" */
static const char key[] = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
static const char other[] = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWc=";

/* Made with: printf '%s\n%s' SR SE | openssl dgst -sha256 -hmac KEY -binary | base64 */
static const struct {
    const char *name, *text, *host, *device;
} good[] = {
    { "Python",
      "SharedAccessSignature sr=hub.example%2Fdevices%2Fcam-1"
      "&sig=4qR3IdV7c3TCAjo881fif8CxWwsfn0Mtlw9gSYxlaas%3D&se=2000000000",
      "hub.example", "cam-1" },
};

static bool signed_by(const struct sk_sas *s, const char *with)
{
    struct sk_err err = SK_ERR_INIT;
    bool is_so = false;
    if (sk_sas_signed_by(s, with, &is_so, &err) < 0)
        fail_msg("%s", err.text);
    return is_so;
}

/* A token for any sr, with a signature as Python writes it. */
static void make(const char *sr, const char *se, const char *tail, char *out, size_t cap)
{
    struct sk_err err = SK_ERR_INIT;
    char text[1024];
    unsigned char mac[SK_SHA256_BYTES];
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(128);
    (void)snprintf(text, sizeof text, "%s\n%s", sr, se);
    assert_int_equal(
        sk_hmac_sha256("0123456789abcdef0123456789abcdef", 32, text, strlen(text), mac, &err), 0);
    sk_base64(&b, mac, sizeof mac);
    b.data[43] = '\0'; /* the padding is written escaped */
    (void)snprintf(out, cap, "SharedAccessSignature sr=%s&sig=%s%%3D&se=%s%s", sr, b.data, se,
                   tail);
}

static void known_tokens(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_sas s;
        if (sk_sas_parse(good[i].text, &s, &err) < 0)
            fail_msg("%s: %s", good[i].name, err.text);
        assert_string_equal(s.host, good[i].host);
        assert_string_equal(s.device, good[i].device);
        assert_int_equal(s.expires_s, 2000000000);
        assert_true(signed_by(&s, key));
        assert_false(signed_by(&s, other));
        assert_false(signed_by(&s, ""));
        assert_false(signed_by(&s, "no base64!"));
    }
}

static void as_clients_write_it(void **state)
{
    (void)state;

    static const struct {
        const char *sr, *tail, *device, *module, *policy;
    } rows[] = {
        { "hub.example%2fdevices%2fcam-1", "", "cam-1", "", "" },       /* C: hex in lower case */
        { "hub.example/devices/cam-1", "&skn=", "cam-1", "", "" },      /* Node: an empty policy */
        { "HUB.example%2FDevices%2FCam%23%3F1", "", "Cam#?1", "", "" }, /* odd characters */
        { "hub.example%2Fdevices%2Fa%2Bb", "&skn=x", "a+b", "", "x" },
        { "hub.example%2Fdevices%2Fd%2Fmodules%2F%24edgeAgent", "", "d", "$edgeAgent", "" },
        { "hub.example/DEVICES/d/Modules/m", "&skn=", "d", "m", "" },
        { "hub.example%2Fdevices%2Fdevices%2Fmodules%2Fmodules", "", "devices", "modules", "" },
        { "hub.example", "&skn=iothubowner", "", "", "iothubowner" },
        { "hub.example%3A8443", "&SKN=registry%52ead", "", "", "registryRead" },
        { "hub.example%3A8443%2Fdevices%2Fd", "", "d", "", "" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_sas s;
        char text[1024];
        make(rows[i].sr, "2000000000", rows[i].tail, text, sizeof text);
        if (sk_sas_parse(text, &s, &err) < 0)
            fail_msg("%s: %s", rows[i].sr, err.text);
        assert_string_equal(s.device, rows[i].device);
        assert_string_equal(s.module, rows[i].module);
        assert_string_equal(s.policy, rows[i].policy);
        assert_true(signed_by(&s, key));
    }
    /* another order of the fields, names in capitals */
    struct sk_err err = SK_ERR_INIT;
    struct sk_sas s;
    assert_int_equal(sk_sas_parse("sharedaccesssignature  SE=2000000000&SIG="
                                  "4qR3IdV7c3TCAjo881fif8CxWwsfn0Mtlw9gSYxlaas%3D&SR=hub.example%2F"
                                  "devices%2Fcam-1",
                                  &s, &err),
                     0);
    assert_true(signed_by(&s, key));
    /* the bytes of sr count, not what they mean */
    assert_int_equal(sk_sas_parse("SharedAccessSignature sr=hub.example%2fdevices%2Fcam-1&sig="
                                  "4qR3IdV7c3TCAjo881fif8CxWwsfn0Mtlw9gSYxlaas%3D&se=2000000000",
                                  &s, &err),
                     0);
    assert_false(signed_by(&s, key));
}

static void hosts(void **state)
{
    (void)state;
    static const char *const names[] = { "hub.example", "127.0.0.1", "::1", NULL };

    static const struct {
        const char *host;
        bool is_ours;
    } rows[] = {
        { "hub.example", true },       { "Hub.Example", true }, { "hub.example:8443", true },
        { "127.0.0.1", true },         { "::1", true },         { "other.example", false },
        { "hub.example.evil", false }, { "hub", false },        { "", false },
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        if (sk_host_is_ours(rows[i].host, names) != rows[i].is_ours)
            fail_msg("host '%s'", rows[i].host);
    assert_false(sk_host_is_ours("x", NULL));
}

#define SIG "4qR3IdV7c3TCAjo881fif8CxWwsfn0Mtlw9gSYxlaas%3D"
#define SR  "hub.example%2Fdevices%2Fcam-1"

static void refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "SharedAccessSignature",
        "SharedAccessSignature ",
        "Bearer sr=" SR "&sig=" SIG "&se=2000000000",
        "SharedAccessSignature sr=" SR "&sig=" SIG,
        "SharedAccessSignature sr=" SR "&se=2000000000",
        "SharedAccessSignature sig=" SIG "&se=2000000000",
        "SharedAccessSignature sr=" SR "&sr=" SR "&sig=" SIG "&se=2000000000",
        "SharedAccessSignature sr=" SR "&sig=" SIG "&se=2000000000&x=1",
        "SharedAccessSignature sr=" SR "&sig=" SIG "&se=2000000000&junk",
        "SharedAccessSignature sr=" SR "&sig=" SIG "&se=-1",
        "SharedAccessSignature sr=" SR "&sig=" SIG "&se=99999999999999999999999",
        "SharedAccessSignature sr=" SR "&sig=" SIG "&se=soon",
        "SharedAccessSignature sr=" SR "&sig=AAAA&se=2000000000",
        "SharedAccessSignature sr=" SR "&sig=%zz&se=2000000000",
        "SharedAccessSignature sr=" SR "&sig=%3&se=2000000000",
        "SharedAccessSignature sr=" SR "%00x&sig=" SIG "&se=2000000000",
        "SharedAccessSignature sr=hub.example&sig=" SIG "&se=2000000000",
        "SharedAccessSignature sr=hub.example%2Fdevices%2F&sig=" SIG "&se=2000000000",
        "SharedAccessSignature sr=hub.example&sig=" SIG "&se=2000000000&skn=",
        "SharedAccessSignature sr=hub.example%2F&sig=" SIG "&se=2000000000&skn=device",
        "SharedAccessSignature sr=%2Fdevices%2Fa&sig=" SIG "&se=2000000000",
        "SharedAccessSignature sr=hub.example%2Fdevices%2Fa%2Fmodules%2F&sig=" SIG "&se=2000000000",
        "SharedAccessSignature sr=hub.example%2Fdevices%2Fa%2Fmodules&sig=" SIG "&se=2000000000",
        "SharedAccessSignature sr=hub.example%2Fdevices%2Fa%2Fmodules%2Fm%2Fx&sig=" SIG
        "&se=2000000000",
        "SharedAccessSignature sr=hub.example%2Fdevices%2Fa%2Fmessages%2Fevents&sig=" SIG
        "&se=2000000000",
        "SharedAccessSignature sr=hub.example%2Fx%2Fdevices%2Fa&sig=" SIG "&se=2000000000",
        "SharedAccessSignature sr=" SR "&sig=" SIG "&se=2000000000&skn=&skn=",
        "SharedAccessSignature sr=" SR "&sig=" SIG "&se=2000000000&skn=%zz",
        "SharedAccessSignature sr=" SR "&sig=" SIG "&se=253402300800",
        "SharedAccessSignature sr=hub.example%2Fdevices%2Fa%20b&sig=" SIG "&se=2000000000",
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_sas s;
        if (sk_sas_parse(rows[i], &s, &err) != -1)
            fail_msg("row %zu was taken: %s", i, rows[i]);
        assert_int_equal(err.code, SK_INVALID);
    }
}

static void lengths(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_sas s;
    char device[140], sr[300], text[2048];
    for (int len = SK_DEVICE_ID_MAX; len <= SK_DEVICE_ID_MAX + 1; len++) {
        memset(device, 'd', sizeof device);
        device[len] = '\0';
        (void)snprintf(sr, sizeof sr, "hub.example%%2Fdevices%%2F%s", device);
        make(sr, "2000000000", "", text, sizeof text);
        assert_int_equal(sk_sas_parse(text, &s, &err), len == SK_DEVICE_ID_MAX ? 0 : -1);
        (void)snprintf(sr, sizeof sr, "hub.example%%2Fdevices%%2Fd%%2Fmodules%%2F%s", device);
        make(sr, "253402300799", "", text, sizeof text);
        assert_int_equal(sk_sas_parse(text, &s, &err), len == SK_DEVICE_ID_MAX ? 0 : -1);
    }
    for (int len = SK_POLICY_NAME - 1; len <= SK_POLICY_NAME; len++) {
        char tail[100];
        (void)snprintf(tail, sizeof tail, "&skn=%.*s", len, device);
        make("hub.example", "2000000000", tail, text, sizeof text);
        assert_int_equal(sk_sas_parse(text, &s, &err), len < SK_POLICY_NAME ? 0 : -1);
    }
    for (int len = 255; len <= 256; len++) {
        char host[260];
        memset(host, 'h', sizeof host);
        host[len] = '\0';
        (void)snprintf(sr, sizeof sr, "%s%%2Fdevices%%2Fd", host);
        make(sr, "2000000000", "", text, sizeof text);
        assert_int_equal(sk_sas_parse(text, &s, &err), len == 255 ? 0 : -1);
    }
    SK_OWN(free) char *huge = malloc(100000);
    memset(huge, 'a', 100000);
    memcpy(huge, "SharedAccessSignature sr=", 25);
    huge[99999] = '\0';
    assert_int_equal(sk_sas_parse(huge, &s, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_tokens), cmocka_unit_test(as_clients_write_it),
        cmocka_unit_test(hosts),        cmocka_unit_test(refused),
        cmocka_unit_test(lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
