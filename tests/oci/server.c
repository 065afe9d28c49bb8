/* server.c - see server.h. */
#include "oci/server.h"

#include "base/file.h"
#include "crypto/crypto.h"
#include "harness/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = { "CURL_CA_BUNDLE", "SSL_CERT_FILE", "http_proxy",
                                     "https_proxy",    "all_proxy",     "ALL_PROXY" };

int oci_surround(void **state)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)unsetenv(names[i]);
    *state = sk_test_dir();
    return setenv("HOME", *state, 1) | setenv("DOCKER_CONFIG", *state, 1);
}

int oci_unsurround(void **state)
{
    sk_test_dir_free(*state);
    *state = NULL;
    return 0;
}

void oci_server_start(struct oci_server *o, const char *const *replies,
                      const struct sk_oci_options *opts)
{
    struct sk_oci_options all = opts ? *opts : (struct sk_oci_options){ 0 };
    struct sk_err err = SK_ERR_INIT;

    *o = (struct oci_server){ .s = sk_loopback_start(replies) };
    (void)snprintf(o->host, sizeof o->host, "127.0.0.1:%d", o->s->port);
    (void)snprintf(o->url, sizeof o->url, "http://%s", o->host);
    all.host = o->host;
    all.plain_http = true;
    if (sk_oci_registry_new(&all, &o->r, &err) < 0)
        fail_msg("%s", err.text);
}

void oci_server_stop(struct oci_server *o)
{
    sk_oci_registry_free(o->r);
    o->r = NULL;
    sk_loopback_stop(o->s);
}

void oci_server_done(struct oci_server *o)
{
    if (!o->s)
        return;
    oci_server_stop(o);
    sk_loopback_free(o->s);
    o->s = NULL;
}

const char *oci_file(const char *folder, const char *name, const char *text)
{
    static char paths[4][512];
    static unsigned next;
    struct sk_err err = SK_ERR_INIT;
    char *path = paths[next++ % 4];

    (void)snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    if (sk_file_write(path, text, strlen(text), 0644, &err) < 0)
        fail_msg("%s", err.text);
    return path;
}

static const char *digest_by(enum sk_hash_kind kind, const char *text)
{
    static char digests[4][SK_OCI_DIGEST_TEXT];
    static unsigned next;
    struct sk_err err = SK_ERR_INIT;
    char *out = digests[next++ % 4];

    assert_int_equal(sk_digest_of(kind, text, strlen(text), out, &err), 0);
    return out;
}

const char *oci_digest(const char *text)
{
    return digest_by(SK_SHA256, text);
}

const char *oci_digest_512(const char *text)
{
    return digest_by(SK_SHA512, text);
}
