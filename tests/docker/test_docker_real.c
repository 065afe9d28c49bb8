/*
 * test_docker_real.c - against a real Engine: SKERRY_DOCKER_SOCKET is its socket, and
 * SKERRY_DOCKER_IMAGE an image in it that has /bin/sh, sleep and cat. tests/it starts one and runs
 * this; without the variables the tests are skipped, and Meson does not list them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "docker/docker_priv.h"

#include "base/clock.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct sk_docker d;
static const char *image;

#define NETWORK "skerry-test-net"

static int set_up(void **state)
{
    (void)state;
    d.socket = getenv("SKERRY_DOCKER_SOCKET");
    image = getenv("SKERRY_DOCKER_IMAGE");
    return 0;
}

static void need_engine(void)
{
    if (!d.socket || !image)
        skip();
}

static struct sk_err failed;

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, failed.text);                                                \
    } while (0)

/* A container that runs a script; its id. */
static void begin(const char *name, const char *script, const char *more, char *id)
{
    char options[1024];
    const char *const env[] = { "A=ours", "B=ours", NULL };

    (void)snprintf(options, sizeof options,
                   "{\"Cmd\":[\"/bin/sh\",\"-c\",\"%s\"],\"Env\":[\"B=theirs\"]%s}", script, more);
    const struct sk_docker_create c = { .name = name,
                                        .module = "m",
                                        .image = image,
                                        .create_options = options,
                                        .env = env,
                                        .network = NETWORK,
                                        .drop_port_bindings = true,
                                        .labels = "{\"skerry.instance\":\"m-1\"}",
                                        .log_bytes = 1 << 20 };
    MUST(sk_docker_remove(&d, name, &failed));
    MUST(sk_docker_create(&d, &c, id, &failed));
    MUST(sk_docker_start(&d, id, &failed));
}

static struct sk_docker_container await_end(const char *id)
{
    uint64_t end = sk_now_ms() + 20000;
    struct sk_docker_container c;

    do {
        (void)usleep(50000);
        MUST(sk_docker_inspect(&d, id, NETWORK, &c, &failed));
        if (sk_now_ms() > end)
            fail_msg("container %s does not end", id);
    } while (c.state == SK_DOCKER_RUNNING);
    return c;
}

static void test_ping(void **state)
{
    char version[64] = "";

    (void)state;
    need_engine();
    MUST(sk_docker_ping(&d, version, &failed));
    assert_true(version[0] >= '0' && version[0] <= '9');
}

static void test_network(void **state)
{
    char first[64] = "", again[64] = "";

    (void)state;
    need_engine();
    MUST(sk_docker_network(&d, NETWORK, first, &failed));
    MUST(sk_docker_network(&d, NETWORK, again, &failed));
    assert_true(first[0] != '\0' && !strchr(first, '/'));
    assert_string_equal(first, again);
}

