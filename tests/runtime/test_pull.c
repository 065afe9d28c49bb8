/*
 * test_pull.c - pulls through the child, from a registry on loopback: what is fetched, what is
 * shared, what goes on after a cut, and what is refused.
 */
#include "runtime/runtime_util.h"

#include "harness/golden.h"

#include "sign/sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static int try_pull(struct host *p, const char *image, const struct sk_runtime_auth *auth,
                    bool may_pull, struct sk_runtime_image *out, struct sk_err *err)
{
    return sk_runtime_pull(&p->h, image, "native", auth, may_pull, NULL, NULL, out, err);
}

static void test_pulled(void **state)
{
    struct host *p = *state;
    struct sk_runtime_image image, again;
    struct sk_err err = SK_ERR_INIT;
    struct stat st;
    char text[128], path[700];
    const bool is_root = host_with_users(p);

    publish(p, &(struct image){ .name = "cats" }, text);
    image = pull(p, text);
    assert_int_equal(image.kind, SK_RUNTIME_NATIVE);
    assert_string_equal(image.why, "");
    assert_true(sk_digest_valid(image.digest) && sk_digest_valid(image.layer));
    (void)snprintf(path, sizeof path, "%s/model.onnx", image.model_path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0444);
    assert_int_equal(st.st_uid, geteuid());
    if (is_root)
        assert_int_equal(st.st_uid, 0); /* not the child's */
    DONE(try_pull(p, text, NULL, false, &again, &err));
    assert_memory_equal(&image, &again, sizeof image);
    SK_AUTO(sk_dir_done) struct sk_dir left = { 0 };
    DONE(sk_dir_read(host_at(p, "data/images/incoming"), &left, &err));
    assert_int_equal(left.count, 0);
}

/* What an agent left that died while it took a model over, and a child of another user. */
static void test_left_over(void **state)
{
    struct host *p = *state;
    struct sk_err err = SK_ERR_INIT;
    char text[128], ref[SK_RT_REF], path[SK_RT_PATH];

    (void)host_with_users(p);
    publish(p, &(struct image){ .name = "cats" }, text);
    DONE(sk_rt_images_open(&p->h, &err));
    DONE(sk_rt_images_ref(text, ref, &err));
    for (int i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "%s/images/incoming/%s/tree/cats", p->data, ref);
        DONE(sk_mkdirs(path, 0700, &err));
        (void)snprintf(path, sizeof path, "%s/images/incoming/%s", p->data, ref);
        if (p->h.first_uid > 0)
            assert_int_equal(chown(path, i == 0 ? 0 : p->h.first_uid - 1, 0), 0);
        assert_int_equal(pull(p, text).kind, SK_RUNTIME_NATIVE);
        DONE(sk_remove_tree(host_at(p, "data/images/models"), &err));
    }
}

/* Another tag of the same model asks for a manifest and a config, and no more. */
static void test_shared(void **state)
{
    struct host *p = *state;
    struct sk_runtime_image first, second;
    char text[128];

    publish(p, &(struct image){ .name = "cats", .padding = 1 << 20 }, text);
    first = pull(p, text);
    unsigned bytes = atomic_load(&p->registry->blob_bytes);
    publish(p,
            &(struct image){ .name = "cats",
                             .tag = "v2",
                             .padding = 1 << 20,
                             .cmd = "[\"/models/cats\",\"--threads\",\"1\"]" },
            text);
    second = pull(p, text);
    assert_true(atomic_load(&p->registry->blob_bytes) - bytes < 4096);
    assert_string_equal(first.model_path, second.model_path);
    assert_string_not_equal(first.digest, second.digest);
}

static void test_cut(void **state)
{
    struct host *p = *state;
    struct sk_runtime_image image;
    char text[128];

    publish(p, &(struct image){ .name = "cats", .padding = 3 << 20 }, text);
    registry_cut(p->registry, 2 << 20);
    image = pull(p, text);
    assert_int_equal(image.kind, SK_RUNTIME_NATIVE);
    assert_true(atomic_load(&p->registry->blob_bytes) < (3 << 20) + (1 << 20)); /* not twice */
}

