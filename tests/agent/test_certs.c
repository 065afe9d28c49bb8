/* test_certs.c - the edge's CA and what it signs, at clocks that are right and others. */
#include "agent/agent_util.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY INT64_C(86400)
#define NOW INT64_C(1764000000) /* 2025 */
#define FAR INT64_C(2850000000) /* 2060 */

static struct sk_cert_info info_of(struct rig *r, const char *name)
{
    SK_OWN(free) char *pem = text_of(at(r->dir, name));
    struct sk_cert_info info;
    struct sk_err err = SK_ERR_INIT;
    DONE(sk_cert_info(pem, strlen(pem), &info, &err));
    return info;
}

static bool make(struct rig *r, const char *bridge, int64_t now_s)
{
    struct sk_err err = SK_ERR_INIT;
    bool is_new = false;
    DONE(sk_agent_certs(r->dir, &r->a.config, bridge, now_s, &is_new, &err));
    return is_new;
}

static void test_clocks(void **state)
{
    static const int64_t clocks[] = { 0, NOW, FAR, NOW, 1, FAR };
    struct rig *r = *state;
    struct stat st;
    char ca[65] = "";
    for (size_t i = 0; i < COUNT(clocks); i++) {
        if (!make(r, "", clocks[i]))
            fail_msg("clock %lld: nothing is made", (long long)clocks[i]);
        struct sk_cert_info server = info_of(r, "tls/server.pem");
        if (server.not_before > clocks[i] || server.not_after < clocks[i] + 60 * DAY)
            fail_msg("clock %lld: valid from %lld to %lld", (long long)clocks[i],
                     (long long)server.not_before, (long long)server.not_after);
        /* One authority for all times. */
        struct sk_cert_info info = info_of(r, "tls/ca.pem");
        assert_int_equal(info.not_before, 0);
        assert_int_equal(info.not_after, INT64_C(253402300799));
        if (*ca)
            assert_string_equal(ca, info.sha256);
        (void)snprintf(ca, sizeof ca, "%s", info.sha256);
        assert_false(make(r, "", clocks[i]));
    }
    assert_int_equal(stat(at(r->dir, "tls/ca.key"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(at(r->dir, "tls/server.pem"), &st), 0);
    assert_int_equal(st.st_mode & 0777, geteuid() == 0 ? 0640 : 0600);
    assert_true(geteuid() != 0 || (st.st_uid == 0 && st.st_gid == SK_AGENT_HUB_UID));
}

static void test_renewal(void **state)
{
    static const struct {
        int64_t days;
        bool is_new;
    } rows[] = { { 0, true },    { 0, false },  { 59, false }, { 61, true }, { 61, false },
                 { 120, false }, { 122, true }, { 30, true },  { 31, false } };
    struct rig *r = *state;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (make(r, "", NOW + rows[i].days * DAY) != rows[i].is_new)
            fail_msg("row %zu, day %lld", i, (long long)rows[i].days);
}

/* Behind them stands the digest of server.pem. */
static void starts_with(const char *text, const char *names)
{
    assert_int_equal(strncmp(text, names, strlen(names)), 0);
    assert_int_equal(strlen(text), strlen(names) + 65);
}

static void test_names(void **state)
{
    struct rig *r = *state;
    assert_true(make(r, "", NOW));
    assert_true(make(r, "172.18.0.1", NOW)); /* Docker's network is there now */
    assert_false(make(r, "172.18.0.1", NOW));
    (void)snprintf(r->a.config.gateway, sizeof r->a.config.gateway, "gw.test");
    assert_true(make(r, "172.18.0.1", NOW));
    SK_OWN(free) char *names = text_of(at(r->dir, "tls/server.names"));
    starts_with(names, "gw.test\nedgeHub\n172.18.0.1\n");
    r->a.config.listen[0] = strdup("0.0.0.0");
    r->a.config.listen[1] = strdup("192.0.2.7");
    r->a.config.listen[2] = strdup("gw.test");
    assert_true(make(r, "", NOW));
    SK_OWN(free) char *again = text_of(at(r->dir, "tls/server.names"));
    starts_with(again, "gw.test\nedgeHub\n192.0.2.7\n");
    assert_string_equal(info_of(r, "tls/server.pem").common_name, "gw.test");
}

static void flip(const char *path, size_t at_byte)
{
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, (long)at_byte, SEEK_SET), 0);
    int c = fgetc(f);
    assert_int_equal(fseek(f, (long)at_byte, SEEK_SET), 0);
    assert_true(fputc(c ^ 1, f) != EOF);
    assert_int_equal(fclose(f), 0);
}