static void test_images(void **state)
{
    struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;
    char id[80];

    (void)state;
    need_engine();
    if (sk_docker_image(&d, image, &doc, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(sk_starts_with(sk_json_get_text(doc, "Id", ""), "sha256:"));
    sk_json_free(doc);
    doc = NULL;
    assert_int_equal(sk_docker_image(&d, "no-such:image", &doc, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    assert_int_equal(sk_docker_image_remove(&d, "no-such:image", &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    /* Nobody listens there, which is no answer about the image. */
    assert_int_equal(sk_docker_pull(&d, "127.0.0.1:1/x:v1", NULL, NULL, NULL, id, &err), -1);
    assert_int_equal(err.code, SK_REMOTE);
    assert_non_null(strstr(err.text, "127.0.0.1:1/x:v1"));
}

static int collect(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    (void)err;
    sk_buf_add(ctx, bytes, len);
    return 0;
}

static void test_life(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    char id[SK_DOCKER_ID];

    (void)state;
    need_engine();
    begin("skerry-test-life", "echo $A $B; echo err >&2; exit 3", "", id);
    struct sk_docker_container c = await_end(id);
    assert_int_equal(c.state, SK_DOCKER_STOPPED);
    assert_int_equal(c.exit_code, 3);
    assert_false(c.oom_killed);
    assert_string_equal(c.name, "skerry-test-life");
    assert_true(c.started[0] && c.finished[0]);
    MUST(sk_docker_logs(&d, id, 0, 0, 0, false, collect, &out, &failed));
    assert_non_null(out.data);
    assert_non_null(strstr(out.data, "ours theirs\n"));
    assert_non_null(strstr(out.data, "err\n"));
    assert_int_equal(out.len, strlen("ours theirs\nerr\n"));
    MUST(sk_docker_remove(&d, id, &failed));
    MUST(sk_docker_remove(&d, id, &failed)); /* again */
}

static void test_terminal_has_no_frames(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    char id[SK_DOCKER_ID];

    (void)state;
    need_engine();
    begin("skerry-test-tty", "echo one; echo two", ",\"Tty\":true", id);
    (void)await_end(id);
    MUST(sk_docker_logs(&d, id, 1, 0, 0, false, collect, &out, &failed));
    assert_string_equal(out.data, "two\r\n");
    MUST(sk_docker_remove(&d, id, &failed));
}

static int stop_at_three(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    (void)collect(ctx, bytes, len, err);
    return strstr(((struct sk_buf *)ctx)->data, "3\n") ? sk_fail(err, SK_CANCELLED, "enough") : 0;
}

static void test_follow(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    struct sk_err err = SK_ERR_INIT;
    char id[SK_DOCKER_ID];

    (void)state;
    need_engine();
    begin("skerry-test-follow", "for i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 0.2; done", "", id);
    assert_int_equal(sk_docker_logs(&d, id, 0, 0, 0, true, stop_at_three, &out, &err), -1);
    assert_int_equal(err.code, SK_CANCELLED);
    assert_string_equal(out.data, "1\n2\n3\n");
    sk_buf_clear(&out);
    MUST(sk_docker_logs(&d, id, 0, 0, 0, true, collect, &out, &failed)); /* to its end */
    assert_non_null(strstr(out.data, "9\n"));
    MUST(sk_docker_remove(&d, id, &failed));
}

static int find_name(void *ctx, const struct sk_docker_item *c, struct sk_err *err)
{
    (void)err;
    if (strcmp(c->name, "skerry-test-new") == 0 && strcmp(c->module, "m") == 0 &&
        strcmp(c->instance, "m-1") == 0)
        *(bool *)ctx = true;
    return 0;
}

static void test_runs_is_renamed_and_stops(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_docker_container c;
    char id[SK_DOCKER_ID], other[SK_DOCKER_ID];
    bool has = false, is_listed = false;

    (void)state;
    need_engine();
    MUST(sk_docker_remove(&d, "skerry-test-new", &failed));
    begin("skerry-test-run", "trap 'exit 0' TERM; while :; do sleep 0.1; done", "", id);
    begin("skerry-test-other", "exec sleep 60", ",\"HostConfig\":{\"Memory\":67108864}", other);
    MUST(sk_docker_inspect(&d, id, NETWORK, &c, &failed));
    assert_int_equal(c.state, SK_DOCKER_RUNNING);
    assert_true(c.pid > 0);
    assert_true(c.address[0] != '\0');
    MUST(sk_docker_has_pid(&d, id, c.pid, &has, &failed));
    assert_true(has);
    MUST(sk_docker_has_pid(&d, other, c.pid, &has, &failed));
    assert_false(has);
    MUST(sk_docker_has_pid(&d, id, getpid(), &has, &failed));
    assert_false(has);
    assert_int_equal(sk_docker_rename(&d, id, "skerry-test-other", &err), -1);
    assert_int_equal(err.code, SK_EXISTS);
    MUST(sk_docker_rename(&d, id, "skerry-test-new", &failed));
    MUST(sk_docker_list(&d, find_name, &is_listed, &failed));
    assert_true(is_listed);
    MUST(sk_docker_stop(&d, id, 10, &failed));
    MUST(sk_docker_stop(&d, id, 10, &failed)); /* it is stopped already */
    MUST(sk_docker_inspect(&d, id, NETWORK, &c, &failed));
    assert_int_equal(c.state, SK_DOCKER_STOPPED);
    assert_int_equal(c.exit_code, 0);
    MUST(sk_docker_stop(&d, other, 0, &failed));
    MUST(sk_docker_inspect(&d, other, NETWORK, &c, &failed));
    assert_int_equal(c.exit_code, 137);
    MUST(sk_docker_remove(&d, id, &failed));
    MUST(sk_docker_remove(&d, other, &failed));
}

static void test_names_are_taken_once(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    const struct sk_docker_create c = { .name = "skerry-test-life",
                                        .module = "m",
                                        .image = image,
                                        .create_options = "{\"Cmd\":[\"/bin/sh\"]}" };
    const struct sk_docker_create none = { .name = "skerry-test-none",
                                           .module = "m",
                                           .image = "no-such:image" };
    const struct sk_docker_create odd = { .name = "skerry-test-odd",
                                          .module = "m",
                                          .image = image,
                                          .create_options = "{\"HostConfig\":{\"Memory\":1}}" };
    char id[SK_DOCKER_ID];

    (void)state;
    need_engine();
    MUST(sk_docker_create(&d, &c, id, &failed));
    assert_int_equal(sk_docker_create(&d, &c, id, &err), -1);
    assert_int_equal(err.code, SK_EXISTS);
    MUST(sk_docker_remove(&d, id, &failed));
    assert_int_equal(sk_docker_create(&d, &none, id, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    assert_int_equal(sk_docker_create(&d, &odd, id, &err), -1);
    assert_int_equal(err.code, SK_INVALID); /* less than 6 MB */
    assert_int_equal(sk_docker_inspect(&d, "skerry-test-none", NULL,
                                       &(struct sk_docker_container){ .id = "" }, &err),
                     -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ping),
        cmocka_unit_test(test_network),
        cmocka_unit_test(test_images),
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_terminal_has_no_frames),
        cmocka_unit_test(test_follow),
        cmocka_unit_test(test_runs_is_renamed_and_stops),
        cmocka_unit_test(test_names_are_taken_once),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
