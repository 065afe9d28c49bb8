/*
 * fuzz_localhub.c - what the local hub reads of others: topics of the cloud, tokens of clients,
 * files of twins, configurations and routes. The first byte says which.
 */
#include "localhub/localhub_priv.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_topic(struct sk_view v)
{
    const struct sk_lh_down d = sk_lh_down_parse(v);
    if (strlen(d.name) > SK_IOT_METHOD_NAME_MAX)
        abort();
    if (d.kind == SK_LH_DOWN_METHOD && (d.rid.len == 0 || d.rid.len >= SK_LH_RID || !*d.name))
        abort();
}

/* What was read is signed as it stands there. */
static void read_token(struct sk_view v)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_lh_sas s;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(2 * SK_LH_TOKEN_MAX);
    if (sk_lh_sas_parse(v, &s, &err) < 0)
        return;
    sk_lh_sas_signed(&s, &b);
    if (!sk_buf_ok(&b) || b.len != s.sr.len + s.se.len + 1 || !*s.host || !*s.device)
        abort();
}

static void read_json(struct sk_view v, uint8_t which)
{
    struct sk_err err = SK_ERR_INIT;
    const struct sk_json_limits limits = { .max_values = 20000 };
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    if (sk_json_parse(v.ptr, v.len, &limits, &doc, &err) < 0)
        return;
    if (which == 2) {
        struct sk_lh_ident id = { .key = "d/m" };
        sk_lh_twin_init(&id.twin);
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(16 << 20);
        if (sk_lh_twin_read(doc, &id.twin, &err) == 0)
            sk_lh_twin_write(&id, &b);
        sk_lh_twin_done(&id.twin);
    } else if (which == 3) {
        struct sk_lh_config *c = calloc(1, sizeof *c);
        if (c && sk_lh_config_read(doc, c, &err) == 0 && (!*c->device || !*c->hub_address))
            abort();
        free(c);
    } else {
        SK_OWN(sk_lh_routes_unref) struct sk_lh_routes *r = NULL;
        if (sk_lh_routes_parse(doc, &r, &err) < 0 && err.text[0] == '\0')
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const struct sk_view v = { (const char *)data + 1, size - 1 };
    if (data[0] % 5 == 0)
        read_topic(v);
    else if (data[0] % 5 == 1)
        read_token(v);
    else
        read_json(v, data[0] % 5);
    return 0;
}
