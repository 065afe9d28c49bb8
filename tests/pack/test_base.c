/* test_base.c - what the base layer is made of, and that its bytes depend on nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bundle/folders.h"
#include "pack/pack_priv.h"
#include "pack/small_base.h"

#include <fcntl.h>
#include <sys/stat.h>

static const struct sk_pack_base_entry *find(const struct sk_pack_base *b, const char *name)
{
    for (size_t i = 0; i < b->count; i++)
        if (strcmp(b->items[i].name, name) == 0)
            return &b->items[i];
    return NULL;
}

/* [package-10] [package-11] */
static void entries(void **state)
{
    (void)state;
    SK_AUTO(sk_pack_base_done) struct sk_pack_base b = { 0 };
    const struct sk_pack_own own = small_base();
    struct sk_err err = SK_ERR_INIT;
    bool has_libc = false;

    if (sk_pack_base_collect(&own, &b, &err) < 0)
        fail_msg("%s", err.text);

    static const struct {
        const char *name;
        unsigned mode;
        bool is_dir;
    } rows[] = {
        { "usr/bin/skerry", 0755, false },
        { "usr/lib/libonnxruntime.so.1", 0644, false },
        { "etc/passwd", 0644, false },
        { "etc/group", 0644, false },
        { "models", 0755, true },
        { "tmp", 01777, true },
        { "usr", 0755, true },
        { "usr/bin", 0755, true },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct sk_pack_base_entry *e = find(&b, rows[i].name);
        if (!e || e->mode != rows[i].mode || e->is_dir != rows[i].is_dir)
            fail_msg("%s", rows[i].name);
    }
    for (size_t i = 0; i < b.count; i++) {
        const char *slash = strrchr(b.items[i].name, '/');
        has_libc |= strcmp(slash ? slash : "", "/libc.so.6") == 0;
        assert_true(b.items[i].name[0] != '/' && !strstr(b.items[i].name, "bin/sh"));
        if (i > 0)
            assert_true(strcmp(b.items[i - 1].name, b.items[i].name) < 0);
        if (slash) { /* its folder is there, too */
            SK_AUTO(free_cleanup)
            char *folder = strndup(b.items[i].name, (size_t)(slash - b.items[i].name));
            const struct sk_pack_base_entry *e = find(&b, folder);
            assert_true(e && e->is_dir);
        }
    }
    assert_true(has_libc);
    assert_true(b.unpacked > 1000000);
    assert_string_not_equal(b.architecture, "");
}

/* [package-2] [package-3] */
static void the_same_bytes(void **state)
{
    (void)state;
    const struct sk_pack_own own = small_base();
    SK_AUTO(free_cleanup) char *first_path = at("first");
    SK_AUTO(free_cleanup) char *second_path = at("second");
    SK_AUTO(sk_pack_base_done) struct sk_pack_base first = { 0 }, second = { 0 };
    struct sk_pack_layer a, b;
    struct sk_err err = SK_ERR_INIT;
    char hex[SK_SHA256_HEX];
    struct stat st;
    mode_t before = umask(077);

    assert_int_equal(sk_pack_base_collect(&own, &first, &err), 0);
    assert_int_equal(sk_pack_base_write(&first, first_path, &a, &err), 0);
    (void)umask(0);
    assert_int_equal(sk_pack_base_collect(&own, &second, &err), 0);
    assert_int_equal(sk_pack_base_write(&second, second_path, &b, &err), 0);
    (void)umask(before);
    sk_pack_base_done(&second);
    assert_string_equal(a.digest, b.digest);
    assert_string_equal(a.diff_id, b.diff_id);
    assert_string_not_equal(a.digest, a.diff_id);
    assert_int_equal(sk_sha256_file(first_path, hex, &err), 0);
    assert_string_equal(a.digest + 7, hex);
    assert_int_equal(stat(first_path, &st), 0);
    assert_int_equal(a.bytes, st.st_size);
}

