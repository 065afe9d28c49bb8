/*
 * fuzz_identity.c - what a create or an update says, as JSON: whatever is accepted is an identity
 * that prints as JSON, and the same spec once more changes nothing.
 *
 * The first byte says what the identity is before: 'm' a module, 'e' an edge device, else a device.
 */
#include "devices/devices_priv.h"

#include <stdlib.h>
#include <string.h>

static void must_print(const struct sk_identity *i)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);
    SK_OWN(sk_json_free) struct sk_json *json = NULL;
    struct sk_err err = SK_ERR_INIT;
    sk_identity_json(i, true, &out);
    if (!sk_buf_ok(&out) || sk_json_parse(out.data, out.len, NULL, &json, &err) < 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sk_identity i = { .device = "d", .generation = "177000000000012345" };
    struct sk_identity_spec spec;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *json = NULL;
    if (size == 0)
        return 0;
    i.is_enabled = true;
    i.is_edge = data[0] == 'e';
    if (data[0] == 'm')
        i.module[0] = 'm';
    if (sk_json_parse((const char *)data + 1, size - 1, NULL, &json, &err) < 0 ||
        sk_identity_spec_read(json, &spec, &err) < 0 || sk_identity_apply(&spec, &i, &err) < 0) {
        if (err.text[0] == '\0')
            abort();
        return 0;
    }
    i.etag = 1;
    must_print(&i);
    struct sk_identity again = i;
    if (sk_identity_apply(&spec, &again, &err) < 0 || memcmp(&again, &i, sizeof i) != 0)
        abort();
    if (sk_etag_check(i.etag, spec.status_reason, &err) < 0 && err.code != SK_MISMATCH)
        abort();
    return 0;
}
