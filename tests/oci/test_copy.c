/* test_copy.c - an image under another name: what is asked of the registry. */
#include "oci/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CREATED  HEAD("201 C") "Content-Length: 0\r\n\r\n"
#define ACCEPTED HEAD("202 A") "Location: /u\r\nContent-Length: 0\r\n\r\n"

static void make_reply(char manifest[1024], char reply[2048])
{
    (void)snprintf(manifest, 1024,
                   "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"" SK_OCI_CONFIG
                   "\",\"digest\":\"%s\",\"size\":2},\"layers\":[{\"mediaType\":\"" SK_OCI_LAYER
                   "\",\"digest\":\"%s\",\"size\":3}]}",
                   oci_digest("c"), oci_digest("l"));
    (void)snprintf(reply, 2048, HEAD("200 OK") "Content-Type: " SK_OCI_MANIFEST "\r\n\r\n%s",
                   manifest);
}

/* [oci-65] */
static void copies(void **state)
{
    char manifest[1024], reply[2048];
    make_reply(manifest, reply);

    const struct {
        const char *to, *replies[7], *says;
        unsigned count;
    } rows[] = {
        { "a", { reply, CREATED }, NULL, 2 },
        { "b", { reply, OK, OK, CREATED }, NULL, 4 },                   /* all is there */
        { "b", { reply, NO, CREATED, NO, CREATED, CREATED }, NULL, 6 }, /* mounted */
        { "b", { reply, NO, ACCEPTED }, "does not mount blobs of a in b", 3 },
        { "b", { NO }, "answered 404", 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *replies[8] = { NULL };
        const struct sk_oci_ref from = { .repository = "a", .tag = "v1" };
        struct sk_oci_ref to = { .tag = "v2" };
        char digest[SK_OCI_DIGEST_TEXT], want[64];
        struct oci_server o;
        struct sk_err err = SK_ERR_INIT;
        for (size_t k = 0; k < 7; k++)
            replies[k] = rows[i].replies[k];
        (void)snprintf(to.repository, sizeof to.repository, "%s", rows[i].to);
        oci_server_start(&o, replies, NULL);
        int rc = sk_oci_copy(o.r, &from, &to, digest, &err);
        oci_server_stop(&o);
        if ((rc == 0) != !rows[i].says || o.s->count != rows[i].count ||
            (rc < 0 && !strstr(err.text, rows[i].says)))
            fail_msg("row %zu: %d %s, %u requests", i, rc, err.text, o.s->count);
        if (rc == 0) {
            (void)snprintf(want, sizeof want, "PUT /v2/%s/manifests/v2 HTTP", rows[i].to);
            assert_true(sk_starts_with(o.s->requests[o.s->count - 1], want));
            assert_non_null(strstr(o.s->requests[o.s->count - 1], manifest));
            assert_string_equal(digest, oci_digest(manifest));
        }
        oci_server_done(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(copies, oci_surround, oci_unsurround),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
