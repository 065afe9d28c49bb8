/*
 * digest.c - one name for all that a dataset holds.
 *
 * SHA-256 over one line for each class and one for each sample, in order:
 *
 *     class <name> NUL
 *     <path below the root> NUL <SHA-256 of the file, hex> NUL
 *
 * A file that cannot be read has an empty digest, so that a dataset with a broken picture has a
 * name too.
 */
#include "dataset/dataset_priv.h"

#include <stdlib.h>
#include <string.h>

int sk_dataset_digest_of(const struct sk_dataset *d, const struct sk_hex *files, char *out,
                         struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SIZE_MAX);
    const size_t root = strlen(d->root);

    for (size_t i = 0; i < d->class_count; i++) {
        sk_buf_str(&text, "class ");
        sk_buf_add(&text, d->classes[i], strlen(d->classes[i]) + 1);
    }
    for (size_t i = 0; i < d->count; i++) {
        const char *below = d->samples[i].path + root;
        below += *below == '/';
        sk_buf_add(&text, below, strlen(below) + 1);
        sk_buf_add(&text, files[i].text, strlen(files[i].text) + 1);
    }
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    return sk_sha256_hex(text.data, text.len, out, err);
}

int sk_dataset_digest(const struct sk_dataset *d, char *out, struct sk_err *err)
{
    SK_OWN(free) struct sk_hex *files = calloc(d->count + 1, sizeof *files);
    SK_AUTO(sk_buf_done) struct sk_buf bytes = SK_BUF_INIT(SIZE_MAX);

    if (!files)
        return sk_nomem(err);
    for (size_t i = 0; i < d->count; i++) {
        struct sk_err why = SK_ERR_INIT;
        if (sk_picture_read(d->samples[i].path, NULL, &bytes, NULL, &why) == 0) {
            if (sk_sha256_hex(bytes.data, bytes.len, files[i].text, err) < 0)
                return -1;
        } else if (why.code == SK_NOMEM) {
            return sk_nomem(err);
        }
    }
    return sk_dataset_digest_of(d, files, out, err);
}
