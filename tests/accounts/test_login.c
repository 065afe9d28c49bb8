/* test_login.c - devices and modules that connect: who comes in, by what, and what they are told.
 */
#include "fixture.h"

#include "base/clock.h"

#include <time.h>

static const char *const hub_names[] = { "hub.example", "10.0.0.1", NULL };
static const char peer[] = "192.0.2.1:5000";

#define CAM "hub.example%2Fdevices%2Fcam-1"
#define MOD "hub.example%2Fdevices%2Fcam-1%2Fmodules%2Fmod"

static int log_in(struct fixture *f, const char *device, const char *module, const char *sas,
                  const struct cert *cert, struct sk_device_pass *pass, struct sk_err *err)
{
    const struct sk_device_login login = { .host = "hub.example",
                                           .device = device,
                                           .module = module,
                                           .sas = sas,
                                           .cert = cert ? cert->der.data : NULL,
                                           .cert_len = cert ? cert->der.len : 0,
                                           .peer = peer,
                                           .hub_names = hub_names };
    *err = (struct sk_err)SK_ERR_INIT;
    return sk_accounts_check_device(f->accounts, &login, pass, err);
}

/* As time would. */
static void forget_failures(struct fixture *f)
{
    memset(f->accounts->limiter.slots, 0, sizeof f->accounts->limiter.slots);
}

