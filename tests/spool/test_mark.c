/* test_mark.c - the file of the mark: two slots in turn, and whatever a crash leaves of them. */
#include "spool/spool_util.h"

#include "base/file.h"

#include <fcntl.h>
#include <string.h>

static char *dir;

static void save(uint64_t count, uint64_t below)
{
    struct sk_err err = SK_ERR_INIT;

    DONE(sk_mark_save(dir, &(struct sk_mark){ count, below }, &err));
}

static uint8_t *read_all(size_t *len)
{
    char path[512], *bytes;
    struct sk_err err = SK_ERR_INIT;

    (void)snprintf(path, sizeof path, "%s/mark", dir);
    DONE(sk_file_read(path, 4096, &bytes, len, &err));
    return (uint8_t *)bytes;
}

static void test_turns(void **state)
{
    struct sk_mark m;

    (void)state;
    sk_mark_load(dir, &m);
    assert_int_equal(m.count + m.below, 0);
    for (uint64_t i = 0; i < 5; i++) {
        save(i, 100 * i + 1);
        sk_mark_load(dir, &m);
        assert_int_equal(m.count, i);
        assert_int_equal(m.below, 100 * i + 1);
    }
}

/* Each byte of either slot is damaged: the other one counts, and nothing else is told. */
static void test_torn(void **state)
{
    struct sk_mark m;
    size_t len;

    (void)state;
    save(6, 70);
    save(7, 80);
    SK_OWN(free) uint8_t *bytes = read_all(&len);
    assert_int_equal(len, SK_MARK_FILE);
    for (size_t at = 0; at < len; at++) {
        bytes[at] ^= 0x10;
        assert_true(sk_mark_parse(bytes, len, &m));
        bool is_new_lost = at >= SK_MARK_SLOT;
        assert_int_equal(m.below, is_new_lost ? 70 : 80);
        bytes[at] ^= 0x10;
    }
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_equal(sk_mark_parse(bytes, cut, &m), cut >= SK_MARK_BYTES);
        if (cut >= SK_MARK_BYTES)
            assert_int_equal(m.below, 70);
    }
    memset(bytes, 0, SK_MARK_BYTES);
    assert_true(sk_mark_parse(bytes, len, &m));
    assert_int_equal(m.below, 80);
    memset(bytes, 0xff, len);
    assert_false(sk_mark_parse(bytes, len, &m));
}

static void test_no_folder(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_mark m;

    (void)state;
    assert_int_equal(sk_mark_save("/nonexistent/folder", &(struct sk_mark){ 1, 2 }, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    sk_mark_load("/nonexistent/folder", &m);
    assert_int_equal(m.count + m.below, 0);
}

static int set_up(void **state)
{
    (void)state;
    dir = sk_test_dir();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sk_test_dir_free(SK_TAKE(dir));
    return 0;
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_turns),
        ROW(test_torn),
        ROW(test_no_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
