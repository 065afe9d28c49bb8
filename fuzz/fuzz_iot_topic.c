/*
 * fuzz_iot_topic.c - what a client may put into topics, filters, user names, property bags and
 * connection strings.
 *
 * The first byte chooses. What is taken holds its promises: views lie in the text, ids are valid,
 * a bag that is written again reads as the same bag.
 */
#include "iot/iot.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct sk_view v, struct sk_view all)
{
    if (v.len > 0 && (v.ptr < all.ptr || v.ptr + v.len > all.ptr + all.len))
        abort();
}

static void topic(struct sk_view text)
{
    struct sk_iot_topic t = sk_iot_topic_parse(text);
    inside(t.device, text);
    inside(t.module, text);
    inside(t.bag, text);
    inside(t.rid, text);
    if ((t.kind == SK_TOPIC_EVENTS) != (t.device.len > 0))
        abort();
}

static void filter(struct sk_view text)
{
    enum sk_iot_sub of_device = sk_iot_filter_parse(text, "d", "");
    enum sk_iot_sub of_module = sk_iot_filter_parse(text, "d", "m");
    if (of_device == SK_SUB_INPUTS || of_module == SK_SUB_C2D)
        abort();
    if ((of_device & (SK_SUB_METHODS | SK_SUB_TWIN_RESPONSES | SK_SUB_TWIN_DESIRED)) &&
        of_device != of_module)
        abort();
}

static void username(struct sk_view text)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_iot_username u;
    if (sk_iot_username_parse(text, &u, &err) < 0) {
        if (err.code == SK_OK || !err.text[0])
            abort();
        return;
    }
    if (!u.host[0] || !u.api_version[0] || !sk_iot_id_valid(sk_view_of(u.device)) ||
        (u.module[0] && !sk_iot_id_valid(sk_view_of(u.module))) ||
        !sk_utf8_valid(u.product, strlen(u.product)))
        abort();
}

static void bag(struct sk_view text)
{
    static struct sk_iot_bag first, second;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf again = SK_BUF_INIT(4 * SK_IOT_BAG_MAX);
    bool is_first = true;
    if (sk_iot_bag_parse(text, &first, &err) < 0) {
        if (first.count > 0 || err.code == SK_OK)
            abort();
        return;
    }
    for (size_t i = 0; i < first.count; i++)
        sk_iot_bag_add(&again, &is_first, first.items[i].name.ptr,
                       first.items[i].has_value ? first.items[i].value.ptr : NULL);
    if (again.len > SK_IOT_BAG_MAX)
        return;
    if (sk_iot_bag_parse((struct sk_view){ again.data, again.len }, &second, &err) < 0 ||
        second.count != first.count ||
        sk_iot_message_size(0, &first) != sk_iot_message_size(0, &second))
        abort();
    for (size_t i = 0; i < first.count; i++)
        if (strcmp(first.items[i].name.ptr, second.items[i].name.ptr) != 0 ||
            strcmp(first.items[i].value.ptr, second.items[i].value.ptr) != 0 ||
            first.items[i].has_value != second.items[i].has_value)
            abort();
}

static void connection(const char *text)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf token = SK_BUF_INIT(4096);
    struct sk_iot_connection c;
    if (sk_iot_connection_parse(text, &c, &err) < 0)
        return;
    if (!c.host[0] || c.is_x509 == (c.key[0] != '\0') || (!c.device[0] && !c.policy[0]))
        abort();
    if (c.key[0] && sk_iot_sas_make(c.host, c.key, c.policy, 1, &token, &err) < 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SK_OWN(free) char *text = malloc(size + 1);
    if (!text || size == 0)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    struct sk_view v = { text, size - 1 };
    switch (data[0] % 5) {
    case 0:
        topic(v);
        break;
    case 1:
        filter(v);
        break;
    case 2:
        username(v);
        break;
    case 3:
        bag(v);
        break;
    default:
        connection(text);
        break;
    }
    return 0;
}
