/* models_util.c - see models_util.h. */
#include "models/models_util.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int place_set_up(void **state)
{
    static const char *const texts[BLOBS] = { "one", "two", "three" };
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct place *p = calloc(1, sizeof(*p));

    assert_non_null(p);
    p->top = sk_test_dir();
    p->out = (struct sk_buf)SK_BUF_INIT(64u << 20);
    p->who.role = SK_ROLE_PUBLISHER;
    (void)snprintf(p->who.name, sizeof(p->who.name), "ada");
    (void)snprintf(p->dir, sizeof(p->dir), "%s/hub", p->top);
    DONE(sk_store_create(p->dir, &err));
    DONE(sk_store_open(p->dir, &p->store, &err));
    DONE(sk_db_begin(sk_store_db(p->store), SK_DB_WRITE, &tx, &err));
    for (unsigned i = 0; i < BLOBS; i++)
        DONE(sk_blob_put(p->store, tx, SK_SHA256, texts[i], strlen(texts[i]), p->blobs[i], &err));
    DONE(sk_tx_commit(&tx, &err));
    *state = p;
    return 0;
}

int place_tear_down(void **state)
{
    struct place *p = *state;

    sk_store_close(p->store);
    sk_test_dir_free(p->top);
    sk_buf_done(&p->out);
    free(p);
    return 0;
}

const char *answer(struct place *p)
{
    static char *text;
    const char *from = p->out.data ? p->out.data : "";
    char *to;

    free(text);
    text = to = malloc(strlen(from) + 1);
    assert_non_null(text);
    while (*from) {
        size_t digits = strspn(from, "0123456789");

        if (digits == 13 && (to == text || to[-1] == ':')) {
            *to++ = 'T';
            from += digits;
        } else {
            *to++ = *from++;
        }
    }
    *to = 0;
    sk_buf_clear(&p->out);
    return text;
}

void make_model(struct place *p, const char *name)
{
    struct sk_err err = SK_ERR_INIT;

    DONE(sk_model_create(p->store, &p->who, name, NULL, NULL, 0, &p->out, &err));
    sk_buf_clear(&p->out);
}

uint64_t make_version(struct place *p, const char *name, unsigned blob)
{
    const struct sk_model_file file = { "model.onnx", p->blobs[blob] };
    const struct sk_version_new v = {
        .name = name, .make_model = true, .files = &file, .file_count = 1
    };
    struct sk_err err = SK_ERR_INIT;
    uint64_t version = 0;

    DONE(sk_version_create(p->store, &p->who, &v, &version, &p->out, &err));
    sk_buf_clear(&p->out);
    return version;
}

void put_artifact(struct place *p, const char *path, unsigned blob)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_err err = SK_ERR_INIT;

    DONE(sk_db_begin(sk_store_db(p->store), SK_DB_WRITE, &tx, &err));
    DONE(sk_artifact_put(tx, path, p->blobs[blob], &err));
    DONE(sk_tx_commit(&tx, &err));
}

int64_t ask(struct place *p, const char *sql)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    struct sk_err err = SK_ERR_INIT;

    DONE(sk_db_begin(sk_store_db(p->store), SK_DB_READ, &tx, &err));
    DONE(sk_tx_query(tx, &s, &err, sql, ""));
    assert_int_equal(sk_stmt_next(s, &err), 1);
    return sk_stmt_int(s, 0);
}

char *repeat(const char *text, size_t n)
{
    size_t len = strlen(text);
    char *out = malloc(len * n + 1);

    assert_non_null(out);
    for (size_t i = 0; i < n; i++)
        memcpy(out + i * len, text, len);
    out[len * n] = 0;
    return out;
}
