/* test_external.c - locations of external data: what is inside the folder works, everything else is
 * refused. */
#include "onnx/onnx_priv.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/golden.h"

static char *root;   /* holds model/ and what lies outside it */
static char *folder; /* root/model */

static void put(const char *name, size_t len)
{
    SK_AUTO(free_cleanup) char *path = sk_path_join(root, name);
    static const char zeros[4096];
    struct sk_err err = SK_ERR_INIT;

    if (sk_file_write(path, zeros, len, 0600, &err) < 0)
        fail_msg("%s", err.text);
}

static void make_link(const char *to, const char *name)
{
    SK_AUTO(free_cleanup) char *path = sk_path_join(root, name);

    if (symlink(to, path) != 0)
        fail_msg("cannot make '%s'", path);
}

static int make_folders(void **state)
{
    SK_AUTO(free_cleanup) char *inner = NULL;
    SK_AUTO(free_cleanup) char *address = NULL;
    SK_AUTO(free_cleanup) char *fifo = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    root = sk_test_dir();
    folder = sk_path_join(root, "model");
    inner = sk_path_join(folder, "sub/deep");
    address = sk_path_join(folder, "*/_ORT_MEM_ADDR_");
    fifo = sk_path_join(folder, "fifo");
    if (sk_mkdirs(inner, 0700, &err) < 0 || sk_mkdirs(address, 0700, &err) < 0 ||
        mkfifo(fifo, 0600) != 0)
        return -1;
    put("outside.bin", 100);
    put("model/w.bin", 100);
    put("model/empty.bin", 0);
    put("model/sub/deep/w.bin", 50);
    put("model/*/_ORT_MEM_ADDR_/x", 100);
    make_link("w.bin", "model/link.bin");
    make_link("../outside.bin", "model/out.bin");
    make_link("sub", "model/linkdir");
    make_link("nowhere", "model/dangling");
    return 0;
}

static int drop_folders(void **state)
{
    (void)state;
    sk_test_dir_free(root);
    free(folder);
    return 0;
}

#define V(text)                                                                                    \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
#define NO                                                                                         \
    {                                                                                              \
        NULL, 0                                                                                    \
    }

