/* test_tls_roots.c - CA certificates are shared by handshakes that go on, and only by these. */
#include "certs.h"
#include "crypto/tls_priv.h"

#include "base/file.h"
#include "harness/alloc_fail.h"

#include <openssl/x509_vfy.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static struct certs certs;

static struct sk_tls_clients *make_clients(void)
{
    struct sk_tls_clients *all = NULL;
    struct sk_err err = SK_ERR_INIT;

    if (sk_tls_clients_new(&all, &err) < 0)
        fail_msg("%s", err.text);
    return all;
}

static struct sk_tls_roots *take(struct sk_tls_clients *all, const char *file)
{
    struct sk_tls_roots *r = NULL;
    struct sk_err err = SK_ERR_INIT;

    if (sk_tls_roots_take(all, file, &r, &err) < 0)
        fail_msg("%s", err.text);
    return r;
}

static int count_certs(const struct sk_tls_roots *r)
{
    return sk_X509_OBJECT_num(X509_STORE_get0_objects(r->store));
}

static void shared_while_used(void **state)
{
    struct sk_tls_clients *all = make_clients();
    struct sk_tls_roots *a = take(all, certs.cert), *b = take(all, certs.cert);

    (void)state;
    assert_ptr_equal(a, b);
    assert_int_equal(count_certs(a), 1);
    sk_tls_roots_drop(all, a);
    assert_ptr_equal(all->roots, b);
    sk_tls_roots_drop(all, b);
    assert_null(all->roots); /* nobody has it now */
    sk_tls_roots_drop(all, NULL);

    a = take(all, NULL); /* the system's, and another in between */
    b = take(all, certs.cert);
    assert_ptr_not_equal(a, b);
    sk_tls_roots_drop(all, a);
    assert_ptr_equal(all->roots, b);
    a = take(all, NULL);
    struct sk_tls_roots *c = take(all, NULL);
    assert_ptr_equal(a, c);
    sk_tls_roots_drop(all, c);
    sk_tls_roots_drop(all, a);
    sk_tls_roots_drop(all, b);
    sk_tls_clients_free(all);
}

/* A file that was replaced counts at once, also while the old one is in use. */
static void replaced(void **state)
{
    SK_AUTO(free_cleanup) char *pem = NULL;
    size_t len;
    struct sk_tls_clients *all = make_clients();
    struct sk_err err = SK_ERR_INIT;
    char path[256];

    (void)state;
    (void)snprintf(path, sizeof path, "%s/ca.pem", certs.folder);
    assert_int_equal(sk_file_read(certs.cert, 1 << 20, &pem, &len, &err), 0);
    assert_int_equal(sk_file_write(path, pem, len, 0600, &err), 0);
    struct sk_tls_roots *old = take(all, path);
    /* without the newline at its end */
    assert_int_equal(sk_file_write(path, pem, len - 1, 0600, &err), 0);
    struct sk_tls_roots *young = take(all, path);
    assert_ptr_not_equal(old, young);
    sk_tls_roots_drop(all, old);
    assert_ptr_equal(take(all, path), young);
    sk_tls_roots_drop(all, young);
    sk_tls_roots_drop(all, young);
    sk_tls_clients_free(all);
}

/* The owner may go first. */
static void owner_goes(void **state)
{
    struct sk_tls_clients *all = make_clients();
    struct sk_tls_roots *a = take(all, certs.cert), *b = take(all, NULL);

    (void)state;
    sk_tls_clients_free(all);
    sk_tls_roots_drop(all, a);
    sk_tls_roots_drop(all, b);
    sk_tls_clients_free(NULL);
}

static void not_there(void **state)
{
    struct sk_tls_clients *all = make_clients();
    char missing[256];
    const char *const files[] = { missing, certs.garbage, certs.folder, certs.key };

    (void)state;
    (void)snprintf(missing, sizeof missing, "%s/missing", certs.folder);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct sk_tls_roots *r = NULL;
        struct sk_err err = SK_ERR_INIT;
        if (sk_tls_roots_take(all, files[i], &r, &err) == 0 || err.code != SK_INVALID ||
            !strstr(err.text, files[i]))
            fail_msg("%s: '%s'", files[i], err.text);
        assert_null(all->roots);
        assert_int_equal(all->refs, 1);
    }
    sk_tls_clients_free(all);
}

static int take_one(void *ctx, struct sk_err *err)
{
    SK_OWN(sk_tls_clients_free) struct sk_tls_clients *all = NULL;
    struct sk_tls_roots *r = NULL;

    (void)ctx;
    if (sk_tls_clients_new(&all, err) < 0 || sk_tls_roots_take(all, certs.cert, &r, err) < 0)
        return -1;
    sk_tls_roots_drop(all, r);
    return 0;
}

static void without_memory(void **state)
{
    (void)state;
    assert_int_equal(sk_alloc_sweep("roots", take_one, NULL, 0), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_while_used), cmocka_unit_test(replaced),
        cmocka_unit_test(owner_goes),        cmocka_unit_test(not_there),
        cmocka_unit_test(without_memory),
    };
    certs_make(&certs);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    certs_remove(&certs);
    return rc;
}
