/* test_env.c - the user's settings mean what they mean in Python. */
#include "hf/hf_priv.h"
#include "hf/surroundings.h"

#include "base/file.h"
#include "harness/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum {
    SETS = 4
};

struct row {
    const char *sets[SETS];
    const char *expected; /* NULL: an error */
};

/* Runs each row in surroundings of its own. %s in an expectation is HOME. */
static void check(const struct row *rows, size_t count, const char *(*pick)(struct sk_hf_env *))
{
    for (size_t i = 0; i < count; i++) {
        void *home = NULL;
        assert_int_equal(sk_hf_surround(&home), 0);
        for (int k = 0; k < SETS && rows[i].sets[k]; k++)
            sk_hf_set(rows[i].sets[k]);
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_hf_env_done) struct sk_hf_env e = { 0 };
        int rc = sk_hf_env_read(&e, &err);
        if ((rc == 0) != (rows[i].expected != NULL))
            fail_msg("row %zu: %d %s", i, rc, err.text);
        if (rc == 0) {
            const char *got = pick(&e);
            bool is_below = got && strncmp(got, home, strlen(home)) == 0;
            const char *rest = is_below ? got + strlen(home) : got ? got : "(none)";
            const char *wanted = rows[i].expected[0] == '~' ? rows[i].expected + 1
                                                            : rows[i].expected;
            if (strcmp(rest, wanted) != 0 || is_below != (rows[i].expected[0] == '~'))
                fail_msg("row %zu: '%s' is not '%s'", i, got, rows[i].expected);
        }
        sk_hf_unsurround(&home);
    }
}

#define CHECK(rows, pick) check(rows, sizeof(rows) / sizeof((rows)[0]), pick)

static const char *cache(struct sk_hf_env *e)
{
    return e->cache;
}

static const char *endpoint(struct sk_hf_env *e)
{
    return e->endpoint;
}

static const char *token(struct sk_hf_env *e)
{
    return e->token;
}

static const char *offline(struct sk_hf_env *e)
{
    return e->offline_by;
}

/* [hf-1] */
static void caches(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { { NULL }, "~/.cache/huggingface/hub" },
        { { "XDG_CACHE_HOME=/x" }, "/x/huggingface/hub" },
        { { "XDG_CACHE_HOME=/x", "HF_HOME=/h" }, "/h/hub" },
        { { "HF_HOME=/h", "HUGGINGFACE_HUB_CACHE=/old" }, "/old" },
        { { "HUGGINGFACE_HUB_CACHE=/old", "HF_HUB_CACHE=/new" }, "/new" },
        { { "HF_HOME=~/h" }, "~/h/hub" },
        { { "HF_HUB_CACHE=~" }, "~" },
        { { "HF_HUB_CACHE=$HOME/x" }, "~/x" },
        { { "HF_HUB_CACHE=/a/${SK_A}b$SK_A", "SK_A=1" }, "/a/1b1" },
        { { "SK_A=", "HF_HUB_CACHE=/a/$SK_A/${SK_A}" }, "/a/$SK_A/${SK_A}" },
        { { "HF_HUB_CACHE=/a/$/${x/$$" }, "/a/$/${x/$$" },
        { { "HF_HUB_CACHE=/a~/b" }, "/a~/b" },
        { { "HOME=" }, NULL },
    };

    CHECK(rows, cache);
}

/* [hf-2] */
static void endpoints(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { { NULL }, "https://huggingface.co" },
        { { "HF_ENDPOINT=https://mirror.org" }, "https://mirror.org" },
        { { "HF_ENDPOINT=http://mirror.org/hub//" }, "http://mirror.org/hub" },
        { { "HF_ENDPOINT=mirror.org" }, NULL },
        { { "HF_HUB_ETAG_TIMEOUT=soon" }, NULL },
        { { "HF_HUB_DOWNLOAD_TIMEOUT=0" }, NULL },
    };

    CHECK(rows, endpoint);
}

/* [hf-3] */
static void tokens(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { { NULL }, "(none)" },
        { { "HF_TOKEN=a" }, "a" },
        { { "HF_TOKEN= \ta\r\nb\n " }, "ab" },
        { { "HUGGING_FACE_HUB_TOKEN=b" }, "b" },
        { { "HUGGING_FACE_HUB_TOKEN=b", "HF_TOKEN=a" }, "a" },
        { { "HF_TOKEN= \n" }, "(none)" },
        { { "HF_TOKEN_PATH=/nonexistent/token" }, "(none)" },
        { { "HF_TOKEN_PATH=/" }, NULL },
        { { "HF_TOKEN=a", "HF_HUB_DISABLE_IMPLICIT_TOKEN=1" }, "(none)" },
        { { "HF_TOKEN=a", "HF_HUB_DISABLE_IMPLICIT_TOKEN=0" }, "a" },
    };

    CHECK(rows, token);
}

static void token_file(void **state)
{
    SK_OWN(free) char *folder = sk_path_join(*state, ".cache/huggingface");
    SK_OWN(free) char *path = sk_path_join(folder, "token");
    SK_AUTO(sk_hf_env_done) struct sk_hf_env e = { 0 };
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_mkdirs(folder, 0700, &err), 0);
    assert_int_equal(sk_file_write(path, "tok\n", 4, 0600, &err), 0);
    assert_int_equal(sk_hf_env_read(&e, &err), 0);
    assert_string_equal(e.token, "tok");
    assert_string_equal(e.token_from, path);
    assert_int_equal(e.connect_ms, 10000);
    assert_int_equal(e.stall_ms, 10000);
}

/* [hf-5] */
static void without_network(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { { NULL }, "(none)" },
        { { "HF_HUB_OFFLINE=1" }, "HF_HUB_OFFLINE" },
        { { "HF_HUB_OFFLINE=Yes" }, "HF_HUB_OFFLINE" },
        { { "TRANSFORMERS_OFFLINE=true" }, "TRANSFORMERS_OFFLINE" },
        { { "HF_HUB_OFFLINE=0", "TRANSFORMERS_OFFLINE=1" }, "(none)" },
        { { "HF_HUB_OFFLINE=2" }, "(none)" },
    };

    CHECK(rows, offline);
}

static int read_one(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_hf_env_done) struct sk_hf_env e = { 0 };
    (void)ctx;
    return sk_hf_env_read(&e, err);
}

static void allocations(void **state)
{
    (void)state;
    assert_true(sk_alloc_sweep("env", read_one, NULL, 0) >= 4);
    sk_hf_set("HF_TOKEN=tok");
    assert_true(sk_alloc_sweep("env with token", read_one, NULL, 0) >= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(caches),
        cmocka_unit_test(endpoints),
        cmocka_unit_test(tokens),
        cmocka_unit_test_setup_teardown(token_file, sk_hf_surround, sk_hf_unsurround),
        cmocka_unit_test(without_network),
        cmocka_unit_test_setup_teardown(allocations, sk_hf_surround, sk_hf_unsurround),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
