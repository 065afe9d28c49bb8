/*
 * torch_zip.c - PyTorch's container since 1.6: a zip archive of stored entries.
 *
 *     NAME/data.pkl     the object; persistent ids name storages by key
 *     NAME/data/KEY     the bytes of a storage
 *     NAME/byteorder    "little" or "big"; absent in older files, which are little
 *
 * and others that say nothing about tensors. An archive with NAME/constants.pkl is TorchScript:
 * code with its tensors beside it.
 */
#include "base/buf.h"
#include "weights/torch_priv.h"
#include "weights/zip_priv.h"

#define OBJECT "/data.pkl"
#define ORDER  "/byteorder"

/* "NAME" of the one entry "NAME/data.pkl". */
static int find_name(const struct sk_zip *zip, struct sk_view *out, struct sk_err *err)
{
    const size_t tail = strlen(OBJECT);
    size_t found = 0;

    for (size_t i = 0; i < zip->count; i++) {
        struct sk_view name = zip->entries[i].name;
        if (name.len <= tail || memcmp(name.ptr + name.len - tail, OBJECT, tail) != 0 ||
            memchr(name.ptr, '/', name.len - tail))
            continue;
        *out = (struct sk_view){ name.ptr, name.len - tail };
        found++;
    }
    if (found == 0)
        return sk_fail(err, SK_UNSUPPORTED, "a zip archive that torch.save did not write");
    if (found > 1)
        return sk_fail(err, SK_CORRUPT, "an archive with more than one data.pkl");
    return 0;
}

/* Kinds of archives that have a data.pkl and are not ours to read. */
static int check_kind(const struct sk_zip *zip, struct sk_view name, struct sk_err *err)
{
    struct sk_view order = SK_VIEW("little");

    if (sk_zip_find(zip, name, SK_VIEW("/constants.pkl")))
        return sk_fail(err, SK_UNSUPPORTED,
                       "a TorchScript archive; save the tensors alone: "
                       "torch.save(model.state_dict(), FILE)");
    if (sk_zip_find(zip, name, SK_VIEW(ORDER)) &&
        sk_zip_read(zip, name, SK_VIEW(ORDER), &order, err) < 0)
        return -1;
    if (!sk_view_eq(order, "little"))
        return sk_fail(err, SK_UNSUPPORTED, "a file of a big-endian machine");
    return 0;
}

/* An entry that the archive should have is not there: the file's fault. */
static int missing(struct sk_err *err)
{
    if (err->code == SK_NOT_FOUND)
        err->code = SK_CORRUPT;
    return sk_wrap(err, "data");
}

/* Where each storage of the pickle lies. */
static int find_storages(const struct sk_zip *zip, struct sk_view name, const struct sk_pickle *p,
                         const uint8_t **data, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf folder = SK_BUF_INIT(UINT16_MAX + 16);

    sk_buf_add(&folder, name.ptr, name.len);
    sk_buf_str(&folder, "/data/");
    if (!sk_buf_ok(&folder))
        return sk_buf_fail(&folder, err);
    const struct sk_view prefix = { folder.data, folder.len };
    for (uint32_t i = 0; i < p->storages.count; i++) {
        const struct sk_pickle_storage *s = sk_pickle_storage(p, i);
        size_t size = sk_dtype_size(s->dtype);
        struct sk_view bytes = { 0 };
        if (sk_zip_read(zip, prefix, s->key, &bytes, err) < 0)
            return missing(err);
        if (s->first + s->count > bytes.len / size)
            return sk_fail(err, SK_CORRUPT,
                           "storage %u has %zu bytes, %zu elements of %zu are named", i, bytes.len,
                           s->first + s->count, size);
        data[i] = (const uint8_t *)bytes.ptr + s->first * size;
    }
    return 0;
}

static int read_archive(struct sk_weights *w, const struct sk_zip *zip, struct sk_pickle *p,
                        struct sk_err *err)
{
    SK_OWN(free) const uint8_t **data = NULL;
    struct sk_view name = { 0 }, pickle = { 0 };
    uint32_t object = 0;

    if (find_name(zip, &name, err) < 0 || check_kind(zip, name, err) < 0 ||
        sk_zip_read(zip, name, SK_VIEW(OBJECT), &pickle, err) < 0)
        return -1;
    if (sk_torch_load(p, &pickle, &object, err) < 0)
        return sk_wrap(err, "data.pkl");
    data = calloc((size_t)p->storages.count + 1, sizeof *data);
    if (!data)
        return sk_nomem(err);
    if (find_storages(zip, name, p, data, err) < 0)
        return -1;
    return sk_torch_fill(w, p, object, data, err);
}

int sk_torch_zip_read(struct sk_weights *w, const uint8_t *bytes, size_t len, struct sk_err *err)
{
    SK_AUTO(sk_zip_done) struct sk_zip zip = { 0 };
    SK_AUTO(sk_pickle_done) struct sk_pickle p = { 0 };

    w->format = "pytorch zip";
    if (sk_zip_open(bytes, len, &zip, err) < 0)
        return -1;
    return read_archive(w, &zip, &p, err);
}
