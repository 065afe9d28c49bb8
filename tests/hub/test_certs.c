/* test_certs.c - the CA, the server's certificate, and when it is renewed. */
#include "hub_util.h"

#include "base/file.h"
#include "crypto/crypto.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *const names[] = { "hub.example", "127.0.0.1", NULL };

enum {
    DAY = 86400
};

static void read_info(struct hub_fixture *f, const char *name, struct sk_cert_info *out)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *text = NULL;
    char path[160];
    size_t len;
    (void)snprintf(path, sizeof path, "%s/tls/%s", f->folder, name);
    if (sk_file_read(path, 1 << 16, &text, &len, &err) < 0 ||
        sk_cert_info(text, len, out, &err) < 0)
        fail_msg("%s", err.text);
}

static unsigned mode_of(struct hub_fixture *f, const char *name)
{
    struct stat st;
    char path[160];
    (void)snprintf(path, sizeof path, "%s/tls/%s", f->folder, name);
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 0777;
}

static int shell(struct hub_fixture *f, const char *command)
{
    char text[512];
    (void)snprintf(text, sizeof text, "cd %s/tls && %s >/dev/null 2>&1", f->folder, command);
    return system(text);
}

static void made(void **state)
{
    struct hub_fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_cert_info ca, server;
    char sha256[65];
    if (sk_hub_certs_make(f->folder, names, sha256, &err) < 0)
        fail_msg("%s", err.text);
    read_info(f, "ca.pem", &ca);
    read_info(f, "server.pem", &server);
    assert_string_equal(ca.sha256, sha256);
    assert_string_equal(ca.subject, "CN=Skerry CA of hub.example");
    int64_t now = time(NULL);
    assert_in_range(ca.not_after - now, 3649 * DAY, 3651 * DAY);
    assert_in_range(server.not_after - now, 729 * DAY, 731 * DAY);
    assert_int_equal(mode_of(f, "ca.pem"), 0644);
    assert_int_equal(mode_of(f, "ca.key"), 0600);
    assert_int_equal(mode_of(f, "server.pem"), 0600);
    static const char *const good[] = {
        "openssl verify -x509_strict -CAfile ca.pem -verify_hostname hub.example server.pem",
        "openssl verify -x509_strict -CAfile ca.pem -verify_ip 127.0.0.1 server.pem",
        "test $(grep -c 'BEGIN CERTIFICATE' server.pem) = 2",
        "openssl pkey -in server.pem -noout -check",
    };
    for (size_t i = 0; i < COUNT(good); i++)
        if (shell(f, good[i]) != 0)
            fail_msg("%s", good[i]);
    /* a second CA would make the first one's clients strangers */
    assert_int_equal(sk_hub_certs_make(f->folder, names, sha256, &err), -1);
}

static void renewed_when_due(void **state)
{
    struct hub_fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_cert_info first, second, ca, ca_after;
    char sha256[65];
    bool renewed = true;
    assert_int_equal(sk_hub_certs_make(f->folder, names, sha256, &err), 0);
    read_info(f, "server.pem", &first);
    read_info(f, "ca.pem", &ca);
    int64_t due = first.not_after - (first.not_after - first.not_before) / 3;
    assert_int_equal(sk_hub_certs_renew(f->folder, names, due, &renewed, &err), 0);
    assert_false(renewed);
    assert_int_equal(sk_hub_certs_renew(f->folder, names, due + 1, &renewed, &err), 0);
    assert_true(renewed);
    read_info(f, "server.pem", &second);
    read_info(f, "ca.pem", &ca_after);
    assert_string_not_equal(first.sha256, second.sha256);
    assert_string_equal(ca.sha256, ca_after.sha256);
    assert_true(second.not_after == due + 1 + 730 * (int64_t)DAY);
    assert_int_equal(mode_of(f, "server.pem"), 0600);
    /* never beyond the CA's own end */
    int64_t late = ca.not_after - 10 * DAY;
    assert_int_equal(sk_hub_certs_renew(f->folder, names, late, &renewed, &err), 0);
    read_info(f, "server.pem", &second);
    assert_true(second.not_after == ca.not_after);
}

static void without_the_key(void **state)
{
    struct hub_fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_cert_info server;
    char sha256[65];
    bool renewed = false;
    assert_int_equal(sk_hub_certs_make(f->folder, names, sha256, &err), 0);
    assert_int_equal(shell(f, "mv ca.key elsewhere"), 0);
    assert_int_equal(sk_hub_certs_renew(f->folder, names, time(NULL), &renewed, &err), 0);
    read_info(f, "server.pem", &server);
    assert_int_equal(sk_hub_certs_renew(f->folder, names, server.not_after, &renewed, &err), -1);
    assert_non_null(strstr(err.text, "renewal"));
    assert_non_null(strstr(err.text, "ca.key"));
    /* a key that is not the CA's changes nothing */
    assert_int_equal(shell(f, "openssl ecparam -name prime256v1 -genkey -noout -out ca.key"), 0);
    assert_int_equal(sk_hub_certs_renew(f->folder, names, server.not_after, &renewed, &err), -1);
    struct sk_cert_info after;
    read_info(f, "server.pem", &after);
    assert_string_equal(after.sha256, server.sha256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(made, hub_folder, hub_gone),
        cmocka_unit_test_setup_teardown(renewed_when_due, hub_folder, hub_gone),
        cmocka_unit_test_setup_teardown(without_the_key, hub_folder, hub_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