static bool stop_at_once(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    unsigned *calls = ctx;

    (void)what;
    (void)done;
    (void)total;
    return ++*calls < 1;
}

/* What came before stays for the next one. */
static void test_stopped(void **state)
{
    struct host *p = *state;
    struct sk_runtime_image image;
    struct sk_err err = SK_ERR_INIT;
    unsigned calls = 0;
    char text[128];

    publish(p, &(struct image){ .name = "cats", .padding = 3 << 20 }, text);
    FAILS(sk_runtime_pull(&p->h, text, NULL, NULL, true, stop_at_once, &calls, &image, &err),
          SK_CANCELLED, "stopped");
    image = pull(p, text);
    assert_int_equal(image.kind, SK_RUNTIME_NATIVE);
}

static void test_login(void **state)
{
    struct host *p = *state;
    struct sk_runtime_image image;
    struct sk_err err = SK_ERR_INIT;
    char text[128];

    publish(p, &(struct image){ .name = "cats" }, text);
    registry_demand(p->registry, "bWU6c2VjcmV0"); /* me:secret */
    FAILS(try_pull(p, text, NULL, true, &image, &err), SK_UNAUTHENTICATED, "login");
    const struct sk_runtime_auth wrong = { "me", "guess", NULL }, right = { "me", "secret", NULL };
    FAILS(try_pull(p, text, &wrong, true, &image, &err), SK_UNAUTHENTICATED, "login");
    DONE(try_pull(p, text, &right, true, &image, &err));
}

static int give_token(void *ctx, struct sk_buf *out, struct sk_err *err)
{
    unsigned *calls = ctx;

    (void)err;
    ++*calls;
    sk_buf_str(out, "token-1");
    return 0;
}

static void test_hub_token(void **state)
{
    struct host *p = *state;
    struct sk_runtime_image image;
    struct sk_err err = SK_ERR_INIT;
    unsigned calls = 0;
    char text[128];

    publish(p, &(struct image){ .name = "cats" }, text);
    registry_demand(p->registry, "ZGV2aWNlOnRva2VuLTE="); /* device:token-1 */
    p->h.token = give_token;
    p->h.ctx = &calls;
    p->h.hub_host = "hub.example";
    FAILS(try_pull(p, text, NULL, true, &image, &err), SK_UNAUTHENTICATED, "login");
    assert_int_equal(calls, 0); /* another registry never gets it */
    p->h.hub_host = p->registry->host;
    DONE(try_pull(p, text, NULL, true, &image, &err));
    assert_int_equal(calls, 1);
}

static void test_refused(void **state)
{
    static const struct {
        struct image image;
        enum sk_code code;
        const char *words;
    } rows[] = {
        { { .entry = "[\"/bin/sh\"]" }, SK_UNSUPPORTED, "entry point" },
        { { .entry = "[\"/usr/bin/skerry\",\"hub\"]" }, SK_UNSUPPORTED, "entry point" },
        { { .entry = "[\"/usr/bin/skerry\",\"serve\",\"x\"]" }, SK_UNSUPPORTED, "entry point" },
        { { .format = "" }, SK_UNSUPPORTED, "no label" },
        { { .format = "2" }, SK_UNSUPPORTED, "format 2" },
        { { .format = "0" }, SK_UNSUPPORTED, "skerry.bundle" },
        { { .format = "x" }, SK_UNSUPPORTED, "skerry.bundle" },
        { { .has_no_model = true }, SK_UNSUPPORTED, "no model layer" },
        { { .has_two_models = true }, SK_UNSUPPORTED, "several model layers" },
        { { .is_wrong_id = true }, SK_CORRUPT, "config names" },
    };
    struct host *p = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_runtime_image image;
        struct sk_err err = SK_ERR_INIT;
        struct image made = rows[i].image;
        char text[128];

        made.name = "cats";
        publish(p, &made, text);
        FAILS(try_pull(p, text, NULL, true, &image, &err), rows[i].code, rows[i].words);
    }
}