/* A file that was cut off, has a bit that flipped, or is not there: made again; the authority
 * stays. */
static void test_damage(void **state)
{
    struct rig *r = *state;
    struct stat st;
    assert_true(make(r, "", NOW));
    assert_int_equal(stat(at(r->dir, "tls/server.pem"), &st), 0);
    for (size_t byte = 0; byte < (size_t)st.st_size - 40; byte += 97) {
        flip(at(r->dir, "tls/server.pem"), byte);
        assert_true(make(r, "", NOW));
        assert_false(make(r, "", NOW));
    }
    flip(at(r->dir, "tls/server.names"), 3);
    assert_true(make(r, "", NOW));
    assert_int_equal(truncate(at(r->dir, "tls/server.pem"), 100), 0);
    assert_true(make(r, "", NOW));
    assert_int_equal(unlink(at(r->dir, "tls/server.pem")), 0);
    assert_true(make(r, "", NOW));
    assert_false(make(r, "", NOW));
    assert_int_equal(unlink(at(r->dir, "tls/ca.key")), 0);
    assert_int_equal(unlink(at(r->dir, "tls/server.pem")), 0);
    struct sk_err err = SK_ERR_INIT;
    bool is_new;
    FAILS(sk_agent_certs(r->dir, &r->a.config, "", NOW, &is_new, &err), SK_NOT_FOUND, "ca.key");
}

static void test_for_modules(void **state)
{
    struct rig *r = *state;

    static const struct {
        const char *kind, *module, *name;
        int64_t now, until, expires;
        const char *common_name, *words;
    } rows[] = {
        { "server", "cats", "cats.local", NOW, 0, NOW + 90 * DAY, "cats.local", NULL },
        { "server", "cats", "cats.local", NOW, NOW + DAY, NOW + DAY, "cats.local", NULL },
        { "server", "$edgeHub", "gw", NOW, NOW + 9000 * DAY, NOW + 90 * DAY, "gw", NULL },
        { "identity", "cats", "", NOW, NOW - 1, NOW + 90 * DAY, "cats", NULL },
        { "identity", "cats", "", 0, 0, 90 * DAY, "cats", NULL },
        { "identity", "cats", "", FAR, 0, FAR + 90 * DAY, "cats", NULL },
        { "server", "cats", "", NOW, 0, 0, NULL, "commonName is missing" },
        { "other", "cats", "x", NOW, 0, 0, NULL, "no such kind" },
    };

    assert_true(make(r, "", NOW));
    SK_OWN(free) char *ca = text_of(at(r->dir, "tls/ca.pem"));
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf key = SK_BUF_INIT(65536), chain = SK_BUF_INIT(65536);
        SK_OWN(sk_key_free) struct sk_key *parsed = NULL;
        struct sk_cert_info info;
        struct sk_err err = SK_ERR_INIT;
        int64_t expires = 0;
        int rc = sk_agent_cert_for(r->dir, &r->a.config, rows[i].kind, rows[i].module, rows[i].name,
                                   rows[i].now, rows[i].until, &key, &chain, &expires, &err);
        if (rows[i].words) {
            if (rc == 0 || !strstr(err.text, rows[i].words))
                fail_msg("row %zu: %s", i, err.text);
            continue;
        }
        if (rc < 0)
            fail_msg("row %zu: %s", i, err.text);
        assert_int_equal(expires, rows[i].expires);
        DONE(sk_cert_info(chain.data, chain.len, &info, &err));
        assert_string_equal(info.common_name, rows[i].common_name);
        assert_int_equal(info.not_after, expires);
        DONE(sk_key_parse(key.data, key.len, &parsed, &err));
        /* The CA stands behind it, so that a chain can be shown. */
        sk_buf_chr(&chain, '\0');
        assert_non_null(strstr(chain.data, ca));
    }
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)
    const struct CMUnitTest tests[] = { ROW(test_clocks), ROW(test_renewal), ROW(test_names),
                                        ROW(test_damage), ROW(test_for_modules) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
