/* test_loader.c - where a library is found, and what a program maps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bundle/folders.h"
#include "harness/alloc_fail.h"
#include "pack/elf_made.h"
#include "pack/pack_priv.h"

#include <dlfcn.h>
#include <link.h>

/* Writes root/name as an ELF file. */
static void put_elf(const char *name, const struct sk_elf_made *made)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    SK_AUTO(free_cleanup) char *path = at(name);
    struct sk_err err = SK_ERR_INIT;

    put(name, "x");
    sk_elf_make(made, &b);
    assert_int_equal(sk_file_write(path, b.data, b.len, 0644, &err), 0);
}

/* An ld.so.cache with these pairs, paths below root. */
static void put_cache(const char *const (*pairs)[2], size_t count, uint64_t hwcap)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf texts = SK_BUF_INIT(1 << 20);
    SK_AUTO(free_cleanup) char *path = at("cache");
    struct sk_err err = SK_ERR_INIT;
    const uint32_t n = (uint32_t)count, start = 48 + 24 * n;

    sk_buf_str(&b, "glibc-ld.so.cache1.1");
    sk_buf_add(&b, &n, sizeof n);
    while (b.len < 48)
        sk_buf_chr(&b, '\0');
    for (size_t i = 0; i < count; i++) {
        SK_AUTO(free_cleanup) char *file = at(pairs[i][1]);
        uint32_t entry[6] = { 0x303,           start + (uint32_t)texts.len, 0, 0,
                              (uint32_t)hwcap, (uint32_t)(hwcap >> 32) };
        sk_buf_add(&texts, pairs[i][0], strlen(pairs[i][0]) + 1);
        entry[2] = start + (uint32_t)texts.len;
        sk_buf_add(&texts, file, strlen(file) + 1);
        sk_buf_add(&b, entry, sizeof entry);
    }
    sk_buf_add(&b, texts.data, texts.len);
    assert_int_equal(sk_file_write(path, b.data, b.len, 0644, &err), 0);
}

static int find(const char *name, const struct sk_elf_made *needs, char **out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_pack_loader_done) struct sk_pack_loader l = { 0 };
    SK_AUTO(sk_elf_done) struct sk_elf e = { 0 };
    SK_AUTO(free_cleanup) char *cache = at("cache");
    SK_AUTO(free_cleanup) char *object = at("bin/program");

    sk_elf_make(needs, &b);
    assert_int_equal(sk_elf_parse(b.data, b.len, &e, err), 0);
    assert_int_equal(sk_pack_loader_open(cache, &l, err), 0);
    return sk_pack_loader_find(&l, name, object, &e, out, err);
}

/* [package-10] The loader's order. */
static void order(void **state)
{
    (void)state;

    static const char *const pairs[][2] = { { "liba.so", "cached/liba.so" },
                                            { "libb.so", "alien/libb.so" },
                                            { "libb.so", "cached/libb.so" } };
    const struct sk_elf_made plain = { 0 }, alien = { .machine = EM_MIPS };
    SK_AUTO(free_cleanup) char *env = at("env");
    SK_AUTO(free_cleanup) char *run = at("run");

    put_elf("cached/liba.so", &plain);
    put_elf("cached/libb.so", &plain);
    put_elf("alien/libb.so", &alien);
    put_elf("env/liba.so", &plain);
    put_elf("run/liba.so", &plain);
    put_elf("lib/liba.so", &plain);
    put("text/liba.so", "no library");
    put("bin/program", "there");
    put_cache(pairs, 3, 0);

    const struct {
        const char *name, *library, *runpath, *rpath, *env, *found;
    } rows[] = {
        { "cache", "liba.so", NULL, NULL, NULL, "cached/liba.so" },
        { "another machine's is passed over", "libb.so", NULL, NULL, NULL, "cached/libb.so" },
        { "runpath", "liba.so", run, NULL, NULL, "run/liba.so" },
        { "rpath", "liba.so", NULL, run, NULL, "run/liba.so" },
        { "runpath hides rpath", "liba.so", "/nowhere", run, NULL, "cached/liba.so" },
        { "origin", "liba.so", "$ORIGIN/../lib", NULL, NULL, "bin/../lib/liba.so" },
        { "origin in braces", "liba.so", "/x:${ORIGIN}/../lib", NULL, NULL, "bin/../lib/liba.so" },
        { "environment before runpath", "liba.so", run, NULL, env, "env/liba.so" },
        { "rpath before environment", "liba.so", NULL, run, env, "run/liba.so" },
        { "a text is passed over", "liba.so", "$ORIGIN/../text", NULL, NULL, "cached/liba.so" },
        { "nowhere", "libno-such.so.9", run, NULL, env, NULL },
        { "a path", "a/liba.so", NULL, NULL, NULL, NULL },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct sk_elf_made needs = { .runpath = rows[i].runpath, .rpath = rows[i].rpath };
        SK_AUTO(free_cleanup) char *found = NULL;
        SK_AUTO(free_cleanup) char *want = rows[i].found ? at(rows[i].found) : NULL;
        struct sk_err err = SK_ERR_INIT;
        if (rows[i].env)
            (void)setenv("LD_LIBRARY_PATH", rows[i].env, 1);
        else
            (void)unsetenv("LD_LIBRARY_PATH");
        int rc = find(rows[i].library, &needs, &found, &err);
        if (rc != (want ? 0 : -1) || (want && strcmp(found, want) != 0))
            fail_msg("%s: %s %s", rows[i].name, found ? found : "none", err.text);
    }
    (void)unsetenv("LD_LIBRARY_PATH");
}

