/* device_test.h - devices of the hub of hub_test.h, and what they send. */
#ifndef SK_TESTS_CLI_DEVICE_TEST_H
#define SK_TESTS_CLI_DEVICE_TEST_H

#include "cli_test.h"
#include "hub_test.h"

/* One that sends with DEVICE_TEST_KEY. */
#define DEVICE_TEST_KEY "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
void device_test_make(const char *id);
/* A message of it, kept when the call returns. type NULL: none. */
void device_test_send(const char *id, const char *body, const char *type);

/* A deployment manifest with one module "filter" as dir/name: one that is right, one with a
 * warning, one with two errors, a layer. */
enum device_test_manifest {
    MANIFEST_GOOD,
    MANIFEST_WARNING,
    MANIFEST_BAD,
    MANIFEST_LAYER
};

void device_test_manifest(const char *dir, const char *name, enum device_test_manifest kind);

#endif
