/* fixture.c - see fixture.h. */
#include "fixture.h"

#include "harness/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

int fixture_open(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct fixture *f = calloc(1, sizeof *f);
    char path[4096];

    assert_non_null(f);
    f->dir = sk_test_dir();
    (void)snprintf(path, sizeof path, "%s/hub", f->dir);
    f->who = (struct sk_who){ .name = "tester", .peer = "192.0.2.1:9", .role = SK_ROLE_PUBLISHER };
    assert_ok(sk_store_create(path, &err), &err);
    assert_ok(sk_store_open(path, &f->store, &err), &err);
    *state = f;
    return 0;
}

int fixture_close(void **state)
{
    struct fixture *f = *state;
    sk_store_close(f->store);
    sk_test_dir_free(f->dir);
    free(f);
    return 0;
}

void assert_ok(int rc, const struct sk_err *err)
{
    if (rc < 0)
        fail_msg("%s: %s", sk_code_name(err->code), err->text);
}

void assert_failed(int rc, const struct sk_err *err, enum sk_code code, const char *begins)
{
    if (rc >= 0 || err->code != code || strncmp(err->text, begins, strlen(begins)) != 0)
        fail_msg("expected %s '%s', got %d %s '%s'", sk_code_name(code), begins, rc,
                 sk_code_name(err->code), err->text);
}

static int belong(struct sk_tx *tx, const char *digest, uint64_t size, void *ctx,
                  struct sk_err *err)
{
    (void)size;
    return sk_repository_add_blob(tx, ctx, digest, err);
}

static void upload(struct fixture *f, const char *repository, const char *bytes, const char *want,
                   char digest[SK_DIGEST_TEXT])
{
    SK_OWN(sk_upload_suspend) struct sk_upload *u = NULL;
    struct sk_err err = SK_ERR_INIT;
    char name[SK_REPOSITORY_TEXT];

    (void)snprintf(name, sizeof name, "%s", repository);
    assert_ok(sk_upload_begin(f->store, "test", &u, &err), &err);
    assert_ok(sk_upload_write(u, bytes, strlen(bytes), &err), &err);
    assert_ok(sk_upload_finish(&u, want, belong, name, digest, &err), &err);
}

void put_blob(struct fixture *f, const char *repository, const char *bytes,
              char digest[SK_DIGEST_TEXT])
{
    upload(f, repository, bytes, NULL, digest);
}

void put_blob_512(struct fixture *f, const char *repository, const char *bytes,
                  char digest[SK_DIGEST_TEXT])
{
    struct sk_err err = SK_ERR_INIT;
    char want[SK_DIGEST_TEXT];

    assert_ok(sk_digest_of(SK_SHA512, bytes, strlen(bytes), want, &err), &err);
    upload(f, repository, bytes, want, digest);
    assert_string_equal(digest, want);
}

void descriptor_text(struct sk_buf *out, const char *type, const char *digest, size_t size)
{
    sk_buf_fmt(out, "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu}", type, digest, size);
}

void manifest_text(struct sk_buf *out, const char *config, const char *layer, const char *more)
{
    sk_buf_str(out, "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+"
                    "json\",\"config\":");
    descriptor_text(out, "application/vnd.oci.image.config.v1+json", config, 2);
    sk_buf_str(out, ",\"layers\":[");
    if (layer)
        descriptor_text(out, "application/vnd.oci.image.layer.v1.tar", layer, 5);
    sk_buf_fmt(out, "]%s}", more ? more : "");
    assert_true(sk_buf_ok(out));
}

int put_manifest(struct fixture *f, const char *repository, const char *reference,
                 const struct sk_buf *text, struct sk_manifest_info *info, struct sk_err *err)
{
    const struct sk_manifest_put put = {
        .repository = repository, .reference = reference, .bytes = text->data, .len = text->len
    };
    return sk_manifest_put(f->store, &f->who, &put, info, err);
}

void put_image(struct fixture *f, const char *repository, const char *tag, const char *word,
               char digest[SK_DIGEST_TEXT])
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 16);
    char config[SK_DIGEST_TEXT], layer[SK_DIGEST_TEXT];
    struct sk_manifest_info info;
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(strlen(word), 5);
    put_blob(f, repository, "{}", config);
    put_blob(f, repository, word, layer);
    manifest_text(&text, config, layer, NULL);
    assert_ok(put_manifest(f, repository, tag, &text, &info, &err), &err);
    memcpy(digest, info.digest, SK_DIGEST_TEXT);
}

int64_t number_of(struct fixture *f, const char *sql)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *q = NULL;
    struct sk_err err = SK_ERR_INIT;

    assert_ok(sk_db_begin(sk_store_db(f->store), SK_DB_READ, &tx, &err), &err);
    assert_ok(sk_tx_query(tx, &q, &err, sql, ""), &err);
    assert_int_equal(sk_stmt_next(q, &err), 1);
    return sk_stmt_int(q, 0);
}