/* [package-3] Another content, another key. */
static void keys(void **state)
{
    (void)state;
    SK_AUTO(free_cleanup) char *copy = at("library");
    SK_AUTO(free_cleanup) char *bytes = NULL;
    const struct sk_pack_own own = small_base(), other = { own.program, copy };
    struct sk_pack_base b = { 0 };
    char keys[3][SK_SHA256_HEX];
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;

    assert_int_equal(sk_file_read(own.onnxruntime, 64 << 20, &bytes, &len, &err), 0);
    assert_int_equal(sk_file_write(copy, bytes, len, 0600, &err), 0);
    for (int i = 0; i < 3; i++) {
        if (i == 2) {
            bytes[len - 1] ^= 1;
            assert_int_equal(sk_file_write(copy, bytes, len, 0600, &err), 0);
        }
        assert_int_equal(sk_pack_base_collect(i == 0 ? &own : &other, &b, &err), 0);
        memcpy(keys[i], b.key, sizeof b.key);
        sk_pack_base_done(&b);
    }
    assert_string_equal(keys[0], keys[1]); /* where it lies does not matter */
    assert_string_not_equal(keys[1], keys[2]);
}

/* [package-10] Every file of the layer is there when a reader looks, with its size. */
static void the_tar(void **state)
{
    (void)state;
    const struct sk_pack_own own = small_base();
    SK_AUTO(free_cleanup) char *path = at("layer");
    SK_AUTO(sk_pack_base_done) struct sk_pack_base b = { 0 };
    SK_OWN(sk_tar_reader_free) struct sk_tar_reader *r = NULL;
    struct sk_pack_layer layer;
    struct sk_err err = SK_ERR_INIT;
    struct sk_tar_entry e;
    size_t i = 0;
    int rc;

    assert_int_equal(sk_pack_base_collect(&own, &b, &err), 0);
    assert_int_equal(sk_pack_base_write(&b, path, &layer, &err), 0);
    SK_AUTO(sk_close) int fd = open(path, O_RDONLY);
    assert_int_equal(sk_tar_reader_new(fd, NULL, &r, &err), 0);
    for (; (rc = sk_tar_next(r, &e, &err)) > 0; i++) {
        assert_true(i < b.count);
        assert_string_equal(e.name, b.items[i].name);
        assert_int_equal(e.kind, b.items[i].is_dir ? SK_TAR_DIR : SK_TAR_FILE);
        assert_int_equal(e.mode, b.items[i].mode);
        assert_int_equal(e.size, b.items[i].size);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(i, b.count);
}

struct sum {
    uint64_t files, bytes;
    const char *refuse;
};

static int add(void *ctx, const char *path, uint64_t size, struct sk_err *err)
{
    struct sum *s = ctx;

    assert_int_equal(path[0], '/');
    s->files++;
    s->bytes += size;
    return s->refuse ? sk_fail(err, SK_CANCELLED, "%s", s->refuse) : 0;
}

static void the_list(void **state)
{
    (void)state;
    const struct sk_pack_own own = small_base();
    SK_AUTO(sk_pack_base_done) struct sk_pack_base b = { 0 };
    struct sum s = { 0 };
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_pack_base_collect(&own, &b, &err), 0);
    assert_int_equal(sk_pack_base_list(&own, add, &s, &err), 0);
    assert_int_equal(s.bytes, b.unpacked);
    assert_true(s.files < b.count && s.files > 5);
    s.refuse = "enough";
    assert_int_equal(sk_pack_base_list(&own, add, &s, &err), -1);
    assert_string_equal(err.text, "enough");
}

static void what_is_no_program(void **state)
{
    (void)state;
    SK_AUTO(free_cleanup) char *text = at("text");
    put("text", "no program");

    const struct {
        struct sk_pack_own own;
        enum sk_code code;
    } rows[] = {
        { { "/nonexistent", small_library() }, SK_NOT_FOUND },
        { { "/bin/true", "/nonexistent" }, SK_NOT_FOUND },
        { { text, small_library() }, SK_INVALID },
        { { "/bin/true", text }, SK_INVALID },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_pack_base b = { 0 };
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(sk_pack_base_collect(&rows[i].own, &b, &err), -1);
        assert_int_equal(err.code, rows[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries),  cmocka_unit_test(the_same_bytes),
        cmocka_unit_test(keys),     cmocka_unit_test(the_tar),
        cmocka_unit_test(the_list), cmocka_unit_test(what_is_no_program),
    };
    return cmocka_run_group_tests(tests, make_root, drop_root);
}