static void keys_of(struct fixture *f, const char *name, struct sk_policy *out)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    if (sk_db_begin(sk_store_db(f->store), SK_DB_READ, &tx, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(sk_policy_read(tx, name, out, &err), 1);
}

static void add_identities(struct fixture *f)
{
    add_identity(f, "cam-1", "", "sas", "", "");
    add_identity(f, "cam-1", "mod", "sas", "", "");
    add_identity(f, "x509", "", "selfSigned", "aa", "");
    add_identity(f, "ca", "", "certificateAuthority", "", "");
    add_identity(f, "never", "", "none", "", "");
    change(f, "UPDATE identity SET is_edge = module = ''");
}

static void tokens(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_policy owner, device, service;
    int64_t now = time(NULL);
    assert_int_equal(sk_policy_init(f->accounts, &err), 0);
    keys_of(f, "iothubowner", &owner);
    keys_of(f, "device", &device);
    keys_of(f, "service", &service);
    add_identities(f);

    const struct {
        const char *what, *device, *module, *sr, *key, *tail;
        int64_t expires;
        const char *scope; /* NULL: refused */
    } rows[] = {
        { "primary", "cam-1", "", CAM, KEY_1, "", now + 60, "device" },
        { "secondary", "cam-1", "", CAM, KEY_2, "", now + 60, "device" },
        { "module", "cam-1", "mod", MOD, KEY_1, "", now + 60, "module" },
        { "no module is NULL", "cam-1", NULL, CAM, KEY_1, "", now + 60, "device" },
        { "Node's empty skn", "cam-1", "", CAM, KEY_1, "&skn=", now + 60, "device" },
        { "lower-case hex", "cam-1", "mod", "hub.example%2fdevices%2fcam-1%2fmodules%2fmod", KEY_1,
          "", now + 60, "module" },
        { "audience in any case", "cam-1", "mod", "HUB.EXAMPLE/DEVICES/CAM-1/MODULES/MOD", KEY_1,
          "", now + 60, "module" },
        { "with a port", "cam-1", "", "hub.example%3A8883%2Fdevices%2Fcam-1", KEY_1, "", now + 60,
          "device" },
        { "another name of the hub", "cam-1", "", "10.0.0.1%2Fdevices%2Fcam-1", KEY_1, "", now + 60,
          "device" },
        { "within the skew", "cam-1", "", CAM, KEY_1, "", now - 290, "device" },
        { "policy device", "cam-1", "", "hub.example", device.primary_key, "&skn=device", now + 60,
          "hub" },
        { "its secondary key", "cam-1", "mod", "hub.example", device.secondary_key, "&skn=device",
          now + 60, "hub" },
        { "policy iothubowner", "cam-1", "mod", "hub.example%3a443", owner.primary_key,
          "&skn=iothubowner", now + 60, "hub" },
        { "policy for one device", "cam-1", "", CAM, device.primary_key, "&skn=device", now + 60,
          "hub" },
        { "policy for any kind", "x509", "", "hub.example", device.primary_key, "&skn=device",
          now + 60, "hub" },

        { "expired", "cam-1", "", CAM, KEY_1, "", now - 310, NULL },
        { "wrong key", "cam-1", "", CAM, "MDEyMzQ1Njc4OWFiY2RlZg==", "", now + 60, NULL },
        { "another hub", "cam-1", "", "hub.evil%2Fdevices%2Fcam-1", KEY_1, "", now + 60, NULL },
        { "another device", "x509", "", CAM, KEY_1, "", now + 60, NULL },
        { "the device's for its module", "cam-1", "mod", CAM, KEY_1, "", now + 60, NULL },
        { "the module's for its device", "cam-1", "", MOD, KEY_1, "", now + 60, NULL },
        { "the name counts as it is", "Cam-1", "", CAM, KEY_1, "", now + 60, NULL },
        { "no such module", "cam-1", "no", "hub.example%2Fdevices%2Fcam-1%2Fmodules%2Fno", KEY_1,
          "", now + 60, NULL },
        { "x509 by its key", "x509", "", "hub.example%2Fdevices%2Fx509", KEY_1, "", now + 60,
          NULL },
        { "CA by its key", "ca", "", "hub.example%2Fdevices%2Fca", KEY_1, "", now + 60, NULL },
        { "none by its key", "never", "", "hub.example%2Fdevices%2Fnever", KEY_1, "", now + 60,
          NULL },
        { "none by a policy", "never", "", "hub.example", device.primary_key, "&skn=device",
          now + 60, NULL },
        { "policy without the right", "cam-1", "", "hub.example", service.primary_key,
          "&skn=service", now + 60, NULL },
        { "policy with another's key", "cam-1", "", "hub.example", service.primary_key,
          "&skn=device", now + 60, NULL },
        { "policy that is none", "cam-1", "", "hub.example", KEY_1, "&skn=x", now + 60, NULL },
        { "policy for nobody", "nobody", "", "hub.example", device.primary_key, "&skn=device",
          now + 60, NULL },
        { "policy for another device", "x509", "", CAM, device.primary_key, "&skn=device", now + 60,
          NULL },
        { "own key, foreign skn", "cam-1", "", CAM, KEY_1, "&skn=device", now + 60, NULL },
        { "nobody", "", "", "hub.example", device.primary_key, "&skn=device", now + 60, NULL },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_device_pass pass = { .identity = -1 };
        char text[1024], method[128];
        forget_failures(f);
        make_sas(rows[i].sr, rows[i].key, rows[i].expires, rows[i].tail, text, sizeof text);
        int rc = log_in(f, rows[i].device, rows[i].module, text, NULL, &pass, &err);
        if ((rc == 0) != (rows[i].scope != NULL) || (rc < 0 && err.code != SK_UNAUTHENTICATED))
            fail_msg("%s: %d %s", rows[i].what, rc, err.text);
        if (rc < 0) {
            assert_int_equal(pass.identity, -1);
            continue;
        }
        (void)snprintf(method, sizeof method,
                       "{\"scope\":\"%s\",\"type\":\"sas\",\"issuer\":\"iothub\"}", rows[i].scope);
        assert_string_equal(pass.auth_method, method);
        assert_int_equal(pass.expires_s, rows[i].expires);
        assert_string_equal(pass.generation, "179574000000012345");
        assert_true(pass.is_edge == !(rows[i].module && *rows[i].module));
        assert_true(pass.identity > 0);
    }
}

static void hosts_and_nothing(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_device_pass pass;
    char text[1024];
    add_identities(f);
    make_sas(CAM, KEY_1, time(NULL) + 60, "", text, sizeof text);

    static const struct {
        const char *host;
        bool is_in;
    } rows[] = { { "hub.example", true }, { "HUB.Example:8883", true },
                 { "10.0.0.1", true },    { "hub.example.x", false },
                 { "", false },           { "hub", false } };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_device_login login = { .host = rows[i].host,
                                         .device = "cam-1",
                                         .module = "",
                                         .sas = text,
                                         .peer = peer,
                                         .hub_names = hub_names };
        if ((sk_accounts_check_device(f->accounts, &login, &pass, &err) == 0) != rows[i].is_in)
            fail_msg("host '%s'", rows[i].host);
    }
    static const char *const texts[] = { "", "x", "Bearer x", "SharedAccessSignature sr=" };
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_int_equal(log_in(f, "cam-1", "", texts[i], NULL, &pass, &err), -1);
        assert_int_equal(err.code, SK_UNAUTHENTICATED);
    }
    assert_int_equal(log_in(f, "cam-1", "", NULL, NULL, &pass, &err), -1);
    assert_int_equal(err.code, SK_UNAUTHENTICATED);
}

