/* test_sign.c - the calls of the workload API, and what goes wrong with them. */
#include "base/file.h"
#include "edge_util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void calls(void **state)
{
    struct edge e;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(1 << 20), token = SK_BUF_INIT(4096);
    (void)state;
    edge_start(&e);
    SK_AUTO(sk_rep_env_done) struct sk_rep_env env = edge_env(&e);
    assert_int_equal(sk_rep_trust(&env, &pem, &err), 0);
    assert_string_equal(pem.data, e.ca[0]);
    assert_int_equal(sk_rep_token(&env, 2000000000, &token, &err), 0);
    /* printf 'hub.example%%2Fdevices%%2Fdev-1%%2Fmodules%%2Fcam\n2000000000' |
     *     openssl dgst -sha256 -hmac "the module's key" -binary | base64, percent-encoded */
    assert_string_equal(token.data,
                        "SharedAccessSignature sr=hub.example%2Fdevices%2Fdev-1%2Fmodules%2Fcam&"
                        "sig=IKQ%2FWM%2B30oE2uXic8mQUOwE2oEfYfochq7t2QsK2ZjI%3D&se=2000000000");
    edge_stop(&e);
}

static void failures(void **state)
{
    struct edge e;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(1 << 20), token = SK_BUF_INIT(4096);
    (void)state;
    edge_start(&e);
    SK_AUTO(sk_rep_env_done) struct sk_rep_env env = edge_env(&e);
    env.module[0] = 'C'; /* another's name */
    assert_int_equal(sk_rep_token(&env, 2000000000, &token, &err), -1);
    assert_int_equal(err.code, SK_DENIED);
    assert_non_null(strstr(err.text, "this socket is that of module 'cam'"));
    assert_int_equal(unlink(e.bundle), 0);
    assert_int_equal(sk_rep_trust(&env, &pem, &err), -1);
    assert_non_null(strstr(err.text, "the workload API: "));
    assert_int_equal(pem.len + token.len, 0);
    edge_stop(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls),
        cmocka_unit_test(failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
