/*
 * zip.c - finds the entries of a zip archive (PKWARE's APPNOTE 6.3, sections 4.3 to 4.5).
 *
 *     (local header | data)* | central directory | [zip64 end | zip64 locator] | end | comment
 *
 * The end is looked for from the back; from there everything is found by offsets, each checked
 * against the file. Where 32 bits hold ffffffff the zip64 extra field has the value. Entries may
 * share bytes, which does no harm to a reader; two of one name are refused, since readers disagree
 * about which one counts. Checksums are not compared: that would read all of the file, and PyTorch
 * can leave them out.
 */
#include "weights/zip_priv.h"

#include "base/cleanup.h"

#include <endian.h>

enum {
    LOCAL_BYTES = 30,
    CENTRAL_BYTES = 46,
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR_BYTES = 20,
    COMMENT_MAX = 65535,
    FLAG_ENCRYPTED = 1,
    EXTRA_ZIP64 = 1
};

/* ---- numbers ---- */

static uint16_t u16(const uint8_t *p)
{
    uint16_t v = 0;

    memcpy(&v, p, sizeof v);
    return le16toh(v);
}

static uint32_t u32(const uint8_t *p)
{
    uint32_t v = 0;

    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

static uint64_t u64(const uint8_t *p)
{
    uint64_t v = 0;

    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

static bool is_signature(const uint8_t *p, uint8_t third, uint8_t fourth)
{
    return p[0] == 'P' && p[1] == 'K' && p[2] == third && p[3] == fourth;
}

static int corrupt(const char *what, struct sk_err *err)
{
    return sk_fail(err, SK_CORRUPT, "zip: %s", what);
}

bool sk_zip_is(const uint8_t *bytes, size_t len)
{
    return len >= LOCAL_BYTES && is_signature(bytes, 3, 4);
}

/* ---- the directory ---- */

struct directory {
    uint64_t offset, size, count;
};

/* Where the end record begins: the last place whose comment reaches to the end of the file. */
static int find_end(const uint8_t *bytes, size_t len, size_t *out, struct sk_err *err)
{
    for (size_t comment = 0; comment <= COMMENT_MAX && comment + END_BYTES <= len; comment++) {
        size_t at = len - END_BYTES - comment;
        if (is_signature(bytes + at, 5, 6) && u16(bytes + at + 20) == comment) {
            *out = at;
            return 0;
        }
    }
    return corrupt("no directory at the end: the file is cut off", err);
}

/* The zip64 end record, when a locator before the end points to one. */
static int read_end64(const uint8_t *bytes, size_t end, struct directory *out, struct sk_err *err)
{
    if (end < LOCATOR_BYTES || !is_signature(bytes + end - LOCATOR_BYTES, 6, 7))
        return 0;
    uint64_t at = u64(bytes + end - LOCATOR_BYTES + 8);
    size_t room = end - LOCATOR_BYTES;
    if (room < END64_BYTES || at > room - END64_BYTES || !is_signature(bytes + at, 6, 6))
        return corrupt("the zip64 end record is not where it should be", err);
    out->count = u64(bytes + at + 32);
    out->size = u64(bytes + at + 40);
    out->offset = u64(bytes + at + 48);
    return 0;
}

static int read_end(const uint8_t *bytes, size_t len, struct directory *out, struct sk_err *err)
{
    size_t end = 0;

    if (find_end(bytes, len, &end, err) < 0)
        return -1;
    out->count = u16(bytes + end + 10);
    out->size = u32(bytes + end + 12);
    out->offset = u32(bytes + end + 16);
    if (read_end64(bytes, end, out, err) < 0)
        return -1;
    if (out->offset > end || out->size > end - out->offset)
        return corrupt("the directory lies outside of the file", err);
    if (out->count > out->size / CENTRAL_BYTES)
        return corrupt("the directory is too small for its entries", err);
    if (out->count > SK_ZIP_MAX_ENTRIES)
        return sk_fail(err, SK_LIMIT, "zip: more than %d entries", SK_ZIP_MAX_ENTRIES);
    return 0;
}

/* ---- an entry ---- */

/* What the directory says of an entry; values that were ffffffff are those of zip64. */
struct central {
    struct sk_view name;
    uint16_t flags, method;
    uint64_t packed, size, offset;
};

static int fail_entry(const struct sk_view *name, enum sk_code code, const char *what,
                      struct sk_err *err)
{
    int len = name->len < 100 ? (int)name->len : 100;

    if (!sk_utf8_valid(name->ptr, (size_t)len) || memchr(name->ptr, '\0', (size_t)len))
        return sk_fail(err, code, "zip: an entry %s", what);
    return sk_fail(err, code, "zip: entry '%.*s' %s", len, name->ptr, what);
}

/* Takes the next value of a zip64 field into *value if that is ffffffff. */
static bool take64(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
    if (*value != UINT32_MAX)
        return true;
    if (end - *at < 8)
        return false;
    *value = u64(*at);
    *at += 8;
    return true;
}

static bool read_extra(const uint8_t *at, const uint8_t *end, struct central *c)
{
    while (end - at >= 4) {
        uint16_t id = u16(at), size = u16(at + 2);
        at += 4;
        if (size > end - at)
            return false;
        if (id == EXTRA_ZIP64) {
            const uint8_t *stop = at + size;
            return take64(&at, stop, &c->size) && take64(&at, stop, &c->packed) &&
                   take64(&at, stop, &c->offset);
        }
        at += size;
    }
    return true;
}

/* Reads the record at *at of the directory that ends at end, and moves behind it. */
static int read_central(const uint8_t **at, const uint8_t *end, struct central *out,
                        struct sk_err *err)
{
    const uint8_t *p = *at;

    if (end - p < CENTRAL_BYTES || !is_signature(p, 1, 2))
        return corrupt("the directory is damaged", err);
    size_t name = u16(p + 28), extra = u16(p + 30), comment = u16(p + 32);
    if ((size_t)(end - p) - CENTRAL_BYTES < name + extra + comment)
        return corrupt("the directory is cut off", err);
    *out = (struct central){
        .name = { (const char *)p + CENTRAL_BYTES, name },
        .flags = u16(p + 8),
        .method = u16(p + 10),
        .packed = u32(p + 20),
        .size = u32(p + 24),
        .offset = u32(p + 42),
    };
    p += CENTRAL_BYTES + name;
    if (!read_extra(p, p + extra, out))
        return fail_entry(&out->name, SK_CORRUPT, "has a damaged extra field", err);
    *at = p + extra + comment;
    return 0;
}

/* Finds the data of an entry; they lie before the directory, in the first room bytes. */
static int find_data(const uint8_t *bytes, size_t room, const struct central *c,
                     struct sk_zip_entry *out, struct sk_err *err)
{
    out->is_packed = c->method != 0 || (c->flags & FLAG_ENCRYPTED);
    if (!out->is_packed && c->packed != c->size)
        return fail_entry(&c->name, SK_CORRUPT, "is stored but has two sizes", err);
    if (room < LOCAL_BYTES || c->offset > room - LOCAL_BYTES ||
        !is_signature(bytes + c->offset, 3, 4))
        return fail_entry(&c->name, SK_CORRUPT, "is not where the directory says", err);
    const uint8_t *local = bytes + c->offset;
    size_t left = room - (size_t)c->offset - LOCAL_BYTES;
    size_t name = u16(local + 26), extra = u16(local + 28);
    if (name + extra > left || c->packed > left - name - extra)
        return fail_entry(&c->name, SK_CORRUPT, "reaches into the directory", err);
    if (name != c->name.len || memcmp(local + LOCAL_BYTES, c->name.ptr, name) != 0)
        return fail_entry(&c->name, SK_CORRUPT, "has another name in its own header", err);
    out->name = c->name;
    out->data.ptr = (const char *)local + LOCAL_BYTES + name + extra;
    out->data.len = (size_t)c->packed;
    return 0;
}

/* ---- all entries ---- */

static int by_name(const void *a, const void *b)
{
    const struct sk_view *x = &((const struct sk_zip_entry *)a)->name;
    const struct sk_view *y = &((const struct sk_zip_entry *)b)->name;
    int order = memcmp(x->ptr, y->ptr, x->len < y->len ? x->len : y->len);

    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

int sk_zip_open(const uint8_t *bytes, size_t len, struct sk_zip *out, struct sk_err *err)
{
    SK_AUTO(sk_zip_done) struct sk_zip zip = { 0 };
    struct directory dir = { 0 };

    if (read_end(bytes, len, &dir, err) < 0)
        return -1;
    zip.entries = calloc((size_t)dir.count + 1, sizeof *zip.entries);
    if (!zip.entries)
        return sk_nomem(err);
    const uint8_t *at = bytes + dir.offset, *end = at + dir.size;
    for (; zip.count < dir.count; zip.count++) {
        struct central c;
        if (read_central(&at, end, &c, err) < 0 ||
            find_data(bytes, (size_t)dir.offset, &c, &zip.entries[zip.count], err) < 0)
            return -1;
    }
    qsort(zip.entries, zip.count, sizeof *zip.entries, by_name);
    for (size_t i = 1; i < zip.count; i++)
        if (by_name(&zip.entries[i - 1], &zip.entries[i]) == 0)
            return fail_entry(&zip.entries[i].name, SK_CORRUPT, "is there twice", err);
    *out = zip;
    zip = (struct sk_zip){ 0 };
    return 0;
}

void sk_zip_done(struct sk_zip *zip)
{
    free(zip->entries);
    *zip = (struct sk_zip){ 0 };
}

/* Orders the text a, b before, at or behind the name. */
static int compare_joined(struct sk_view a, struct sk_view b, struct sk_view name)
{
    struct sk_zip_entry head = { .name = a };
    struct sk_zip_entry start = { .name = { name.ptr, name.len < a.len ? name.len : a.len } };
    int order = by_name(&head, &start);

    if (order != 0)
        return order;
    head.name = b;
    start.name = (struct sk_view){ name.ptr + a.len, name.len - a.len };
    return by_name(&head, &start);
}

const struct sk_zip_entry *sk_zip_find(const struct sk_zip *zip, struct sk_view a, struct sk_view b)
{
    size_t low = 0, high = zip->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_joined(a, b, zip->entries[middle].name);
        if (order == 0)
            return &zip->entries[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

int sk_zip_read(const struct sk_zip *zip, struct sk_view a, struct sk_view b, struct sk_view *out,
                struct sk_err *err)
{
    const struct sk_zip_entry *e = sk_zip_find(zip, a, b);

    if (!e)
        return fail_entry(&b, SK_NOT_FOUND, "is missing", err);
    if (e->is_packed)
        return fail_entry(&e->name, SK_UNSUPPORTED,
                          "is compressed or encrypted; torch.save never does that", err);
    *out = e->data;
    return 0;
}