static void test_not_there(void **state)
{
    struct host *p = *state;
    struct sk_runtime_image image;
    struct sk_err err = SK_ERR_INIT;
    char text[128];

    publish(p, &(struct image){ .name = "cats" }, text);
    FAILS(try_pull(p, text, NULL, false, &image, &err), SK_NOT_FOUND, "never pulled");
    (void)snprintf(text, sizeof text, "%s/cats:v9", p->registry->host);
    FAILS(try_pull(p, text, NULL, true, &image, &err), SK_NOT_FOUND, "cats");
    FAILS(try_pull(p, "UPPER:x", NULL, true, &image, &err), SK_INVALID, "UPPER");
    FAILS(sk_runtime_pull(&p->h, text, "podman", NULL, true, NULL, NULL, &image, &err), SK_INVALID,
          "none of native, docker");
}

/* A layer whose bytes are others than its digest says. */
static void test_forged(void **state)
{
    struct host *p = *state;
    struct sk_runtime_image image;
    struct sk_err err = SK_ERR_INIT;
    char text[128];

    publish(p, &(struct image){ .name = "cats" }, text);
    (void)pthread_mutex_lock(&p->registry->mutex);
    for (size_t i = 0; i < p->registry->count; i++) {
        struct registry_item *item = &p->registry->items[i];
        if (strstr(item->path, "/blobs/") && item->len > 1000)
            item->bytes[600] ^= 1;
    }
    (void)pthread_mutex_unlock(&p->registry->mutex);
    FAILS(try_pull(p, text, NULL, true, &image, &err), SK_CORRUPT, "blob");
    FAILS(try_pull(p, text, NULL, false, &image, &err), SK_NOT_FOUND, "never pulled");
}

/* The registry is gone: what is here is used. */
static void test_offline(void **state)
{
    struct host *p = *state;
    struct sk_runtime_image first, second;
    struct sk_err err = SK_ERR_INIT;
    char text[128];

    publish(p, &(struct image){ .name = "cats" }, text);
    first = pull(p, text);
    registry_stop(p->registry);
    DONE(try_pull(p, text, NULL, true, &second, &err));
    assert_memory_equal(&first, &second, sizeof first);
    (void)snprintf(text, sizeof text, "%s/cats:v9", p->registry->host);
    FAILS(try_pull(p, text, NULL, true, &second, &err), SK_IO, "cats");
}

/* Unsigned, where signatures are demanded; the key's text travels to the child. */
static void test_unsigned(void **state)
{
    struct host *p = *state;
    struct sk_runtime_image image;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *cosign = strdup(sk_source_path("tests/data/cosign/cosign.pub"));
    const char *keys[] = { cosign, NULL };
    char text[128];

    publish(p, &(struct image){ .name = "cats" }, text);
    p->h.verify_keys = keys;
    FAILS(try_pull(p, text, NULL, true, &image, &err), SK_DENIED, "not signed");
}

/* Puts what a layout has into the registry. */
static void put_layout(struct host *p, const char *layout, const char *tag)
{
    SK_AUTO(sk_dir_done) struct sk_dir blobs = { 0 };
    struct sk_err err = SK_ERR_INIT;
    char type[128], manifest[SK_OCI_DIGEST_TEXT], path[800], name[300];

    DONE(sk_oci_layout_find(layout, tag, type, manifest, &err));
    (void)snprintf(path, sizeof path, "%s/blobs/sha256", layout);
    DONE(sk_dir_read(path, &blobs, &err));
    for (size_t i = 0; i < blobs.count; i++) {
        SK_OWN(free) char *bytes = NULL;
        size_t len = 0;

        (void)snprintf(path, sizeof path, "%s/blobs/sha256/%s", layout, blobs.names[i]);
        DONE(sk_file_read(path, 1 << 20, &bytes, &len, &err));
        (void)snprintf(name, sizeof name, "/v2/cats/blobs/sha256:%s", blobs.names[i]);
        registry_put(p->registry, name, "application/octet-stream", bytes, len);
        if (strcmp(manifest + strlen("sha256:"), blobs.names[i]) != 0)
            continue;
        (void)snprintf(name, sizeof name, "/v2/cats/manifests/%s", tag);
        registry_put(p->registry, name, type, bytes, len);
    }
}

