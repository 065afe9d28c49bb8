/* test_check.c - every way to come in, every way to be refused, and the limit of failures. */
#include "fixture.h"

#include "base/clock.h"

#include <time.h>

static const char *const hub_names[] = { "hub.example", NULL };
static const char peer[] = "192.0.2.1:5000";

static int check(struct fixture *f, const char *authorization, const char *api_key,
                 struct sk_who *who, struct sk_err *err)
{
    const struct sk_credentials c = {
        .authorization = authorization, .api_key = api_key, .peer = peer, .hub_names = hub_names
    };
    *err = (struct sk_err)SK_ERR_INIT;
    return sk_accounts_check(f->accounts, &c, who, err);
}

static void basic(const char *user, const char *password, char *out, size_t cap)
{
    char plain[1024];
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(2048);
    (void)snprintf(plain, sizeof plain, "%s:%s", user, password);
    sk_base64(&b, plain, strlen(plain));
    (void)snprintf(out, cap, "Basic %s", b.data);
}

static void tokens_come_in(void **state)
{
    struct fixture *f = *state;
    struct sk_err err;
    struct sk_who who;
    char token[SK_TOKEN_TEXT], id[20], header[512];
    make_token(f, "ci", SK_ROLE_PUBLISHER, 3600000, token, id);

    static const char *const schemes[] = { "Bearer ", "bearer   ", "BEARER ", "Basic" };
    for (size_t i = 0; i < COUNT(schemes); i++) {
        (void)snprintf(header, sizeof header, "%s%s ", schemes[i], token);
        if (i == 3)
            basic("any user", token, header, sizeof header);
        if (check(f, header, NULL, &who, &err) < 0)
            fail_msg("%s: %s", schemes[i], err.text);
        assert_string_equal(who.name, "ci");
        assert_string_equal(who.token_id, id);
        assert_string_equal(who.peer, peer);
        assert_int_equal(who.role, SK_ROLE_PUBLISHER);
        assert_int_equal(who.rights, sk_role_rights(SK_ROLE_PUBLISHER));
        assert_false(who.is_device);
    }
    assert_int_equal(check(f, NULL, token, &who, &err), 0);
    /* Authorization goes before X-API-Key */
    assert_int_equal(check(f, "Bearer x", token, &who, &err), -1);
}

static void one_text_for_all(void **state)
{
    struct fixture *f = *state;
    struct sk_err err, first;
    struct sk_who who = { .name = "untouched" };
    char good[SK_TOKEN_TEXT], wrong[SK_TOKEN_TEXT], foreign[SK_TOKEN_TEXT], old[SK_TOKEN_TEXT];
    char revoked[SK_TOKEN_TEXT], id[20], header[512];
    make_token(f, "a", SK_ROLE_OWNER, 0, good, NULL);
    make_token(f, "b", SK_ROLE_READER, 1, old, NULL);
    make_token(f, "c", SK_ROLE_READER, 0, revoked, id);
    (void)snprintf(wrong, sizeof wrong, "%s", good);
    wrong[63] = wrong[63] == 'A' ? 'B' : 'A';
    (void)snprintf(foreign, sizeof foreign, "%s", good);
    foreign[4] = foreign[4] == '0' ? '1' : '0';
    assert_int_equal(sk_token_revoke(f->accounts, &f->owner, id, &first), 0);
    for (uint64_t end = sk_wall_ms() + 3; sk_wall_ms() < end;)
        ;
    assert_int_equal(check(f, "Bearer nonsense", NULL, &who, &first), -1);

    const char *const tokens[] = { wrong, foreign, old, revoked, "", "skt_" };
    for (size_t i = 0; i < COUNT(tokens); i++) {
        (void)snprintf(header, sizeof header, "Bearer %s", tokens[i]);
        assert_int_equal(check(f, header, NULL, &who, &err), -1);
        assert_int_equal(err.code, SK_UNAUTHENTICATED);
        assert_string_equal(err.text, first.text);
    }
    static const char *const headers[] = {
        "Basic !", "Basic ", "Basic bm9jb2xvbg==", "Digest x", "Bearer", "", "Basic OgA=",
    };
    for (size_t i = 0; i < COUNT(headers); i++) {
        if (check(f, headers[i], NULL, &who, &err) != -1 || err.code != SK_UNAUTHENTICATED)
            fail_msg("'%s': %s", headers[i], err.text);
        assert_string_equal(err.text, first.text);
    }
    assert_string_equal(who.name, "untouched");
}

