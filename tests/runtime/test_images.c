/* test_images.c - the store of native images: what comes in, what is found, what is removed. */
#include "harness/alloc_fail.h"
#include "runtime/runtime_util.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define HEX_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define HEX_D "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"

static void put_tree(struct host *p, const char *name, size_t size)
{
    SK_OWN(free) char *bytes = calloc(1, size);
    struct sk_err err = SK_ERR_INIT;
    char path[700];

    assert_non_null(bytes);
    (void)snprintf(path, sizeof path, "%s/cats", host_at(p, name));
    DONE(sk_mkdirs(path, 0700, &err));
    (void)snprintf(path, sizeof path, "%s/cats/model.onnx", host_at(p, name));
    DONE(sk_file_write(path, bytes, size, 0600, &err));
}

static struct sk_rt_pulled pulled(const char *digest, const char *layer)
{
    struct sk_rt_pulled out = { .is_native = true, .config = SK_BUF_INIT(4096) };

    (void)snprintf(out.digest, sizeof out.digest, "sha256:%s", digest);
    (void)snprintf(out.layer, sizeof out.layer, "sha256:%s", layer);
    sk_buf_str(&out.config, "{\"Cmd\":[\"/models/cats\"]}");
    return out;
}

/* An image with a model of this size, last used so many seconds ago. */
static void put_image(struct host *p, const char *name, const char *digest, const char *layer,
                      size_t size, long age_s)
{
    struct sk_rt_pulled image = pulled(digest, layer);
    struct sk_err err = SK_ERR_INIT;
    char path[SK_RT_PATH], digest_text[80];
    struct timespec times[2] = { { .tv_sec = time(NULL) - age_s },
                                 { .tv_sec = time(NULL) - age_s } };

    DONE(sk_rt_images_open(&p->h, &err));
    put_tree(p, "tree", size);
    (void)snprintf(digest_text, sizeof digest_text, "sha256:%s", layer);
    DONE(sk_rt_images_adopt(&p->h, host_at(p, "tree"), digest_text, &err));
    DONE(sk_rt_images_keep(&p->h, name, &image, &err));
    DONE(sk_rt_images_path(&p->h, "models", layer, path, &err));
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    sk_buf_done(&image.config);
}

