/* test_elf.c - what is read of an ELF file, and what is refused. */
#include "pack/elf_made.h"
#include "pack/pack_priv.h"

#include "harness/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct sk_elf_made full = { .interp = "/lib/ld.so",
                                         .runpath = "$ORIGIN/../lib",
                                         .rpath = "/old",
                                         .needed = { "liba.so.1", "libb.so.2" },
                                         .junk = 5000 };

static void what_is_read(void **state)
{
    (void)state;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_elf_done) struct sk_elf e = { 0 };
    struct sk_err err = SK_ERR_INIT;

    sk_elf_make(&full, &b);
    if (sk_elf_parse(b.data, b.len, &e, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(e.interp, "/lib/ld.so");
    assert_string_equal(e.rpath, "$ORIGIN/../lib");
    assert_true(e.is_runpath && e.is_64);
    assert_int_equal(e.needed_count, 2);
    assert_string_equal(e.needed[0], "liba.so.1");
    assert_string_equal(e.needed[1], "libb.so.2");
    assert_int_equal(e.loaded_bytes, 1024);
}

static void only_rpath(void **state)
{
    (void)state;
    const struct sk_elf_made made = { .rpath = "/old" };
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_elf_done) struct sk_elf e = { 0 };
    struct sk_err err = SK_ERR_INIT;

    sk_elf_make(&made, &b);
    assert_int_equal(sk_elf_parse(b.data, b.len, &e, &err), 0);
    assert_string_equal(e.rpath, "/old");
    assert_false(e.is_runpath);
    assert_null(e.interp);
    assert_int_equal(e.needed_count, 0);
}

static void a_real_one(void **state)
{
    (void)state;
    SK_AUTO(sk_elf_done) struct sk_elf e = { 0 };
    struct sk_err err = SK_ERR_INIT;
    bool has_libc = false;

    if (sk_elf_read("/proc/self/exe", &e, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < e.needed_count; i++)
        has_libc |= strcmp(e.needed[i], "libc.so.6") == 0;
    assert_true(has_libc);
    assert_non_null(e.interp);
    assert_string_not_equal(sk_elf_architecture(&e), "");
}

static void not_elf(void **state)
{
    (void)state;

    static const struct {
        const char *name, *bytes;
        size_t len;
        enum sk_code code;
    } rows[] = {
        { "nothing", "", 0, SK_INVALID },
        { "a script", "#!/bin/sh\n", 10, SK_INVALID },
        { "its first bytes",
          "\x7f"
          "ELF",
          4, SK_CORRUPT },
        { "other order",
          "\x7f"
          "ELF\2\2\1...........................................................",
          64, SK_INVALID },
        { "no class",
          "\x7f"
          "ELF\7\1\1...........................................................",
          64, SK_INVALID },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_elf e = { 0 };
        struct sk_err err = SK_ERR_INIT;
        if (sk_elf_parse(rows[i].bytes, rows[i].len, &e, &err) == 0 || err.code != rows[i].code)
            fail_msg("%s: %s", rows[i].name, err.text);
    }
}

/* Wherever it ends, and whatever one byte of its headers says: an answer or an error. */
static void damage(void **state)
{
    (void)state;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    struct sk_elf_made made = full;
    size_t refused = 0;

    made.junk = 0;
    sk_elf_make(&made, &b);
    for (size_t len = 0; len < b.len; len++) {
        struct sk_elf e = { 0 };
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(free) char *copy = malloc(len + 1); /* so that a sanitizer sees the end */
        assert_non_null(copy);
        memcpy(copy, b.data, len);
        assert_int_equal(sk_elf_parse(copy, len, &e, &err), -1);
    }
    for (size_t i = 0; i < 700; i++) {
        for (int k = 0; k < 3; k++) {
            SK_AUTO(sk_elf_done) struct sk_elf e = { 0 };
            struct sk_err err = SK_ERR_INIT;
            char before = b.data[i];
            b.data[i] = (char)(k == 0 ? 0xff : k == 1 ? 0x80 : before + 1);
            refused += sk_elf_parse(b.data, b.len, &e, &err) < 0;
            b.data[i] = before;
        }
    }
    assert_in_range(refused, 100, 1500);
}

static void architectures(void **state)
{
    (void)state;

    static const struct {
        uint16_t machine;
        bool is_64;
        const char *name;
    } rows[] = { { EM_X86_64, true, "amd64" },
                 { EM_AARCH64, true, "arm64" },
                 { EM_X86_64, false, "" },
                 { EM_ARM, false, "arm" },
                 { EM_MIPS, true, "" } };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct sk_elf e = { .machine = rows[i].machine, .is_64 = rows[i].is_64 };
        assert_string_equal(sk_elf_architecture(&e), rows[i].name);
    }
}

/* [package-12] */
static void trimmed(void **state)
{
    (void)state;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    unsigned char header[SK_ELF_HEADER];
    struct sk_err err = SK_ERR_INIT;
    uint64_t size = 0;

    sk_elf_make(&full, &b);
    const struct sk_map map = { b.data, b.len };
    assert_int_equal(sk_elf_trim(&map, header, &size, &err), 0);
    assert_int_equal(size, 1024);
    const Elf64_Ehdr *h = (const void *)header;
    assert_int_equal(h->e_shoff, 0);
    assert_int_equal(h->e_shnum, 0);
    assert_int_equal(h->e_phnum, 3);
    memcpy(b.data, header, sizeof header);
    SK_AUTO(sk_elf_done) struct sk_elf e = { 0 };
    assert_int_equal(sk_elf_parse(b.data, size, &e, &err), 0);
    assert_int_equal(e.needed_count, 2);
}

static int parse_one(void *ctx, struct sk_err *err)
{
    const struct sk_buf *b = ctx;
    SK_AUTO(sk_elf_done) struct sk_elf e = { 0 };
    return sk_elf_parse(b->data, b->len, &e, err);
}

static void allocations(void **state)
{
    (void)state;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);

    sk_elf_make(&full, &b);
    assert_true(sk_alloc_sweep("elf", parse_one, &b, 0) >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read), cmocka_unit_test(only_rpath),
        cmocka_unit_test(a_real_one),   cmocka_unit_test(not_elf),
        cmocka_unit_test(damage),       cmocka_unit_test(architectures),
        cmocka_unit_test(trimmed),      cmocka_unit_test(allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