static void missing_is_named(void **state)
{
    (void)state;
    const struct sk_elf_made plain = { 0 };
    SK_AUTO(free_cleanup) char *found = NULL;
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(find("libno-such.so.9", &plain, &found, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    assert_non_null(strstr(err.text, "bin/program' needs libno-such.so.9, which is not installed"));
}

/* [package-10] Variants for some CPUs only do not go into an image. */
static void no_hwcaps(void **state)
{
    (void)state;

    static const char *const pairs[][2] = { { "libc.so", "v3/libc.so" } };
    const struct sk_elf_made plain = { 0 };
    SK_AUTO(free_cleanup) char *found = NULL;
    struct sk_err err = SK_ERR_INIT;

    put_elf("v3/libc.so", &plain);
    put_cache(pairs, 1, 1ull << 62);
    assert_int_equal(find("libc.so", &plain, &found, &err), -1);
}

/* Whatever the cache holds, it is a file from this machine; still nothing is read beyond it. */
static void broken_caches(void **state)
{
    (void)state;

    static const char *const pairs[][2] = { { "liba.so", "cached/liba.so" } };
    SK_AUTO(free_cleanup) char *path = at("cache");
    SK_AUTO(free_cleanup) char *bytes = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;

    put_cache(pairs, 1, 0);
    assert_int_equal(sk_file_read(path, 1 << 20, &bytes, &len, &err), 0);
    for (size_t n = 0; n < len; n++) {
        SK_AUTO(sk_pack_loader_done) struct sk_pack_loader l = { 0 };
        assert_int_equal(sk_file_write(path, bytes, n, 0644, &err), 0);
        assert_int_equal(sk_pack_loader_open(path, &l, &err), 0);
        assert_null(sk_pack_loader_cached(&l, "liba.so", NULL));
    }
    for (size_t i = 20; i < 72; i++) {
        SK_AUTO(sk_pack_loader_done) struct sk_pack_loader l = { 0 };
        char before = bytes[i];
        bytes[i] = (char)0xff;
        assert_int_equal(sk_file_write(path, bytes, len, 0644, &err), 0);
        bytes[i] = before;
        assert_int_equal(sk_pack_loader_open(path, &l, &err), 0);
        (void)sk_pack_loader_cached(&l, "liba.so", NULL);
    }
}

/* [package-10] The walk finds what the real loader has mapped into this process. */
static int is_found(struct dl_phdr_info *info, size_t size, void *ctx)
{
    const struct sk_pack_closure *c = ctx;
    const char *name = strrchr(info->dlpi_name, '/');

    (void)size;
    if (!name || strstr(name, "vdso") || (c->interp && strcmp(info->dlpi_name, c->interp) == 0))
        return 0;
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->items[i].name, name + 1) == 0)
            return 0;
    print_error("%s was not found\n", info->dlpi_name);
    return 1;
}

