/* fixture.h - a store of its own for each test, and images in it. */
#ifndef SK_TESTS_IMAGES_FIXTURE_H
#define SK_TESTS_IMAGES_FIXTURE_H

#include "images/images.h"

#include "base/buf.h"
#include "store/store.h"

struct fixture {
    char *dir;
    struct sk_store *store;
    struct sk_who who;
};

/* cmocka's setup and teardown: *state is a struct fixture. */
int fixture_open(void **state);
int fixture_close(void **state);

/* Uploads bytes to a repository. */
void put_blob(struct fixture *f, const char *repository, const char *bytes,
              char digest[SK_DIGEST_TEXT]);
/* The same, announced by its sha512. */
void put_blob_512(struct fixture *f, const char *repository, const char *bytes,
                  char digest[SK_DIGEST_TEXT]);
/* The text of a manifest with that config and these layers (NULL: none); more is text to put
 * before the last brace, as ",\"subject\":{..}". */
void manifest_text(struct sk_buf *out, const char *config, const char *layer, const char *more);
/* A descriptor: {"mediaType":TYPE,"digest":..,"size":..} */
void descriptor_text(struct sk_buf *out, const char *type, const char *digest, size_t size);
/* 0, or -1 with err. */
int put_manifest(struct fixture *f, const char *repository, const char *reference,
                 const struct sk_buf *text, struct sk_manifest_info *info, struct sk_err *err);
/* A whole image of one layer that says `word`; its manifest's digest. */
void put_image(struct fixture *f, const char *repository, const char *tag, const char *word,
               char digest[SK_DIGEST_TEXT]);
/* The first column of a query's first row. */
int64_t number_of(struct fixture *f, const char *sql);
/* Fails the test unless rc is -1 with this code and a text that begins so. */
void assert_failed(int rc, const struct sk_err *err, enum sk_code code, const char *begins);
void assert_ok(int rc, const struct sk_err *err);

#endif
