/* test_set.c - the folders of a set: layout, the same files by any number of threads, what is never
 * overwritten, what is left behind after a failure. */
#include "synth_util.h"

#include "base/file.h"
#include "base/str.h"
#include "harness/alloc_fail.h"
#include "harness/golden.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum {
    SIDE = 32
};

static int set_up(void **state)
{
    *state = sk_test_dir();
    return 0;
}

static int tear_down(void **state)
{
    sk_test_dir_free(*state);
    return 0;
}

static struct sk_synth_set set_of(const char *dir, size_t train, size_t val)
{
    return (struct sk_synth_set){
        .dir = dir, .train_count = train, .val_count = val, .side = SIDE, .threads = 1
    };
}

static void write_set(const struct sk_synth_set *set)
{
    struct sk_err err = SK_ERR_INIT;
    if (sk_synth_write(set, &err) < 0)
        fail_msg("%s", err.text);
}

/* The names in a folder as one text. */
static const char *names_in(const char *root, const char *folder)
{
    static char text[4096];
    SK_AUTO(sk_dir_done) struct sk_dir found = { 0 };
    SK_OWN(free) char *path = sk_path_join(root, folder);
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;

    text[0] = '\0';
    if (sk_dir_read(path, &found, &err) < 0)
        return "(none)";
    for (size_t i = 0; i < found.count && len < sizeof text; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s ", found.names[i]);
    return text;
}

static void put(const char *root, const char *name, const char *text)
{
    SK_OWN(free) char *path = sk_path_join(root, name);
    struct sk_err err = SK_ERR_INIT;
    if (sk_file_write(path, text, strlen(text), 0600, &err) < 0)
        fail_msg("%s", err.text);
}

static uint64_t hash_of(const char *root, const char *name)
{
    SK_OWN(free) char *path = sk_path_join(root, name);
    SK_OWN(free) char *bytes = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;

    if (sk_file_read(path, 1 << 24, &bytes, &len, &err) < 0)
        fail_msg("%s", err.text);
    return fnv1a((const uint8_t *)bytes, len);
}

/* [sample-1] */
static void test_layout(void **state)
{
    struct sk_synth_set set = set_of(*state, 9, 4);

    write_set(&set);
    assert_string_equal(names_in(*state, "."), "README.md train val ");
    assert_string_equal(names_in(*state, "train"), "defect no_defect ");
    assert_string_equal(names_in(*state, "train/defect"),
                        "synthetic-00001-metal-scratch.jpg synthetic-00003-metal-dent.jpg "
                        "synthetic-00005-metal-stain.jpg synthetic-00007-metal-crack.jpg ");
    assert_string_equal(names_in(*state, "val/no_defect"),
                        "synthetic-00000-metal-whole.jpg synthetic-00002-metal-whole.jpg ");
    assert_true(hash_of(*state, "train/defect/synthetic-00001-metal-scratch.jpg") !=
                hash_of(*state, "val/defect/synthetic-00001-metal-scratch.jpg"));
}

/* [sample-2] */
static void test_by_kind(void **state)
{
    struct sk_synth_set set = set_of(*state, 8, 0);

    set.by_kind = true;
    write_set(&set);
    assert_string_equal(names_in(*state, "."), "README.md train ");
    assert_string_equal(names_in(*state, "train"), "crack dent no_defect scratch stain ");
}

/* [sample-4] [sample-5] More threads and more pictures change nothing in those that are there. */
static void test_same_files(void **state)
{
    static const char *const names[] = { "train/defect/synthetic-00009-casting-scratch.jpg",
                                         "train/no_defect/synthetic-00000-metal-whole.jpg",
                                         "val/defect/synthetic-00003-metal-dent.jpg" };
    SK_OWN(free) char *one = sk_path_join(*state, "one");
    SK_OWN(free) char *many = sk_path_join(*state, "many");
    SK_OWN(free) char *other = sk_path_join(*state, "other");
    struct sk_synth_set set = set_of(one, 12, 4);

    write_set(&set);
    set.dir = many;
    set.threads = 5;
    set.train_count = 40;
    write_set(&set);
    set.dir = other;
    set.seed = 1;
    write_set(&set);
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal(hash_of(one, names[i]), hash_of(many, names[i]));
        assert_int_not_equal(hash_of(one, names[i]), hash_of(other, names[i]));
    }
}