static void test_found(void **state)
{
    struct host *p = *state;
    struct sk_runtime_image image;
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;
    struct stat st;

    FAILS(sk_rt_images_find(&p->h, "cats:v1", &image, &err), SK_NOT_FOUND, "never pulled");
    put_image(p, "cats:v1", HEX_A, HEX_B, 1000, 0);
    err = (struct sk_err)SK_ERR_INIT;
    DONE(sk_rt_images_find(&p->h, "cats:v1", &image, &err));
    assert_int_equal(image.kind, SK_RUNTIME_NATIVE);
    assert_string_equal(image.digest, "sha256:" HEX_A);
    assert_non_null(strstr(image.model_path, "/images/models/" HEX_B "/cats"));
    assert_int_equal(stat(image.model_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0755);
    DONE(sk_rt_images_config(&p->h, image.digest, &doc, &err));
    assert_int_equal(sk_json_count(sk_json_get(sk_json_get(doc, "config"), "Cmd")), 1);
    FAILS(sk_rt_images_config(&p->h, "sha256:" HEX_C, &doc, &err), SK_NOT_FOUND, HEX_C);
    FAILS(sk_rt_images_config(&p->h, "../../x", &doc, &err), SK_INVALID, "no digest");
    DONE(sk_remove_tree(host_at(p, "data/images/models"), &err));
    FAILS(sk_rt_images_find(&p->h, "cats:v1", &image, &err), SK_NOT_FOUND, "is not here");
}

static int keep_and_find(void *ctx, struct sk_err *err)
{
    struct host *p = ctx;
    struct sk_rt_pulled image = { .digest = "sha256:" HEX_A, .why = "another" };
    struct sk_runtime_image found;

    return sk_rt_images_keep(&p->h, "nginx", &image, err) < 0 ||
                   sk_rt_images_find(&p->h, "nginx", &found, err) < 0
               ? -1
               : 0;
}

static int trim(void *ctx, struct sk_err *err)
{
    struct host *p = ctx;
    const char *keep[] = { "sha256:" HEX_A, NULL };
    uint64_t bytes;

    return sk_runtime_images_trim(&p->h, keep, 1 << 30, &bytes, err);
}

static void test_allocations(void **state)
{
    struct host *p = *state;

    put_image(p, "cats:v1", HEX_A, HEX_B, 1000, 0);
    (void)sk_alloc_sweep("keep", keep_and_find, p, 0);
    (void)sk_alloc_sweep("trim", trim, p, SK_ALLOC_MAY_SURVIVE);
}

/* One for Docker is remembered with its reason. */
static void test_not_native(void **state)
{
    struct host *p = *state;
    struct sk_rt_pulled other = { .digest = "sha256:" HEX_A, .why = "its entry point is another" };
    struct sk_runtime_image image;
    struct sk_err err = SK_ERR_INIT;

    DONE(sk_rt_images_open(&p->h, &err));
    DONE(sk_rt_images_keep(&p->h, "nginx", &other, &err));
    DONE(sk_rt_images_find(&p->h, "nginx", &image, &err));
    assert_int_equal(image.kind, SK_RUNTIME_DOCKER);
    assert_string_equal(image.why, "its entry point is another");
}

/* Only plain files and folders come in. */
static void test_adopt(void **state)
{
    struct host *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct stat st;

    DONE(sk_rt_images_open(&p->h, &err));
    put_tree(p, "tree", 10);
    assert_int_equal(symlink("/etc/shadow", host_at(p, "tree/cats/link")), 0);
    FAILS(sk_rt_images_adopt(&p->h, host_at(p, "tree"), "sha256:" HEX_A, &err), SK_IO, "link");
    assert_int_equal(unlink(host_at(p, "tree/cats/link")), 0);
    assert_int_equal(mkfifo(host_at(p, "tree/cats/pipe"), 0600), 0);
    FAILS(sk_rt_images_adopt(&p->h, host_at(p, "tree"), "sha256:" HEX_A, &err), SK_CORRUPT,
          "no plain file");
    assert_int_equal(unlink(host_at(p, "tree/cats/pipe")), 0);
    put_tree(p, "elsewhere", 10);
    SK_OWN(free) char *other = strdup(host_at(p, "elsewhere/cats/model.onnx"));
    assert_int_equal(link(other, host_at(p, "tree/cats/second")), 0);
    FAILS(sk_rt_images_adopt(&p->h, host_at(p, "tree"), "sha256:" HEX_A, &err), SK_CORRUPT,
          "second name");
    assert_int_equal(unlink(host_at(p, "tree/cats/second")), 0);
    err = (struct sk_err)SK_ERR_INIT;
    DONE(sk_rt_images_adopt(&p->h, host_at(p, "tree"), "sha256:" HEX_A, &err));
    assert_int_equal(stat(host_at(p, "data/images/models/" HEX_A "/cats/model.onnx"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0444);
    put_tree(p, "tree", 10);
    DONE(sk_rt_images_adopt(&p->h, host_at(p, "tree"), "sha256:" HEX_A, &err)); /* it was faster */
    FAILS(sk_rt_images_adopt(&p->h, host_at(p, "nothing"), "sha256:" HEX_A, &err), SK_NOT_FOUND,
          "nothing");
}

static bool is_here(struct host *p, const char *name)
{
    return access(host_at(p, name), F_OK) == 0;
}

/* A module may make its folder one that cannot be removed: the others go nevertheless. */
static void test_trim_deep(void **state)
{
    struct host *p = *state;
    struct sk_err err = SK_ERR_INIT;
    char path[700], middle[700];
    uint64_t bytes = 0;

    put_image(p, "old", HEX_A, HEX_A, 100 << 10, 3000);
    (void)snprintf(path, sizeof path, "%s", host_at(p, "data/images/incoming/x"));
    DONE(sk_mkdirs(path, 0700, &err));
    for (int i = 0; i < 210; i++) {
        if (i == 100)
            memcpy(middle, path, sizeof middle);
        const size_t len = strlen(path);
        (void)snprintf(path + len, sizeof path - len, "/d");
        assert_int_equal(mkdir(path, 0700), 0);
    }
    DONE(sk_runtime_images_trim(&p->h, NULL, 0, &bytes, &err));
    assert_false(is_here(p, "data/images/models/" HEX_A));
    assert_true(is_here(p, "data/images/incoming/x"));
    assert_int_equal(rename(middle, host_at(p, "rest")), 0); /* so that it can go now */
}

static void test_trim(void **state)
{
    const char *keep[] = { "sha256:" HEX_C, NULL }; /* a manifest's: its layer stays */
    struct host *p = *state;
    struct sk_err err = SK_ERR_INIT;
    uint64_t bytes = 0;

    DONE(sk_runtime_images_trim(&p->h, NULL, 0, &bytes, &err)); /* no folder yet */
    assert_int_equal(bytes, 0);
    put_image(p, "old", HEX_A, HEX_A, 100 << 10, 3000);
    put_image(p, "older", HEX_B, HEX_B, 100 << 10, 4000);
    put_image(p, "oldest", HEX_C, HEX_C, 100 << 10, 5000);
    put_image(p, "new", HEX_D, HEX_D, 100 << 10, 700);
    DONE(sk_runtime_images_trim(&p->h, keep, 1 << 20, &bytes, &err));
    assert_true(bytes >= 400 << 10 && bytes < 600 << 10);
    DONE(sk_runtime_images_trim(&p->h, keep, 350 << 10, &bytes, &err));
    assert_true(bytes <= 350 << 10);
    assert_true(is_here(p, "data/images/models/" HEX_A));
    assert_false(is_here(p, "data/images/models/" HEX_B));
    assert_false(is_here(p, "data/images/manifests/" HEX_B ".json"));
    assert_true(is_here(p, "data/images/manifests/" HEX_A ".json"));
    DONE(sk_runtime_images_trim(&p->h, keep, 0, &bytes, &err));
    assert_true(is_here(p, "data/images/models/" HEX_C));
    assert_false(is_here(p, "data/images/models/" HEX_A));
    assert_false(is_here(p, "data/images/models/" HEX_D));
    struct sk_runtime_image image;
    DONE(sk_rt_images_find(&p->h, "oldest", &image, &err));
    FAILS(sk_rt_images_find(&p->h, "new", &image, &err), SK_NOT_FOUND, "never pulled");
}

/* One that was pulled just now, and that nobody has yet. */
static void test_trim_fresh(void **state)
{
    struct host *p = *state;
    struct sk_err err = SK_ERR_INIT;
    uint64_t bytes = 0;

    put_image(p, "new", HEX_A, HEX_A, 100 << 10, 5);
    DONE(sk_runtime_images_trim(&p->h, NULL, 0, &bytes, &err));
    assert_true(is_here(p, "data/images/models/" HEX_A));
    assert_true(bytes >= 100 << 10);
}

/* Half a download: it stays while it may be gone on with, unless space is wanted. */
static void test_trim_incoming(void **state)
{
    struct host *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct timespec old[2] = { { .tv_sec = time(NULL) - 2 * 86400 },
                               { .tv_sec = time(NULL) - 2 * 86400 } };
    uint64_t bytes = 0;

    DONE(sk_rt_images_open(&p->h, &err));
    put_tree(p, "data/images/incoming/1", 1000);
    put_tree(p, "data/images/incoming/2", 1000);
    put_tree(p, "data/images/incoming/3", 1000);
    assert_int_equal(utimensat(AT_FDCWD, host_at(p, "data/images/incoming/1"), old, 0), 0);
    SK_AUTO(sk_close) int busy = open(host_at(p, "data/images/incoming/2"), O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(busy, LOCK_EX), 0);
    DONE(sk_runtime_images_trim(&p->h, NULL, 1 << 20, &bytes, &err));
    assert_false(is_here(p, "data/images/incoming/1"));
    assert_true(is_here(p, "data/images/incoming/3"));
    DONE(sk_runtime_images_trim(&p->h, NULL, 0, &bytes, &err));
    assert_true(is_here(p, "data/images/incoming/2")); /* a child is at work */
    assert_false(is_here(p, "data/images/incoming/3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_found, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_allocations, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_not_native, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_adopt, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_trim, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_trim_deep, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_trim_fresh, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_trim_incoming, host_set_up, host_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