/* Nothing shown is no failure: docker asks so first, each time. */
static void nothing_shown(void **state)
{
    struct fixture *f = *state;
    struct sk_err err;
    struct sk_who who;
    for (int i = 0; i < 10 * SK_AUTH_BURST; i++) {
        assert_int_equal(check(f, NULL, NULL, &who, &err), -1);
        assert_int_equal(err.code, SK_UNAUTHENTICATED);
    }
}

static void failures_are_limited(void **state)
{
    struct fixture *f = *state;
    struct sk_err err;
    struct sk_who who;
    char token[SK_TOKEN_TEXT], header[512];
    make_token(f, "a", SK_ROLE_READER, 0, token, NULL);
    for (int i = 0; i < SK_AUTH_BURST; i++) {
        assert_int_equal(check(f, "Bearer x", NULL, &who, &err), -1);
        assert_int_equal(err.code, SK_UNAUTHENTICATED);
    }
    assert_int_equal(check(f, "Bearer x", NULL, &who, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    /* a right token passes all the same */
    (void)snprintf(header, sizeof header, "Bearer %s", token);
    assert_int_equal(check(f, header, NULL, &who, &err), 0);
}

static void revoked_elsewhere(void **state)
{
    struct fixture *f = *state;
    struct sk_err err;
    struct sk_who who;
    struct sk_accounts *other = NULL;
    char token[SK_TOKEN_TEXT], id[20], header[512];
    make_token(f, "a", SK_ROLE_READER, 0, token, id);
    (void)snprintf(header, sizeof header, "Bearer %s", token);
    assert_int_equal(check(f, header, NULL, &who, &err), 0);
    assert_int_equal(sk_accounts_new(f->store, &other, &err), 0);
    assert_int_equal(sk_token_revoke(other, &f->owner, id, &err), 0);
    sk_accounts_free(other);
    /* as time would: the entry is too old to be believed */
    struct sk_token_entry *e = remembered(f, id);
    assert_non_null(e);
    e->read_ms -= SK_CACHE_FRESH_MS;
    assert_int_equal(check(f, header, NULL, &who, &err), -1);
    /* here it ends at once */
    make_token(f, "a", SK_ROLE_READER, 0, token, id);
    (void)snprintf(header, sizeof header, "Bearer %s", token);
    assert_int_equal(check(f, header, NULL, &who, &err), 0);
    assert_int_equal(sk_token_revoke(f->accounts, &f->owner, id, &err), 0);
    assert_int_equal(check(f, header, NULL, &who, &err), -1);
}

/* ---- devices ---- */

static void sas(const char *host, const char *device, const char *key, int64_t expires_s, char *out,
                size_t cap)
{
    char sr[300];
    (void)snprintf(sr, sizeof sr, "%s%%2Fdevices%%2F%s", host, device);
    make_sas(sr, key, expires_s, "", out, cap);
}

static void devices_come_in(void **state)
{
    struct fixture *f = *state;
    struct sk_err err;
    char key[64], other[64], text[1024], header[2048];
    int64_t now = time(NULL);
    assert_int_equal(sk_device_put(f->accounts, &f->owner, "cam-1", NULL, NULL, key, &err), 0);
    assert_int_equal(sk_device_put(f->accounts, &f->owner, "cam-2", NULL, NULL, other, &err), 0);

    const struct {
        const char *what, *host, *device, *key, *user; /* user NULL: as a header of its own */
        int64_t expires;
        bool is_in;
    } rows[] = {
        { "basic", "hub.example", "cam-1", key, "cam-1", now + 60, true },
        { "plain", "hub.example", "cam-1", key, NULL, now + 60, true },
        { "lower case", "hub.example", "cam-1", key, "cam-1", now + 60, true },
        { "within the skew", "hub.example", "cam-1", key, "cam-1", now - 290, true },
        { "expired", "hub.example", "cam-1", key, "cam-1", now - 310, false },
        { "another hub", "hub.evil", "cam-1", key, "cam-1", now + 60, false },
        { "another's key", "hub.example", "cam-1", other, "cam-1", now + 60, false },
        { "another's name", "hub.example", "cam-1", key, "cam-2", now + 60, false },
        { "no such device", "hub.example", "cam-3", key, "cam-3", now + 60, false },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_who who = { 0 };
        sas(rows[i].host, rows[i].device, rows[i].key, rows[i].expires, text, sizeof text);
        if (rows[i].user)
            basic(rows[i].user, text, header, sizeof header);
        else
            (void)snprintf(header, sizeof header, "%s", text);
        int rc = check(f, header, NULL, &who, &err);
        if ((rc == 0) != rows[i].is_in)
            fail_msg("%s: %s", rows[i].what, err.text);
        if (rc == 0) {
            assert_string_equal(who.name, "cam-1");
            assert_true(who.is_device && who.role == SK_ROLE_NONE);
            assert_string_equal(who.token_id, "");
        }
    }
}

/* Keys of devices may be weak, so beyond the limit not even a right one is looked at. */
static void guessing_keys_is_limited(void **state)
{
    struct fixture *f = *state;
    struct sk_err err;
    struct sk_who who;
    char key[64], text[1024];
    assert_int_equal(sk_device_put(f->accounts, &f->owner, "cam-1", NULL, NULL, key, &err), 0);
    sas("hub.example", "cam-1", "MDEyMzQ1Njc4OWFiY2RlZg==", time(NULL) + 60, text, sizeof text);
    for (int i = 0; i < SK_AUTH_BURST; i++) {
        assert_int_equal(check(f, text, NULL, &who, &err), -1);
        assert_int_equal(err.code, SK_UNAUTHENTICATED);
    }
    sas("hub.example", "cam-1", key, time(NULL) + 60, text, sizeof text);
    assert_int_equal(check(f, text, NULL, &who, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    const struct sk_credentials elsewhere = { .authorization = text,
                                              .peer = "192.0.2.2:1",
                                              .hub_names = hub_names };
    assert_int_equal(sk_accounts_check(f->accounts, &elsewhere, &who, &err), 0);
}

/* ---- certificates ---- */

static void certificates_come_in(void **state)
{
    struct fixture *f = *state;
    int64_t now = time(NULL);

    const struct {
        const char *what;
        int64_t from, to;
        bool is_known, is_in;
    } rows[] = {
        { "good", now - 60, now + 60, true, true },
        { "unknown", now - 60, now + 60, false, false },
        { "expired", now - 9000, now - 400, true, false },
        { "not yet", now + 400, now + 9000, true, false },
        { "within the skew", now - 9000, now - 200, true, true },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_who who = { 0 };
        char key[64], id[16];
        SK_AUTO(drop_cert) struct cert own = { 0 };
        make_cert("cam", rows[i].from, rows[i].to, false, NULL, &own);
        (void)snprintf(id, sizeof id, "cam-%zu", i);
        if (rows[i].is_known &&
            sk_device_put(f->accounts, &f->owner, id, NULL, own.info.sha256, key, &err) < 0)
            fail_msg("%s", err.text);
        const struct sk_credentials c = { .client_cert = own.der.data,
                                          .client_cert_len = own.der.len,
                                          .peer = peer,
                                          .hub_names = hub_names };
        int rc = sk_accounts_check(f->accounts, &c, &who, &err);
        if ((rc == 0) != rows[i].is_in)
            fail_msg("%s: %s", rows[i].what, err.text);
        if (rc == 0)
            assert_string_equal(who.name, id);
    }
}

/* ---- modules, policies, disabled identities ---- */

static const char *policy_key(struct fixture *f, const char *name, char out[64])
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_policy p;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    if (sk_db_begin(sk_store_db(f->store), SK_DB_READ, &tx, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(sk_policy_read(tx, name, &p, &err), 1);
    memcpy(out, p.primary_key, 64);
    return out;
}

#define CAM "hub.example%2Fdevices%2Fcam-1"

static void many_kinds_come_in(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    char owner[64], service[64], device[64];
    assert_int_equal(sk_policy_init(f->accounts, &err), 0);
    (void)policy_key(f, "iothubowner", owner);
    (void)policy_key(f, "service", service);
    (void)policy_key(f, "device", device);
    add_identity(f, "cam-1", "", "sas", "", "");
    add_identity(f, "cam-1", "$edgeHub", "sas", "", "");
    add_identity(f, "CAM-1", "", "selfSigned", "aa", "");
    add_identity(f, "Edge", "Mod", "sas", "", ""); /* its device is missing: it is none */
    add_identity(f, "Cam-2", "", "sas", "", "");
    add_identity(f, "none", "", "none", "", "");

    const struct {
        const char *what, *sr, *key, *tail, *user; /* user NULL: as a header of its own */
        const char *name, *module;                 /* name NULL: refused */
        unsigned rights;                           /* of a policy */
    } rows[] = {
        { "device", CAM, KEY_1, "", NULL, "cam-1", "", 0 },
        { "secondary key", CAM, KEY_2, "", "cam-1", "cam-1", "", 0 },
        { "empty skn", CAM, KEY_1, "&skn=", NULL, "cam-1", "", 0 },
        { "module", CAM "%2fmodules%2f%24edgeHub", KEY_1, "", NULL, "cam-1", "$edgeHub", 0 },
        { "module, basic", CAM "/modules/$edgehub", KEY_2, "", "cam-1/$edgeHub", "cam-1",
          "$edgeHub", 0 },
        { "a device's for its module", CAM, KEY_1, "", "cam-1/$edgeHub", NULL, NULL, 0 },
        { "a module's for its device", CAM "%2Fmodules%2F$edgeHub", KEY_1, "", "cam-1", NULL, NULL,
          0 },
        { "no such module", CAM "%2Fmodules%2Fx", KEY_1, "", NULL, NULL, NULL, 0 },
        { "lower case", "hub.example%2fdevices%2fcam-2", KEY_1, "", NULL, "Cam-2", "", 0 },
        { "a user's name counts as it is", "hub.example%2fdevices%2fcam-2", KEY_1, "", "cam-2",
          NULL, NULL, 0 },
        { "lower case, basic", "hub.example%2fdevices%2fcam-2", KEY_1, "", "Cam-2", "Cam-2", "",
          0 },
        { "for itself it signs with a certificate", "hub.example%2Fdevices%2FCAM-1", KEY_1, "",
          NULL, NULL, NULL, 0 },
        { "never", "hub.example%2Fdevices%2Fnone", KEY_1, "", NULL, NULL, NULL, 0 },
        { "no device above", "hub.example%2Fdevices%2FEdge%2Fmodules%2FMod", KEY_1, "", NULL, NULL,
          NULL, 0 },
        { "owner", "hub.example", owner, "&skn=iothubowner", NULL, "iothubowner", "", 0x1f },
        { "owner, with port", "HUB.example%3a8443", owner, "&skn=iothubowner", NULL, "iothubowner",
          "", 0x1f },
        { "service", "hub.example", service, "&skn=service", NULL, "service", "",
          SK_RIGHT_SERVICE | SK_RIGHT_TELEMETRY },
        { "another's key", "hub.example", service, "&skn=iothubowner", NULL, NULL, NULL, 0 },
        { "no policy", "hub.example", owner, "", NULL, NULL, NULL, 0 },
        { "no such policy", "hub.example", owner, "&skn=x", NULL, NULL, NULL, 0 },
        { "another hub", "hub.evil", owner, "&skn=iothubowner", NULL, NULL, NULL, 0 },
        { "policy for a device", CAM, device, "&skn=device", NULL, "cam-1", "", 0 },
        { "policy for a device, basic", "hub.example", owner, "&skn=iothubowner", "cam-1/$edgeHub",
          "cam-1", "$edgeHub", 0 },
        { "policy that may not", CAM, service, "&skn=service", NULL, NULL, NULL, 0 },
        { "policy for nobody", "hub.example%2Fdevices%2Fx", device, "&skn=device", NULL, NULL, NULL,
          0 },
        { "policy for never", "hub.example%2Fdevices%2Fnone", device, "&skn=device", NULL, NULL,
          NULL, 0 },
        { "a device's key for a policy", CAM, KEY_1, "&skn=device", NULL, NULL, NULL, 0 },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[1024], header[2048];
        struct sk_who who = { 0 };
        memset(f->accounts->limiter.slots, 0, sizeof f->accounts->limiter.slots);
        make_sas(rows[i].sr, rows[i].key, time(NULL) + 60, rows[i].tail, text, sizeof text);
        (void)snprintf(header, sizeof header, "%s", text);
        if (rows[i].user)
            basic(rows[i].user, text, header, sizeof header);
        int rc = check(f, header, NULL, &who, &err);
        if ((rc == 0) != (rows[i].name != NULL))
            fail_msg("%s: %s", rows[i].what, rc < 0 ? err.text : who.name);
        if (rc < 0 && err.code != SK_UNAUTHENTICATED)
            fail_msg("%s: %s", rows[i].what, err.text);
        if (rc == 0 &&
            (strcmp(who.name, rows[i].name) != 0 || strcmp(who.module, rows[i].module) != 0 ||
             who.role != SK_ROLE_NONE || who.rights != rows[i].rights ||
             who.is_policy != (rows[i].rights > 0) || who.is_device == who.is_policy))
            fail_msg("%s: %s/%s %x", rows[i].what, who.name, who.module, who.rights);
    }
}

/* Whoever shows the right key hears why it does not help, and is not counted as a guess. */
static void disabled_is_no_failure(void **state)
{
    struct fixture *f = *state;
    struct sk_err err;
    struct sk_who who;
    char right[1024], module[1024], wrong[1024];
    add_identity(f, "cam-1", "", "sas", "", "");
    add_identity(f, "cam-1", "m", "sas", "", "");
    change(f, "UPDATE identity SET is_enabled = 0 WHERE module = ''");
    make_sas(CAM, KEY_1, time(NULL) + 60, "", right, sizeof right);
    make_sas(CAM "%2Fmodules%2Fm", KEY_1, time(NULL) + 60, "", module, sizeof module);
    make_sas(CAM, "MDEyMzQ1Njc4OWFiY2RlZg==", time(NULL) + 60, "", wrong, sizeof wrong);
    for (int i = 0; i < 2 * SK_AUTH_BURST; i++) {
        assert_int_equal(check(f, i % 2 ? right : module, NULL, &who, &err), -1);
        assert_int_equal(err.code, SK_DENIED);
    }
    assert_string_equal(err.text, "'cam-1' or its device is disabled");
    assert_int_equal(check(f, wrong, NULL, &who, &err), -1);
    assert_int_equal(err.code, SK_UNAUTHENTICATED);
    change(f, "UPDATE identity SET is_enabled = module = ''");
    assert_int_equal(check(f, right, NULL, &who, &err), 0);
    assert_int_equal(check(f, module, NULL, &who, &err), -1);
    assert_int_equal(err.code, SK_DENIED);
}

static void certificates_say_who(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    int64_t now = time(NULL);
    SK_AUTO(drop_cert)
    struct cert ca = { 0 }, own = { 0 }, second = { 0 }, signed_device = { 0 },
                signed_module = { 0 };
    make_cert("CA", now - 60, now + 600, true, NULL, &ca);
    make_cert("own", now - 60, now + 600, false, NULL, &own);
    make_cert("second", now - 60, now + 600, false, NULL, &second);
    make_cert("cam-2", now - 60, now + 600, false, &ca, &signed_device);
    make_cert("cam-2/m", now - 60, now + 600, false, &ca, &signed_module);
    assert_int_equal(sk_accounts_set_device_ca(f->accounts, ca.pem.data, ca.pem.len, &err), 0);
    add_identity(f, "cam-1", "", "selfSigned", own.info.sha256, second.info.sha1);
    add_identity(f, "cam-1", "a", "selfSigned", own.info.sha1, "");
    add_identity(f, "cam-2", "", "certificateAuthority", "", "");
    add_identity(f, "cam-2", "m", "certificateAuthority", "", "");

    const struct {
        const struct cert *cert;
        const char *name, *module;
    } rows[] = { { &own, "cam-1", "" },
                 { &second, "cam-1", "" },
                 { &signed_device, "cam-2", "" },
                 { &signed_module, "cam-2", "m" },
                 { &ca, NULL, NULL } };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_who who = { 0 };
        const struct sk_credentials c = { .client_cert = rows[i].cert->der.data,
                                          .client_cert_len = rows[i].cert->der.len,
                                          .peer = peer,
                                          .hub_names = hub_names };
        int rc = sk_accounts_check(f->accounts, &c, &who, &err);
        if ((rc == 0) != (rows[i].name != NULL))
            fail_msg("row %zu: %s", i, err.text);
        if (rc == 0 && (strcmp(who.name, rows[i].name) != 0 ||
                        strcmp(who.module, rows[i].module) != 0 || !who.is_device))
            fail_msg("row %zu: %s/%s", i, who.name, who.module);
    }
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(tokens_come_in),           ROW(one_text_for_all),     ROW(nothing_shown),
        ROW(failures_are_limited),     ROW(revoked_elsewhere),    ROW(devices_come_in),
        ROW(guessing_keys_is_limited), ROW(certificates_come_in), ROW(many_kinds_come_in),
        ROW(disabled_is_no_failure),   ROW(certificates_say_who),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