/* ---- certificates ---- */

static void certificates(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    int64_t now = time(NULL);
    SK_AUTO(drop_cert)
    struct cert ca = { 0 }, other_ca = { 0 }, own = { 0 }, second = { 0 }, old = { 0 },
                of_ca = { 0 }, of_module = { 0 }, of_other = { 0 }, by_itself = { 0 },
                ca_old = { 0 };
    make_cert("Devices CA", now - 60, now + 600, true, NULL, &ca);
    make_cert("Devices CA", now - 60, now + 600, true, NULL, &other_ca);
    make_cert("x509", now - 60, now + 500, false, NULL, &own);
    make_cert("second", now - 60, now + 600, false, NULL, &second);
    make_cert("x509", now - 9000, now - 400, false, NULL, &old);
    make_cert("signed", now - 60, now + 500, false, &ca, &of_ca);
    make_cert("signed", now - 9000, now - 400, false, &ca, &ca_old);
    make_cert("signed/mod", now - 60, now + 500, false, &ca, &of_module);
    make_cert("signed", now - 60, now + 600, false, &other_ca, &of_other);
    make_cert("signed", now - 60, now + 600, false, NULL, &by_itself);
    add_identity(f, "x509", "", "selfSigned", own.info.sha256, second.info.sha1);
    add_identity(f, "x509", "mod", "selfSigned", own.info.sha1, "");
    add_identity(f, "old", "", "selfSigned", old.info.sha256, "");
    add_identity(f, "signed", "", "certificateAuthority", "", "");
    add_identity(f, "signed", "mod", "certificateAuthority", "", "");
    add_identity(f, "cam", "", "sas", own.info.sha256, "");
    add_identity(f, "never", "", "none", own.info.sha256, "");
    add_identity(f, "empty", "", "selfSigned", "", "");

    const struct {
        const char *what, *device, *module;
        const struct cert *cert;
        bool with_ca;
        const char *scope; /* NULL: refused */
    } rows[] = {
        { "SHA-256", "x509", "", &own, false, "device" },
        { "SHA-1, the second one", "x509", "", &second, false, "device" },
        { "a module's", "x509", "mod", &own, false, "module" },
        { "not this module's", "x509", "mod", &second, false, NULL },
        { "expired", "old", "", &old, false, NULL },
        { "takes a key", "cam", "", &own, false, NULL },
        { "takes nothing", "never", "", &own, false, NULL },
        { "has no thumbprint", "empty", "", &own, false, NULL },
        { "unknown", "nobody", "", &own, false, NULL },
        { "chains", "signed", "", &of_ca, true, "device" },
        { "a module's that chains", "signed", "mod", &of_module, true, "module" },
        { "the device's for a module", "signed", "mod", &of_ca, true, NULL },
        { "the module's for a device", "signed", "", &of_module, true, NULL },
        { "without a CA", "signed", "", &of_ca, false, NULL },
        { "another CA of that name", "signed", "", &of_other, true, NULL },
        { "signed by itself", "signed", "", &by_itself, true, NULL },
        { "chains, expired", "signed", "", &ca_old, true, NULL },
        { "chains, but by thumbprint", "x509", "", &of_ca, true, NULL },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_device_pass pass = { .identity = -1 };
        char method[128];
        forget_failures(f);
        assert_int_equal(sk_accounts_set_device_ca(f->accounts, ca.pem.data,
                                                   rows[i].with_ca ? ca.pem.len : 0, &err),
                         0);
        int rc = log_in(f, rows[i].device, rows[i].module, "", rows[i].cert, &pass, &err);
        if ((rc == 0) != (rows[i].scope != NULL) || (rc < 0 && err.code != SK_UNAUTHENTICATED))
            fail_msg("%s: %d %s", rows[i].what, rc, err.text);
        if (rc < 0)
            continue;
        (void)snprintf(method, sizeof method,
                       "{\"scope\":\"%s\",\"type\":\"x509\",\"issuer\":\"external\"}",
                       rows[i].scope);
        assert_string_equal(pass.auth_method, method);
        assert_int_equal(pass.expires_s, rows[i].cert->info.not_after);
    }
    /* a password goes before a certificate */
    struct sk_device_pass pass;
    assert_int_equal(log_in(f, "x509", "", "x", &own, &pass, &err), -1);
    /* what is no certificate */
    struct cert garbage = own;
    garbage.der.len /= 2;
    assert_int_equal(log_in(f, "x509", "", NULL, &garbage, &pass, &err), -1);
    assert_int_equal(err.code, SK_UNAUTHENTICATED);
}

