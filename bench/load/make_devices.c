/*
 * make_devices.c - many devices in the folder of a hub that is not running.
 *
 *     make_devices DATA_DIR FIRST COUNT [edge] > keys
 *
 * Makes dev-000000 and on, with a key each and tags {"line": i % 100, "site": "hall-<i % 10>"}, a
 * hundred at a time through the same path as POST /devices; prints "name key" lines. Edge devices
 * come with their system modules.
 */
#include "accounts/accounts.h"
#include "base/str.h"
#include "crypto/crypto.h"
#include "devices/devices.h"
#include "store/store.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum {
    AT_ONCE = 100,
    KEY_BYTES = 32,
    TEXT_MAX = 1 << 20
};

static int make_some(struct sk_devices *d, const struct sk_who *who, uint64_t first, uint64_t count,
                     bool is_edge, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(TEXT_MAX);
    SK_AUTO(sk_buf_done) struct sk_buf lines = SK_BUF_INIT(TEXT_MAX);
    SK_AUTO(sk_buf_done) struct sk_buf answer = SK_BUF_INIT(TEXT_MAX);
    SK_OWN(sk_json_free) struct sk_json *array = NULL;
    bool ok = false;
    for (uint64_t i = first; i < first + count; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf key = SK_BUF_INIT(128);
        unsigned char bytes[KEY_BYTES];
        if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
            return sk_fail_errno(err, "random bytes");
        sk_base64(&key, bytes, sizeof bytes);
        sk_buf_fmt(&text,
                   "%c{\"id\":\"dev-%06llu\",\"importMode\":\"create\",\"authentication\":"
                   "{\"type\":\"sas\",\"symmetricKey\":{\"primaryKey\":\"%s\",\"secondaryKey\":"
                   "\"%s\"}},\"capabilities\":{\"iotEdge\":%s},\"tags\":{\"line\":%llu,\"site\":"
                   "\"hall-%llu\"}}",
                   i == first ? '[' : ',', (unsigned long long)i, key.data, key.data,
                   is_edge ? "true" : "false", (unsigned long long)(i % 100),
                   (unsigned long long)(i % 10));
        sk_buf_fmt(&lines, "dev-%06llu %s\n", (unsigned long long)i, key.data);
    }
    sk_buf_chr(&text, ']');
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    if (sk_json_parse(text.data, text.len, NULL, &array, err) < 0 ||
        sk_identity_bulk(d, who, array, &answer, &ok, err) < 0)
        return -1;
    if (!ok)
        return sk_fail(err, SK_INVALID, "%s", answer.data);
    return fputs(lines.data, stdout) < 0 ? sk_fail_errno(err, "standard output") : 0;
}

static int make(const char *dir, uint64_t first, uint64_t count, bool is_edge, struct sk_err *err)
{
    SK_OWN(sk_store_close) struct sk_store *store = NULL;
    SK_OWN(sk_accounts_free) struct sk_accounts *accounts = NULL;
    SK_OWN(sk_devices_free) struct sk_devices *devices = NULL;
    struct sk_who who;
    sk_who_local(&who);
    if (sk_store_open(dir, &store, err) < 0 || sk_accounts_new(store, &accounts, err) < 0)
        return -1;
    const struct sk_devices_options opts = { .store = store, .accounts = accounts };
    if (sk_devices_new(&opts, &devices, err) < 0)
        return -1;
    for (uint64_t i = 0; i < count; i += AT_ONCE)
        if (make_some(devices, &who, first + i, count - i < AT_ONCE ? count - i : AT_ONCE, is_edge,
                      err) < 0)
            return -1;
    return 0;
}

int main(int argc, char **argv)
{
    struct sk_err err = SK_ERR_INIT;
    uint64_t first = 0, count = 0;
    bool is_edge = argc == 5 && strcmp(argv[4], "edge") == 0;
    if ((argc != 4 && !is_edge) || sk_parse_u64("FIRST", argv[2], 0, 1000000, &first, &err) < 0 ||
        sk_parse_u64("COUNT", argv[3], 1, 1000000, &count, &err) < 0 ||
        make(argv[1], first, count, is_edge, &err) < 0) {
        (void)fprintf(stderr, "make_devices: %s\n",
                      *err.text ? err.text : "make_devices DATA_DIR FIRST COUNT [edge]");
        return 2;
    }
    return 0;
}
