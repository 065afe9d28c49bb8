/* fuzz_oci_manifest.c - manifests and indexes: what is accepted names only digests that can be file
 * names, and is the same when it is read again. */
#include "oci/oci_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_item(const struct sk_oci_descriptor *d)
{
    if (!sk_oci_is_digest(sk_view_of(d->digest)) || d->size > INT64_MAX ||
        !sk_oci_is_media_type(sk_view_of(d->media_type)) ||
        (d->annotations && d->annotations[0] != '{'))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SK_AUTO(sk_oci_manifest_done) struct sk_oci_manifest m = { 0 };
    SK_AUTO(sk_oci_manifest_done) struct sk_oci_manifest again = { 0 };
    struct sk_err err = SK_ERR_INIT;

    if (sk_oci_manifest_parse((const char *)data, size, &m, &err) < 0) {
        if (err.text[0] == '\0' || m.items || m.annotations)
            abort();
        return 0;
    }
    for (size_t i = 0; i < m.count; i++)
        check_item(&m.items[i]);
    if (!m.is_index)
        check_item(&m.config);
    if (m.count > SK_OCI_ITEMS_MAX || (m.subject[0] && !sk_oci_is_digest(sk_view_of(m.subject))) ||
        sk_oci_manifest_parse((const char *)data, size, &again, &err) < 0 || again.count != m.count)
        abort();
    return 0;
}