static void cas(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(drop_cert) struct cert ca = { 0 }, leaf = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf both = SK_BUF_INIT(8192);
    make_cert("CA", time(NULL) - 60, time(NULL) + 600, true, NULL, &ca);
    make_cert("leaf", time(NULL) - 60, time(NULL) + 600, false, &ca, &leaf);
    sk_buf_fmt(&both, "# ours\n%s%s", ca.pem.data, leaf.pem.data);
    const char *const bad[] = { "nothing", leaf.pem.data, both.data };
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(sk_accounts_set_device_ca(f->accounts, bad[i], strlen(bad[i]), &err), -1);
        assert_int_equal(err.code, SK_INVALID);
    }
    both.len = strlen("# ours\n") + ca.pem.len;
    assert_int_equal(sk_accounts_set_device_ca(f->accounts, both.data, both.len, &err), 0);
    SK_OWN(free) char *large = malloc(SK_DEVICE_CA_BYTES + 1);
    assert_non_null(large);
    memset(large, '\n', SK_DEVICE_CA_BYTES + 1);
    memcpy(large, ca.pem.data, ca.pem.len);
    assert_int_equal(sk_accounts_set_device_ca(f->accounts, large, SK_DEVICE_CA_BYTES, &err), 0);
    assert_int_equal(sk_accounts_set_device_ca(f->accounts, large, SK_DEVICE_CA_BYTES + 1, &err),
                     -1);
    assert_int_equal(err.code, SK_LIMIT);
    assert_int_equal(f->accounts->device_ca.len, SK_DEVICE_CA_BYTES); /* as before */
    assert_int_equal(sk_accounts_set_device_ca(f->accounts, "", 0, &err), 0);
    assert_int_equal(f->accounts->device_ca.len, 0);
}

/* ---- failures ---- */

static void disabled(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_device_pass pass;
    char device[1024], module[1024];
    add_identities(f);
    make_sas(CAM, KEY_1, time(NULL) + 60, "", device, sizeof device);
    make_sas(MOD, KEY_1, time(NULL) + 60, "", module, sizeof module);
    change(f, "UPDATE identity SET is_enabled = 0 WHERE module = 'mod'");
    assert_int_equal(log_in(f, "cam-1", "", device, NULL, &pass, &err), 0);
    assert_int_equal(log_in(f, "cam-1", "mod", module, NULL, &pass, &err), -1);
    assert_int_equal(err.code, SK_DENIED);
    change(f, "UPDATE identity SET is_enabled = module <> ''");
    for (int i = 0; i < 2 * SK_AUTH_BURST; i++) {
        assert_int_equal(log_in(f, "cam-1", "mod", module, NULL, &pass, &err), -1);
        assert_int_equal(err.code, SK_DENIED);
        assert_int_equal(log_in(f, "cam-1", "", device, NULL, &pass, &err), -1);
        assert_int_equal(err.code, SK_DENIED);
    }
    /* with the wrong key nobody hears of it */
    make_sas(CAM, "MDEyMzQ1Njc4OWFiY2RlZg==", time(NULL) + 60, "", device, sizeof device);
    assert_int_equal(log_in(f, "cam-1", "", device, NULL, &pass, &err), -1);
    assert_int_equal(err.code, SK_UNAUTHENTICATED);
}

static void failures_are_limited(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_device_pass pass;
    char right[1024], wrong[1024];
    add_identities(f);
    make_sas(CAM, KEY_1, time(NULL) + 60, "", right, sizeof right);
    make_sas(CAM, "MDEyMzQ1Njc4OWFiY2RlZg==", time(NULL) + 60, "", wrong, sizeof wrong);
    for (int i = 0; i < SK_AUTH_BURST; i++) {
        assert_int_equal(log_in(f, "cam-1", "", wrong, NULL, &pass, &err), -1);
        assert_int_equal(err.code, SK_UNAUTHENTICATED);
    }
    assert_int_equal(log_in(f, "cam-1", "", right, NULL, &pass, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    forget_failures(f);
    assert_int_equal(log_in(f, "cam-1", "", right, NULL, &pass, &err), 0);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_remove)

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(tokens),       ROW(hosts_and_nothing),
                                        ROW(certificates), ROW(cas),
                                        ROW(disabled),     ROW(failures_are_limited) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
