/* image_test.h - images for tests of the commands about them. */
#ifndef SK_TESTS_CLI_IMAGE_TEST_H
#define SK_TESTS_CLI_IMAGE_TEST_H

#include "oci/oci.h"

enum image_layer {
    IMAGE_PLAIN = 0,     /* a tar without a mark */
    IMAGE_MODEL = 1,     /* models/cats/model.onnx, marked as the model's layer */
    IMAGE_MODEL_TWO = 2, /* two models in it */
    IMAGE_MODEL_LINK = 3,
    IMAGE_MODEL_FILE = 4, /* models/cats is a file */
    IMAGE_MODEL_ELSEWHERE = 5
};

/* Adds an image to DIR/layout (made when missing) under a tag. */
void image_test_add(const char *dir, const char *tag, const char *architecture,
                    const enum image_layer *layers, size_t count, char digest[SK_OCI_DIGEST_TEXT]);
/* An index of two such images, for linux/amd64 and linux/arm64, under a tag. */
void image_test_index(const char *dir, const char *tag, char arm64[SK_OCI_DIGEST_TEXT]);
/* Both: "v1", a plain layer and a model's, and the index "multi". */
void image_test_pair(const char *dir);
/* DIR/layout as the tar file DIR/NAME. */
void image_test_archive(const char *dir, const char *name);

#endif