/* [bundle-33] [bundle-34] */
static void locations(void **state)
{
    static const struct {
        const char *name;
        struct sk_onnx_location at;
        uint64_t tensor_bytes;
        enum sk_code code;
        const char *text;
    } rows[] = {
        { "whole file", { V("w.bin"), NO, NO }, 100, SK_OK, NULL },
        { "a part", { V("w.bin"), V("40"), V("60") }, 60, SK_OK, NULL },
        { "the end", { V("w.bin"), V("100"), V("0") }, 0, SK_OK, NULL },
        { "padded length", { V("w.bin"), V("0"), V("64") }, 60, SK_OK, NULL },
        { "deeper", { V("sub/deep/w.bin"), V("0"), V("50") }, 50, SK_OK, NULL },
        { "empty tensor", { V("empty.bin"), NO, NO }, 0, SK_OK, NULL },
        { "leading zeros", { V("w.bin"), V("0007"), NO }, 4, SK_OK, NULL },
        { "no location", { NO, V("0"), V("1") }, 1, SK_CORRUPT, "without a location" },
        { "empty location", { V(""), NO, NO }, 1, SK_CORRUPT, "without a location" },
        { "missing",
          { V("gone.bin"), NO, NO },
          1,
          SK_NOT_FOUND,
          "'gone.bin' is missing: it belongs beside the model" },
        { "missing folder",
          { V("gone/w.bin"), NO, NO },
          1,
          SK_NOT_FOUND,
          "'gone/w.bin' is missing" },
        { "absolute", { V("/etc/passwd"), NO, NO }, 1, SK_INVALID, "not a plain relative name" },
        { "parent", { V("../outside.bin"), NO, NO }, 1, SK_INVALID, "not a plain relative name" },
        { "parent within",
          { V("sub/../w.bin"), NO, NO },
          1,
          SK_INVALID,
          "not a plain relative name" },
        { "parent at the end",
          { V("sub/.."), NO, NO },
          1,
          SK_INVALID,
          "not a plain relative name" },
        { "dot", { V("./w.bin"), NO, NO }, 1, SK_INVALID, "not a plain relative name" },
        { "two slashes",
          { V("sub//deep/w.bin"), NO, NO },
          1,
          SK_INVALID,
          "not a plain relative name" },
        { "slash at the end", { V("w.bin/"), NO, NO }, 1, SK_INVALID, "not a plain relative name" },
        { "backslash",
          { V("..\\outside.bin"), NO, NO },
          1,
          SK_INVALID,
          "not a plain relative name" },
        { "NUL", { V("w.bin\0x"), NO, NO }, 1, SK_INVALID, "NUL" },
        { "link", { V("link.bin"), NO, NO }, 1, SK_INVALID, "a link" },
        { "link outside", { V("out.bin"), NO, NO }, 1, SK_INVALID, "a link" },
        { "link to a folder", { V("linkdir/deep/w.bin"), NO, NO }, 1, SK_INVALID, "a link" },
        { "dangling link", { V("dangling"), NO, NO }, 1, SK_INVALID, "a link" },
        { "folder", { V("sub"), NO, NO }, 1, SK_INVALID, "not a regular file" },
        { "fifo", { V("fifo"), NO, NO }, 1, SK_INVALID, "not a regular file" },
        { "through a file", { V("w.bin/x"), NO, NO }, 1, SK_IO, "w.bin/x" },
        { "memory address",
          { V("*/_ORT_MEM_ADDR_/x"), NO, NO },
          1,
          SK_INVALID,
          "an address in memory" },
        { "one byte too long",
          { V("w.bin"), V("41"), V("60") },
          60,
          SK_CORRUPT,
          "60 bytes from 41 are wanted, the file has 100" },
        { "tensor longer than length",
          { V("w.bin"), V("90"), V("4") },
          60,
          SK_CORRUPT,
          "60 bytes from 90" },
        { "offset beyond", { V("w.bin"), V("101"), V("0") }, 0, SK_CORRUPT, "0 bytes from 101" },
        { "negative offset",
          { V("w.bin"), V("-1"), NO },
          1,
          SK_CORRUPT,
          "the offset '-1' is not a number" },
        { "negative length",
          { V("w.bin"), NO, V("-5") },
          1,
          SK_CORRUPT,
          "the length '-5' is not a number" },
        { "hexadecimal", { V("w.bin"), V("0x10"), NO }, 1, SK_CORRUPT, "not a number" },
        { "empty offset", { V("w.bin"), V(""), NO }, 1, SK_CORRUPT, "the offset is empty" },
        { "largest",
          { V("w.bin"), V("9223372036854775807"), V("9223372036854775807") },
          1,
          SK_CORRUPT,
          "9223372036854775807 bytes from 9223372036854775807" },
        { "overflow",
          { V("w.bin"), V("9223372036854775808"), NO },
          1,
          SK_CORRUPT,
          "not a number from 0 to 2^63-1" },
        { "long overflow",
          { V("w.bin"), V("99999999999999999999999999"), NO },
          1,
          SK_CORRUPT,
          "not a number" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_AUTO(sk_onnx_external_done) struct sk_onnx_external x = { .folder_fd = -1 };
        struct sk_err err = SK_ERR_INIT;
        int rc;

        assert_int_equal(sk_onnx_external_init(&x, folder, &err), 0);
        rc = sk_onnx_external_check(&x, &rows[i].at, rows[i].tensor_bytes, &err);
        if ((rc == 0) != (rows[i].code == SK_OK) || (rc < 0 && err.code != rows[i].code))
            fail_msg("row '%s': %s: %s", rows[i].name, sk_code_name(err.code),
                     rc < 0 ? err.text : "accepted");
        if (rc < 0 && !strstr(err.text, rows[i].text))
            fail_msg("row '%s': %s", rows[i].name, err.text);
    }
}

static void a_long_location(void **state)
{
    SK_AUTO(sk_onnx_external_done) struct sk_onnx_external x = { .folder_fd = -1 };
    struct sk_err err = SK_ERR_INIT;
    char text[2000];
    struct sk_onnx_location at = { .location = { text, 1023 } };

    (void)state;
    memset(text, 'a', sizeof(text));
    assert_int_equal(sk_onnx_external_init(&x, folder, &err), 0);
    assert_int_equal(sk_onnx_external_check(&x, &at, 1, &err), -1);
    assert_int_not_equal(err.code, SK_INVALID); /* the file system's own limit */
    at.location.len = 1024;
    assert_int_equal(sk_onnx_external_check(&x, &at, 1, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
}

static void without_a_folder(void **state)
{
    SK_AUTO(sk_onnx_external_done) struct sk_onnx_external x = { .folder_fd = -1 };
    struct sk_err err = SK_ERR_INIT;
    struct sk_onnx_location at = { .location = V("w.bin") };

    (void)state;
    assert_int_equal(sk_onnx_external_init(&x, NULL, &err), 0);
    assert_int_equal(sk_onnx_external_check(&x, &at, 1, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_int_equal(sk_onnx_external_init(&x, "/nonexistent", &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
}

static void files_are_counted_once(void **state)
{
    static const struct sk_onnx_location at[] = {
        { V("w.bin"), NO, NO },
        { V("sub/deep/w.bin"), NO, NO },
        { V("w.bin"), V("50"), NO },
        { V("sub/deep/w.bin"), NO, NO },
    };
    SK_AUTO(sk_onnx_external_done) struct sk_onnx_external x = { .folder_fd = -1 };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_onnx_external_init(&x, folder, &err), 0);
    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++)
        assert_int_equal(sk_onnx_external_check(&x, &at[i], 4, &err), 0);
    assert_int_equal(x.count, 2);
    assert_string_equal(x.names[1], "sub/deep/w.bin");
    assert_int_equal(x.sizes[0], 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(locations),
        cmocka_unit_test(a_long_location),
        cmocka_unit_test(without_a_folder),
        cmocka_unit_test(files_are_counted_once),
    };

    return cmocka_run_group_tests(tests, make_folders, drop_folders);
}