/* The digest of a tag's manifest. */
static void digest_of(struct host *p, const char *path, char digest[SK_DIGEST_TEXT])
{
    struct sk_err err = SK_ERR_INIT;

    for (size_t i = 0; i < p->registry->count; i++)
        if (strcmp(p->registry->items[i].path, path) == 0) {
            DONE(sk_digest_of(SK_SHA256, p->registry->items[i].bytes, p->registry->items[i].len,
                              digest, &err));
            return;
        }
    fail_msg("no %s", path);
}

static void test_signed(void **state)
{
    struct host *p = *state;
    SK_OWN(sk_signer_free) struct sk_signer *signer = NULL;
    struct sk_runtime_image image;
    struct sk_err err = SK_ERR_INIT;
    const char *layout = host_at(p, "layout");
    char text[128], digest[SK_DIGEST_TEXT], tag[80], prefix[300], key[300], pub[300];
    SK_OWN(free) char *cosign = strdup(sk_source_path("tests/data/cosign/cosign.pub"));
    const char *keys[] = { cosign, pub, NULL };

    (void)snprintf(prefix, sizeof prefix, "%s/key", p->dir);
    (void)snprintf(key, sizeof key, "%s/key.key", p->dir);
    (void)snprintf(pub, sizeof pub, "%s/key.pub", p->dir);
    DONE(sk_sign_make_keys(prefix, NULL, &err));
    publish(p, &(struct image){ .name = "cats" }, text);
    digest_of(p, "/v2/cats/manifests/v1", digest);
    DONE(sk_signer_open(key, NULL, &signer, &err));
    DONE(sk_sign_layout(signer, layout, text, digest, &err));
    sk_sign_tag(digest, tag);
    put_layout(p, layout, tag);
    p->h.verify_keys = keys;
    DONE(try_pull(p, text, NULL, true, &image, &err));
    assert_string_equal(image.digest, digest);
    keys[1] = NULL; /* another's key alone */
    FAILS(try_pull(p, text, NULL, true, &image, &err), SK_DENIED, "none accepted");
    keys[1] = pub;
    publish(p, &(struct image){ .name = "cats", .padding = 10 }, text); /* the tag moves */
    FAILS(try_pull(p, text, NULL, true, &image, &err), SK_DENIED, "not signed");
}

/* A disk of its own that is too small; the agent makes room for SK_FULL. */
static void test_full(void **state)
{
    struct host *p = *state;
    struct sk_runtime_image image;
    struct sk_err err = SK_ERR_INIT;
    char text[128];

    publish(p, &(struct image){ .name = "cats", .padding = 3 << 20 }, text);
    if (mount("none", p->data, "tmpfs", MS_NOSUID | MS_NODEV, "size=2m,mode=711") < 0) {
        skip();
        return;
    }
    int rc = try_pull(p, text, NULL, true, &image, &err);
    assert_int_equal(umount2(p->data, MNT_DETACH), 0);
    assert_int_equal(rc, -1);
    if (err.code != SK_FULL)
        fail_msg("%s: %s", sk_code_name(err.code), err.text);
}

/* A child that does not speak. */
static void test_bad_child(void **state)
{
    struct host *p = *state;
    struct sk_runtime_image image;
    struct sk_err err = SK_ERR_INIT;
    char text[128];

    publish(p, &(struct image){ .name = "cats" }, text);
    p->h.program = "/bin/true";
    FAILS(try_pull(p, text, NULL, true, &image, &err), SK_BUG, "no answer");
    p->h.program = "/bin/false";
    FAILS(try_pull(p, text, NULL, true, &image, &err), SK_BUG, "status 1");
    p->h.program = "/bin/echo";
    FAILS(try_pull(p, text, NULL, true, &image, &err), SK_INVALID, "answer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pulled, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_left_over, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_shared, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_cut, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_stopped, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_login, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_hub_token, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_refused, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_not_there, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_forged, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_offline, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_unsigned, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_signed, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_full, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_bad_child, host_set_up, host_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
