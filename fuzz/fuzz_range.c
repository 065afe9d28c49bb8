/* fuzz_range.c - Range and If-None-Match: a part lies within the file, and a tag that is alone in a
 * list is found in it. The first line is the field, the file's size its first eight bytes. */
#include "http/http_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t length = 0, offset = 0, len = 0;
    if (size < sizeof length)
        return 0;
    memcpy(&length, data, sizeof length);
    length >>= 1; /* as large as a file can be */
    data += sizeof length;
    size -= sizeof length;
    SK_OWN(free) char *text = malloc(size + 1);
    SK_OWN(free) char *list = malloc(size + 8);
    if (!text || !list)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    switch (sk_range_parse(text, length, &offset, &len)) {
    case SK_RANGE_PART:
        if (len == 0 || offset >= length || len > length - offset)
            abort();
        break;
    default:
        if (offset != 0 || len != 0)
            abort();
    }
    (void)sk_etag_in(text, "tag");
    if (!strpbrk(text, "\"")) {
        (void)snprintf(list, size + 8, "W/\"%s\"", text);
        if (!sk_etag_in(list, text))
            abort();
    }
    return 0;
}
