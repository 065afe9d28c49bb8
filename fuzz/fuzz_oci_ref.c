/* fuzz_oci_ref.c - references: what is accepted is made of valid parts, and printed it is the same
 * reference. */
#include "oci/oci_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SK_OWN(free) char *text = malloc(size + 1);
    SK_AUTO(sk_buf_done) struct sk_buf printed = SK_BUF_INIT(4096);
    struct sk_err err = SK_ERR_INIT;
    struct sk_oci_ref r, again;

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (sk_oci_ref_parse(text, "hub:8443", &r, &err) < 0) {
        if (err.text[0] == '\0')
            abort();
        return 0;
    }
    if (!sk_oci_is_host(sk_view_of(r.host)) || !sk_oci_is_repository(sk_view_of(r.repository)) ||
        (r.tag[0] && !sk_oci_is_tag(sk_view_of(r.tag))) ||
        (r.digest[0] && !sk_oci_is_digest(sk_view_of(r.digest))) || (!r.tag[0] && !r.digest[0]))
        abort();
    sk_oci_ref_print(&r, &printed);
    if (!sk_buf_ok(&printed) || sk_oci_ref_parse(printed.data, NULL, &again, &err) < 0 ||
        memcmp(&r, &again, sizeof r) != 0)
        abort();
    return 0;
}
