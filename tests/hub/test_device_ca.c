/* test_device_ca.c - the certificates to which those of devices may chain. */
#include "hub_util.h"

#include "base/file.h"

#define PATH "/api/v1/device-ca"

static void hub_ca(struct hub_fixture *f, struct sk_buf *out)
{
    struct sk_err err = SK_ERR_INIT;
    char *pem = NULL;
    size_t len = 0;
    if (sk_file_read(f->made.ca_file, 1 << 20, &pem, &len, &err) < 0)
        fail_msg("%s", err.text);
    sk_buf_add(out, pem, len);
    free(pem);
}

static void put_get_remove(void **state)
{
    struct hub_fixture *f = *state;
    SK_AUTO(sk_buf_done) struct sk_buf ca = SK_BUF_INIT(1 << 20);
    struct answer a;
    hub_ca(f, &ca); /* any CA will do */
    hub_do(f, "GET", PATH, NULL, 200, "");
    hub_do(f, "PUT", PATH, ca.data, 204, "");
    hub_do(f, "GET", PATH, NULL, 200, ca.data);
    hub_stop(f);
    hub_start(f, 2);
    hub_do(f, "GET", PATH, NULL, 200, ca.data);
    hub_do(f, "PUT", PATH, "not a certificate", 400, "");
    hub_do(f, "GET", PATH, NULL, 200, ca.data); /* it stays */
    hub_do(f, "PUT", PATH, "", 204, "");
    hub_ask(f, "GET", PATH, f->made.owner_token, NULL, &a);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body_len, 0);
}

static void roles(void **state)
{
    struct hub_fixture *f = *state;
    SK_AUTO(sk_buf_done) struct sk_buf ca = SK_BUF_INIT(1 << 20);
    char token[SK_TOKEN_TEXT];
    struct answer a;
    hub_ca(f, &ca);
    hub_token(f, SK_ROLE_DEPLOYER, token);
    hub_ask(f, "GET", PATH, token, NULL, &a);
    hub_expect(&a, 200, "");
    hub_ask(f, "PUT", PATH, token, ca.data, &a);
    hub_expect(&a, 403, "");
    hub_ask(f, "GET", PATH, NULL, NULL, &a);
    hub_expect(&a, 401, "");
}

/* What cannot be written changes nothing. */
static void not_written(void **state)
{
    struct hub_fixture *f = *state;
    SK_AUTO(sk_buf_done) struct sk_buf ca = SK_BUF_INIT(1 << 20);
    char path[200], aside[200];
    hub_ca(f, &ca);
    hub_do(f, "PUT", PATH, ca.data, 204, "");
    (void)snprintf(path, sizeof path, "%s/tls", f->dir);
    (void)snprintf(aside, sizeof aside, "%s/aside", f->dir);
    assert_int_equal(rename(path, aside), 0); /* no folder to write to */
    hub_do(f, "PUT", PATH, ca.data, 404, "");
    assert_int_equal(rename(aside, path), 0);
    hub_do(f, "GET", PATH, NULL, 200, ca.data);
}

/* Who changed what is trusted is written down. */
static void audited(void **state)
{
    struct hub_fixture *f = *state;
    SK_AUTO(sk_buf_done) struct sk_buf ca = SK_BUF_INIT(1 << 20);
    hub_ca(f, &ca);
    hub_do(f, "PUT", PATH, ca.data, 204, "");
    hub_do(f, "PUT", PATH, "", 204, "");
    hub_do(f, "GET", "/api/v1/audit", NULL, 200, "device-ca.put");
    hub_do(f, "GET", "/api/v1/audit", NULL, 200, "device-ca.remove");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(put_get_remove, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(roles, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(not_written, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(audited, hub_running, hub_gone),
    };
    return cmocka_run_group_tests_name("hub/device_ca", tests, NULL, NULL);
}
