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
    sk_cache_find(&f->accounts->cache, id, sk_now_ms())->read_ms -= SK_CACHE_FRESH_MS;
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
    struct sk_err err = SK_ERR_INIT;
    unsigned char mac[SK_SHA256_BYTES];
    char text[512], sr[300];
    SK_AUTO(sk_buf_done) struct sk_buf raw = SK_BUF_INIT(64);
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(128);
    assert_int_equal(sk_base64_decode(key, strlen(key), &raw, &err), 0);
    (void)snprintf(sr, sizeof sr, "%s%%2Fdevices%%2F%s", host, device);
    (void)snprintf(text, sizeof text, "%s\n%lld", sr, (long long)expires_s);
    assert_int_equal(sk_hmac_sha256(raw.data, raw.len, text, strlen(text), mac, &err), 0);
    sk_base64(&b, mac, sizeof mac);
    (void)snprintf(out, cap, "SharedAccessSignature sr=%s&sig=%s&se=%lld", sr, b.data,
                   (long long)expires_s);
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

/* A self-signed one as DER; sha256 is its thumbprint. */
static void make_cert(int64_t from, int64_t to, struct sk_buf *der, char sha256[65])
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_cert_info info;
    SK_OWN(sk_key_free) struct sk_key *key = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(8192);
    assert_int_equal(sk_key_make(&key, &err), 0);
    const struct sk_cert_request r = {
        .common_name = "cam", .not_before = from, .not_after = to, .key = key
    };
    assert_int_equal(sk_cert_make(&r, &pem, &err), 0);
    assert_int_equal(sk_cert_info(pem.data, pem.len, &info, &err), 0);
    memcpy(sha256, info.sha256, 65);
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(8192);
    const char *begin = strchr(pem.data, '\n') + 1, *end = strstr(begin, "-----END");
    for (const char *p = begin; p < end; p++)
        if (*p != '\n')
            sk_buf_chr(&text, *p);
    assert_int_equal(sk_base64_decode(text.data, text.len, der, &err), 0);
}

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
        char sha256[65], key[64], id[16];
        SK_AUTO(sk_buf_done) struct sk_buf der = SK_BUF_INIT(8192);
        make_cert(rows[i].from, rows[i].to, &der, sha256);
        (void)snprintf(id, sizeof id, "cam-%zu", i);
        if (rows[i].is_known &&
            sk_device_put(f->accounts, &f->owner, id, NULL, sha256, key, &err) < 0)
            fail_msg("%s", err.text);
        const struct sk_credentials c = { .client_cert = der.data,
                                          .client_cert_len = der.len,
                                          .peer = peer,
                                          .hub_names = hub_names };
        int rc = sk_accounts_check(f->accounts, &c, &who, &err);
        if ((rc == 0) != rows[i].is_in)
            fail_msg("%s: %s", rows[i].what, err.text);
        if (rc == 0)
            assert_string_equal(who.name, id);
    }
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(tokens_come_in),           ROW(one_text_for_all),     ROW(nothing_shown),
        ROW(failures_are_limited),     ROW(revoked_elsewhere),    ROW(devices_come_in),
        ROW(guessing_keys_is_limited), ROW(certificates_come_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