static void as_the_loader_does(void **state)
{
    (void)state;
    SK_AUTO(sk_pack_loader_done) struct sk_pack_loader l = { 0 };
    SK_AUTO(sk_pack_closure_done) struct sk_pack_closure c = { 0 };
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_pack_loader_open(NULL, &l, &err), 0);
    if (sk_pack_closure_add(&l, "/proc/self/exe", &c, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(dl_iterate_phdr(is_found, &c), 0);
    for (size_t i = 0; i < c.count; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(c.items[i].name, c.items[k].name);
}

/* A library that a program opens later, with what that one needs. */
static void what_is_opened(void **state)
{
    (void)state;
    const struct sk_elf_made program = { .runpath = "$ORIGIN" },
                             opened = { .needed = { "libdeep.so" }, .runpath = "$ORIGIN" },
                             deep = { .runpath = "$ORIGIN" };
    SK_AUTO(sk_pack_loader_done) struct sk_pack_loader l = { 0 };
    SK_AUTO(sk_pack_closure_done) struct sk_pack_closure c = { 0 };
    SK_AUTO(free_cleanup) char *path = at("opens/program");
    SK_AUTO(free_cleanup) char *cache = at("none");
    struct sk_err err = SK_ERR_INIT;

    put_elf("opens/program", &program);
    put_elf("opens/libopened.so", &opened);
    put_elf("opens/libdeep.so", &deep);
    assert_int_equal(sk_pack_loader_open(cache, &l, &err), 0);
    assert_int_equal(sk_pack_closure_add(&l, path, &c, &err), 0);
    assert_int_equal(c.count, 0);
    for (int i = 0; i < 2; i++) { /* the second time it is there */
        if (sk_pack_closure_add_opened(&l, path, "libopened.so", &c, &err) < 0)
            fail_msg("%s", err.text);
        assert_int_equal(c.count, 2);
        assert_string_equal(c.items[0].name, "libopened.so");
        assert_string_equal(c.items[1].name, "libdeep.so");
    }
    assert_int_equal(sk_pack_closure_add_opened(&l, path, "libnone.so", &c, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
}

static void what_does_not_fit(void **state)
{
    (void)state;
    const struct sk_elf_made plain = { .needed = { "libx.so" }, .runpath = "$ORIGIN" },
                             alien = { .machine = EM_MIPS }, needy = { .needed = { "libno.so" } };
    SK_AUTO(sk_pack_loader_done) struct sk_pack_loader l = { 0 };
    SK_AUTO(sk_pack_closure_done) struct sk_pack_closure c = { 0 };
    SK_AUTO(free_cleanup) char *first = at("fit/first.so");
    SK_AUTO(free_cleanup) char *second = at("fit/second.so");
    SK_AUTO(free_cleanup) char *cache = at("none");
    struct sk_err err = SK_ERR_INIT;

    put_elf("fit/first.so", &plain);
    put_elf("fit/second.so", &alien);
    put_elf("fit/libx.so", &needy);
    assert_int_equal(sk_pack_loader_open(cache, &l, &err), 0);
    assert_int_equal(sk_pack_closure_add(&l, first, &c, &err), -1); /* libx lacks libno */
    assert_int_equal(err.code, SK_NOT_FOUND);
    assert_non_null(strstr(err.text, "libx.so' needs libno.so"));
    assert_int_equal(sk_pack_closure_add(&l, second, &c, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
}

static int walk(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_pack_loader_done) struct sk_pack_loader l = { 0 };
    SK_AUTO(sk_pack_closure_done) struct sk_pack_closure c = { 0 };

    if (sk_pack_loader_open("/none", &l, err) < 0)
        return -1;
    return sk_pack_closure_add(&l, ctx, &c, err);
}

static void allocations(void **state)
{
    (void)state;
    const struct sk_elf_made first = { .needed = { "liby.so" },
                                       .runpath = "$ORIGIN",
                                       .interp = "/ld.so" },
                             second = { 0 };
    SK_AUTO(free_cleanup) char *path = at("alloc/first");

    put_elf("alloc/first", &first);
    put_elf("alloc/liby.so", &second);
    assert_true(sk_alloc_sweep("walk", walk, path, 0) >= 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order),
        cmocka_unit_test(missing_is_named),
        cmocka_unit_test(no_hwcaps),
        cmocka_unit_test(broken_caches),
        cmocka_unit_test(as_the_loader_does),
        cmocka_unit_test(what_is_opened),
        cmocka_unit_test(what_does_not_fit),
        cmocka_unit_test(allocations),
    };
    return cmocka_run_group_tests(tests, make_root, drop_root);
}
