/* fuzz_oci_challenge.c - WWW-Authenticate: what is accepted has an end within its field. */
#include "oci/oci_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *text, size_t cap)
{
    if (strnlen(text, cap) == cap)
        abort();
    for (; *text; text++)
        if ((unsigned char)*text < ' ')
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SK_OWN(free) char *text = malloc(size + 1);
    struct sk_oci_challenge c;

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    sk_oci_challenge_read(text, &c);
    check(c.realm, sizeof c.realm);
    check(c.service, sizeof c.service);
    check(c.scope, sizeof c.scope);
    if (c.scheme == SK_OCI_BEARER && c.realm[0] == '\0')
        abort();
    if (c.scheme == SK_OCI_NO_SCHEME && (c.realm[0] || c.service[0] || c.scope[0]))
        abort();
    return 0;
}
