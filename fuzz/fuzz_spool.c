/*
 * fuzz_spool.c - what the spool reads from the disk: a byte chooses among a mark's file, a
 * message's record, and a folder's name.
 *
 * What is read stays within the input and is written back alike; a name gives a path that reads as
 * the name again.
 */
#include "spool/spool_priv.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_mark(const uint8_t *data, size_t size)
{
    struct sk_mark m;

    if (sk_mark_parse(data, size, &m) && size < SK_MARK_BYTES)
        abort();
}

static void inside(struct sk_view v, struct sk_view all)
{
    if (v.ptr < all.ptr || v.ptr + v.len > all.ptr + all.len)
        abort();
}

static void check_record(const uint8_t *data, size_t size)
{
    const struct sk_view all = { (const char *)data, size };
    const struct sk_spool_now now = { 1800000000000, 1000, 1, true };
    uint8_t head[SK_SPOOL_HEAD];
    struct sk_spool_record r;

    if (!sk_spool_record_read(all, &r))
        return;
    inside(r.key, all);
    inside(r.bag, all);
    inside(r.body, all);
    size_t len = sk_spool_head_write(head, &r);
    if (memcmp(head, data, len) != 0 || len + r.key.len + r.bag.len + r.body.len != size)
        abort();
    (void)sk_spool_is_expired(&r, 1800000000000, &now);
    (void)sk_spool_is_expired(&r, r.expires_ms, &now);
}

static void check_name(const uint8_t *data, size_t size)
{
    char folder[256], name[SK_SPOOL_ENDPOINT_MAX + 1] = "", back[SK_SPOOL_ENDPOINT_MAX + 1] = "";
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *path = NULL;
    bool goes_on;

    if (size >= sizeof folder)
        return;
    memcpy(folder, data, size);
    folder[size] = 0;
    if (!sk_spool_name_read(folder, name, &goes_on))
        return;
    if (sk_spool_name_path(name, &path, &err) < 0)
        abort();
    for (char *at = path, *end; at; at = end ? end + 1 : NULL) {
        end = strchr(at, '/');
        if (end)
            *end = 0;
        if (!sk_spool_name_read(at, back, &goes_on) || goes_on != (end != NULL))
            abort();
    }
    if (strcmp(name, back) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    uint8_t which = data[0] % 3;
    data++;
    size--;
    if (which == 0)
        check_mark(data, size);
    else if (which == 1)
        check_record(data, size);
    else
        check_name(data, size);
    return 0;
}
