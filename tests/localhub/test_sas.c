/* test_sas.c - tokens: good ones in the ways that SDKs write them, and bad ones. */
#include "rig.h"

#define SIG "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY%3D"
#define OF  "SharedAccessSignature sr=h%2Fdevices%2Fd%2Fmodules%2Fm"

static void tokens_are_read(void **state)
{
    static const struct {
        const char *text, *device, *module;
        int64_t expires_s; /* -1: refused */
    } rows[] = {
        { OF "&sig=" SIG "&se=1700000000", "d", "m", 1700000000 },
        { "SharedAccessSignature sr=h%2Fdevices%2Fd&sig=" SIG "&se=1", "d", "", 1 },
        { "SharedAccessSignature sr=h%2fdevices%2fd%2fmodules%2f%24edgeHub&sig=" SIG "&skn=&se=1",
          "d", "$edgeHub", 1 },
        { "sharedaccesssignature SR=h/devices/d&SIG=" SIG "&SE=0", "d", "", 0 },
        { OF "&sig=" SIG, "", "", -1 },
        { OF "&sig=" SIG "&se=x", "", "", -1 },
        { OF "&sig=" SIG "&se=-1", "", "", -1 },
        { OF "&sig=" SIG "&se=99999999999999999999", "", "", -1 },
        { OF "&sig=c2hvcnQ%3D&se=1", "", "", -1 },
        { OF "&sig=" SIG "&se=1&se=2", "", "", -1 },
        { OF "&sig=" SIG "&se=1&x=2", "", "", -1 },
        { "SharedAccessSignature sr=h&sig=" SIG "&se=1", "", "", -1 },
        { "SharedAccessSignature sr=%2Fdevices%2Fd&sig=" SIG "&se=1", "", "", -1 },
        { "SharedAccessSignature sr=h%2Fdevices%2F&sig=" SIG "&se=1", "", "", -1 },
        { "SharedAccessSignature sr=h%2Fdevices%2Fd%2Fx&sig=" SIG "&se=1", "", "", -1 },
        { "SharedAccessSignature sr=h%2Fdevices%2Fd%2Fmodules%2Fm%2Fx&sig=" SIG "&se=1", "", "",
          -1 },
        { "SharedAccessSignature sr=h%2Fdevices%2Fd%00&sig=" SIG "&se=1", "", "", -1 },
        { "SharedAccessSignature sr=h%2Fdevices%2Fd%2&sig=" SIG "&se=1", "", "", -1 },
        { "SharedAccessSignature", "", "", -1 },
        { "", "", "", -1 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_lh_sas s;
        struct sk_err err = SK_ERR_INIT;
        const int rc = sk_lh_sas_parse(sk_view_of(rows[i].text), &s, &err);
        if ((rc == 0) != (rows[i].expires_s >= 0))
            fail_msg("%s: %s", rows[i].text, err.text);
        if (rc < 0) {
            assert_int_equal(err.code, SK_INVALID);
            continue;
        }
        assert_string_equal(s.host, "h");
        assert_string_equal(s.device, rows[i].device);
        assert_string_equal(s.module, rows[i].module);
        assert_int_equal(s.expires_s, rows[i].expires_s);
        assert_memory_equal(s.signature, "0123456789abcdef0123456789abcdef", SK_SHA256_BYTES);
    }
}

static void what_is_signed_is_what_stands_there(void **state)
{
    struct sk_lh_sas s;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1024);
    (void)state;
    DONE(sk_lh_sas_parse(SK_VIEW("SharedAccessSignature se=007&sig=" SIG "&sr=H%2fdevices%2fD"), &s,
                         &err));
    sk_lh_sas_signed(&s, &b);
    assert_string_equal(b.data, "H%2fdevices%2fD\n007");
}

static void ours_are_read_again(void **state)
{
    struct sk_lh_sas s;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf resource = SK_BUF_INIT(1024);
    SK_AUTO(sk_buf_done) struct sk_buf token = SK_BUF_INIT(1024);
    (void)state;
    sk_lh_sas_resource("h.example", "d 1", "$edgeAgent", &resource);
    assert_string_equal(resource.data, "h.example%2Fdevices%2Fd%201%2Fmodules%2F%24edgeAgent");
    sk_buf_clear(&resource);
    sk_lh_sas_resource("h.example", "d", "$edgeAgent", &resource);
    sk_iot_sas_write(sk_view_of(resource.data),
                     (const unsigned char *)"0123456789abcdef0123456789abcdef", 1234, &token);
    DONE(sk_lh_sas_parse((struct sk_view){ token.data, token.len }, &s, &err));
    assert_string_equal(s.module, "$edgeAgent");
    assert_int_equal(s.expires_s, 1234);
    assert_memory_equal(s.signature, "0123456789abcdef0123456789abcdef", SK_SHA256_BYTES);
    (void)sk_lh_clock_is_loose(); /* either is right */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_read),
        cmocka_unit_test(what_is_signed_is_what_stands_there),
        cmocka_unit_test(ours_are_read_again),
    };
    return cmocka_run_group_tests_name("localhub/sas", tests, NULL, NULL);
}