/* [sample-7] */
static void test_never_overwritten(void **state)
{
    static const struct {
        const char *name, *text; /* what is there besides */
        bool has_set, replace;
        const char *error; /* NULL: works */
    } rows[] = {
        { NULL, NULL, false, false, NULL },
        { NULL, NULL, false, true, NULL },
        { NULL, NULL, true, false, "holds a sample set already (--force replaces it)" },
        { NULL, NULL, true, true, NULL },
        { "notes.txt", "mine", false, false, "it holds 'notes.txt'" },
        { "notes.txt", "mine", false, true, "it holds 'notes.txt'" },
        { "notes.txt", "mine", true, true, "it holds 'notes.txt'" },
        { "README.md", "# My pictures\n", false, true, "it holds 'README.md'" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char name[] = "row-0";
        struct sk_err err = SK_ERR_INIT;

        name[4] = (char)('0' + i);
        SK_OWN(free) char *dir = sk_path_join(*state, name);
        struct sk_synth_set set = set_of(dir, 4, 2);
        assert_int_equal(sk_mkdirs(dir, 0700, &err), 0);
        if (rows[i].has_set)
            write_set(&set);
        if (rows[i].name)
            put(dir, rows[i].name, rows[i].text);
        set.replace = rows[i].replace;
        set.train_count = 2;
        set.val_count = 0;
        int rc = sk_synth_write(&set, &err);
        if ((rc == 0) != !rows[i].error || (rows[i].error && !strstr(err.text, rows[i].error)))
            fail_msg("row %zu: %s", i, rc < 0 ? err.text : "works");
        if (rc == 0)
            assert_string_equal(names_in(dir, "."), "README.md train ");
    }
}

/* [sample-8] What an interrupted run left goes; a set comes whole or not at all. */
static bool stop_at_five(void *ctx, size_t done, size_t total)
{
    (void)ctx;
    return done < 5 && total == 14;
}

static void test_interrupted(void **state)
{
    SK_OWN(free) char *left = sk_path_join(*state, ".partial/train/defect");
    struct sk_synth_set set = set_of(*state, 10, 4);
    struct sk_err err = SK_ERR_INIT;

    set.progress = stop_at_five;
    set.threads = 2;
    assert_int_equal(sk_synth_write(&set, &err), -1);
    assert_int_equal(err.code, SK_CANCELLED);
    assert_string_equal(names_in(*state, "."), "");
    assert_int_equal(sk_mkdirs(left, 0700, &err), 0);
    put(left, "synthetic-00001-metal-scratch.jpg", "half");
    set.progress = NULL;
    write_set(&set);
    assert_string_equal(names_in(*state, "."), "README.md train val ");
}

/* A file cannot grow: as with a full disk. An earlier set stays. */
static void test_full(void **state)
{
    struct sk_synth_set set = set_of(*state, 4, 2);
    struct sk_err err = SK_ERR_INIT;
    struct rlimit before, small;

    write_set(&set);
    set.replace = true;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){ 300, before.rlim_max };
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int rc = sk_synth_write(&set, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, SK_IO);
    assert_non_null(strstr(err.text, "File too large"));
    assert_string_equal(names_in(*state, "."), "README.md train val ");
}

static void test_options(void **state)
{
    static const struct {
        size_t train;
        uint32_t side;
        bool by_kind;
        const char *error;
    } rows[] = {
        { 1, SIDE, false, "1 pictures are too few for training: at least 2" },
        { 7, SIDE, true, "7 pictures are too few for training: at least 8" },
        { 2, 31, false, "a side of 31 pixels is not within 32 and 4096" },
        { 2, 4097, false, "a side of 4097 pixels is not within 32 and 4096" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_synth_set set = set_of(*state, rows[i].train, 0);
        struct sk_err err = SK_ERR_INIT;

        set.side = rows[i].side;
        set.by_kind = rows[i].by_kind;
        assert_int_equal(sk_synth_write(&set, &err), -1);
        assert_string_equal(err.text, rows[i].error);
        assert_string_equal(names_in(*state, "."), "");
    }
}

static void test_bad_folder(void **state)
{
    SK_OWN(free) char *file = sk_path_join(*state, "file");
    SK_OWN(free) char *below = sk_path_join(file, "below");
    struct sk_synth_set set = set_of(below, 2, 0);
    struct sk_err err = SK_ERR_INIT;

    put(*state, "file", "text");
    assert_int_equal(sk_synth_write(&set, &err), -1);
    assert_non_null(strstr(err.text, "/file"));
}

static int write_anew(void *ctx, struct sk_err *err)
{
    struct sk_synth_set set = set_of(ctx, 2, 2);

    set.replace = true;
    return sk_synth_write(&set, err);
}

static void test_memory(void **state)
{
    assert_true(sk_alloc_sweep("set", write_anew, *state, 0) > 10);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_layout),      ROW(test_by_kind), ROW(test_same_files), ROW(test_never_overwritten),
        ROW(test_interrupted), ROW(test_full),    ROW(test_options),    ROW(test_bad_folder),
        ROW(test_memory),
    };
    return cmocka_run_group_tests_name("set", tests, NULL, NULL);
}
