/* test_sas.c - tokens against `openssl dgst -sha256 -hmac`, what is refused, limits. */
#include "iot_test.h"

/* base64 of "0123456789abcdef0123456789abcdef" */
static const char key[] = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/* Made with: printf '%s\n%s' SR SE | openssl dgst -sha256 -hmac KEY -binary | base64 */
static const struct {
    const char *resource, *policy;
    int64_t expires_s;
    const char *token;
} good[] = {
    { "hub.example/devices/cam #1", NULL, 2000000000,
      "SharedAccessSignature sr=hub.example%2Fdevices%2Fcam%20%231"
      "&sig=82B%2B8RF8sfTrw7b%2FC65DE2EM91jvIO36R866rDnlRuE%3D&se=2000000000" },
    { "hub.example", "iothubowner", 0,
      "SharedAccessSignature sr=hub.example"
      "&sig=a%2FYbZfelpcxMz%2FQ1OJSScNv9ONUtc%2B9gJlH1dfPAjJ4%3D&se=0&skn=iothubowner" },
    { "hub.example/devices/d/modules/$edgeHub", "", 1,
      "SharedAccessSignature sr=hub.example%2Fdevices%2Fd%2Fmodules%2F%24edgeHub"
      "&sig=YplsEQb1Qo44z5RtEDbGdkMDstDqf38I3w1I8JkIluA%3D&se=1" },
};

static const struct {
    const char *name, *resource, *key;
    int64_t expires_s;
    const char *says;
} bad[] = {
    { "no resource", "", key, 1, "resource" },
    { "a key that is none", "h", "no base64!", 1, "not base64" },
    { "an empty key", "h", "", 1, "the key is empty" },
    { "before 1970", "h", key, -1, "1970" },
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1000);
        sk_buf_str(&out, ">");
        if (sk_iot_sas_make(good[i].resource, key, good[i].policy, good[i].expires_s, &out, &err) <
            0)
            fail_msg("%s: %s", good[i].resource, err.text);
        expect_text(good[i].resource, out.data + 1, good[i].token);
    }
}

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1000);
        int rc = sk_iot_sas_make(bad[i].resource, bad[i].key, NULL, bad[i].expires_s, &out, &err);
        expect_refused(bad[i].name, rc, &err, SK_INVALID, bad[i].says);
        assert_int_equal(out.len, 0);
    }
}

static void test_limits(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4000);
    SK_AUTO(sk_buf_done) struct sk_buf small = SK_BUF_INIT(20);
    SK_OWN(free) char *resource = many('/', 1025);
    (void)state;
    assert_int_equal(sk_iot_sas_make(resource + 1, key, NULL, INT64_MAX, &out, &err), 0);
    expect_refused("long", sk_iot_sas_make(resource, key, NULL, 1, &out, &err), &err, SK_INVALID,
                   "1024 bytes");
    expect_refused("small", sk_iot_sas_make("h", key, NULL, 1, &small, &err), &err, SK_LIMIT,
                   "more than 20");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
