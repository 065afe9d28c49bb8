/*
 * fuzz_keeper.c - requests to the keeper: what is accepted is within its limits, and reads again as
 * the same; addresses and targets likewise.
 */
#include "keeper/keeper_priv.h"

#include <string.h>

static void write_again(const struct sk_keeper_request *r, struct sk_buf *out)
{
    sk_keeper_put_head(out, r->op);
    sk_keeper_put_text(out, SK_KEEPER_F_NAME, r->name);
    sk_keeper_put_text(out, SK_KEEPER_F_HOST, r->host);
    sk_keeper_put_number(out, SK_KEEPER_F_PORT, r->port);
    sk_keeper_put_number(out, SK_KEEPER_F_IS_FORWARD, r->is_forward);
    if (r->has_target)
        sk_keeper_put_text(out, SK_KEEPER_F_TARGET, r->target);
}

static bool is_clean(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~' || *text == '|')
            return false;
    return true;
}

static void try_addresses(const struct sk_keeper_request *r)
{
    struct sk_keeper_address a;
    struct sk_err err = SK_ERR_INIT;

    if (sk_keeper_address(r->host, r->port, &a, &err) == 0 && (a.len == 0 || err.text[0]))
        abort();
    if (sk_keeper_target(r->target, &a, &err) == 0 && a.len == 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_KEEPER_PACKET_MAX);
    struct sk_keeper_request r, again;
    struct sk_err err = SK_ERR_INIT;
    char stored[SK_KEEPER_NAME_MAX + 1], name[SK_KEEPER_NAME_MAX + 1];

    if (size > SK_KEEPER_PACKET_MAX)
        return 0;
    if (sk_keeper_read_request((struct sk_view){ (const char *)data, size }, &r, &err) < 0) {
        if (err.text[0] == 0)
            abort();
        return 0;
    }
    write_again(&r, &out);
    if (!is_clean(r.name) || !is_clean(r.host) || !is_clean(r.target) ||
        sk_keeper_read_request((struct sk_view){ out.data, out.len }, &again, &err) < 0 ||
        strcmp(r.name, again.name) != 0 || strcmp(r.host, again.host) != 0 ||
        strcmp(r.target, again.target) != 0 || r.port != again.port ||
        r.is_forward != again.is_forward || r.has_target != again.has_target)
        abort();
    sk_keeper_store_name(r.name, stored);
    sk_keeper_store_unname(stored, strlen(stored), name);
    if (strcmp(name, r.name) != 0 || strchr(stored, ':'))
        abort();
    try_addresses(&r);
    return 0;
}
