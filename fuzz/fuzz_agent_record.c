/*
 * fuzz_agent_record.c - the agent's record of a module as it lies on the disk. The first byte says
 * whether the digest behind the rest is made good, so that what is behind it is reached.
 *
 * A record that is read is written the same way each time, and its text reads as the same record.
 */
#include "agent/agent_priv.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(const struct sk_agent_record *r, struct sk_buf *b)
{
    struct sk_err err = SK_ERR_INIT;
    if (sk_agent_record_put(r, b, &err) < 0)
        abort();
}

static void check_slots(struct sk_agent_record *r)
{
    struct sk_agent_slot *slots[SK_AGENT_TOLD_MAX];
    size_t n = sk_agent_record_slots(r, slots);
    for (size_t i = 0; i < n; i++)
        if (slots[i]->spec && (!*slots[i]->spec->image || strlen(slots[i]->spec->hash) != 64))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sk_agent_record r = { .next = 1 };
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(4 * SK_AGENT_FILE_MAX);
    SK_AUTO(sk_buf_done) struct sk_buf once = SK_BUF_INIT(4 * SK_AGENT_FILE_MAX);
    SK_AUTO(sk_buf_done) struct sk_buf twice = SK_BUF_INIT(4 * SK_AGENT_FILE_MAX);
    char digest[SK_SHA256_HEX];
    if (size < 1)
        return 0;
    sk_buf_add(&text, data + 1, size - 1);
    if (data[0] % 8 != 0) {
        if (sk_sha256_hex(data + 1, size - 1, digest, &err) < 0)
            abort();
        sk_buf_fmt(&text, "%s\n", digest);
    }
    if (!sk_buf_ok(&text) || text.len == 0 ||
        sk_agent_record_parse(text.data, text.len, "cats", &r, &err) < 0)
        return 0;
    check_slots(&r);
    put(&r, &once);
    sk_agent_record_clear(&r);
    if (sk_agent_record_parse(once.data, once.len, "cats", &r, &err) < 0)
        abort();
    put(&r, &twice);
    if (once.len != twice.len || memcmp(once.data, twice.data, once.len) != 0)
        abort();
    sk_agent_record_clear(&r);
    return 0;
}
