/* test_init.c - a hub appears whole or not at all. */
#include "hub_util.h"

#include "base/file.h"
#include "harness/alloc_fail.h"

#include <sys/stat.h>
#include <unistd.h>

static int init(struct hub_fixture *f, const char *dir, const char *name, struct sk_err *err)
{
    const char *names[] = { name };
    const struct sk_hub_init opts = {
        .dir = dir, .hostnames = names, .hostname_count = name ? 1 : 0, .port = 9443
    };
    return sk_hub_init(&opts, &f->made, err);
}

static size_t entries(const char *folder)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_dir d = { 0 };
    assert_int_equal(sk_dir_read(folder, &d, &err), 0);
    size_t count = d.count;
    sk_dir_done(&d);
    return count;
}

static unsigned mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 0777;
}

static void whole(void **state)
{
    struct hub_fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    char slashes[100];
    (void)snprintf(slashes, sizeof slashes, "%s//", f->dir);
    if (init(f, slashes, "hub.example", &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(f->made.url, "https://hub.example:9443");
    assert_int_equal(strncmp(f->made.owner_token, "skt_", 4), 0);
    assert_int_equal(mode_of(f->dir), 0700);
    assert_int_equal(mode_of(f->made.token_file), 0600);
    assert_true(sk_is_file(f->made.ca_file));
    assert_int_equal(entries(f->folder), 1); /* nothing is left beside it */
    SK_OWN(free) char *token = NULL;
    size_t len;
    assert_int_equal(sk_file_read(f->made.token_file, 1000, &token, &len, &err), 0);
    token[strcspn(token, "\n")] = '\0';
    assert_string_equal(token, f->made.owner_token);
    struct sk_hub_config *c = NULL;
    assert_int_equal(sk_hub_config_read(f->dir, &c, &err), 0);
    assert_string_equal(c->hostnames[0], "hub.example");
    assert_int_equal(c->hostname_count, 4);
    sk_hub_config_free(c);
    /* and it runs */
    hub_start(f, 1);
    struct answer a;
    hub_ask(f, "GET", "/api/v1/whoami", f->made.owner_token, NULL, &a);
    hub_expect(&a, 200, "\"role\":\"owner\"");
}

static void second_time(void **state)
{
    struct hub_fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(init(f, f->dir, "hub.example", &err), 0);
    struct sk_hub_made first = f->made;
    assert_int_equal(init(f, f->dir, "hub.example", &err), -1);
    assert_int_equal(err.code, SK_EXISTS);
    assert_non_null(strstr(err.text, f->dir));
    SK_OWN(free) char *token = NULL;
    size_t len;
    assert_int_equal(sk_file_read(first.token_file, 1000, &token, &len, &err), 0);
    assert_int_equal(strncmp(token, first.owner_token, 64), 0);
    assert_int_equal(entries(f->folder), 1);
}

/* An empty folder, as a mount point or `mkdir` leaves it, is fine; and folders above are made. */
static void places(void **state)
{
    struct hub_fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    char path[128];
    assert_int_equal(mkdir(f->dir, 0755), 0);
    assert_int_equal(init(f, f->dir, "a", &err), 0);
    assert_int_equal(mode_of(f->dir), 0700);
    (void)snprintf(path, sizeof path, "%s/deep/er/hub", f->folder);
    assert_int_equal(init(f, path, "a", &err), 0);
    (void)snprintf(path, sizeof path, "%s/file", f->folder);
    assert_int_equal(sk_file_write(path, "x", 1, 0600, &err), 0);
    assert_int_equal(init(f, path, "a", &err), -1);
    assert_int_equal(err.code, SK_EXISTS);
}

static void refused(void **state)
{
    struct hub_fixture *f = *state;
    static char long_name[300];
    memset(long_name, 'a', sizeof long_name - 1);
    static const char *const names[] = { NULL, "", "a b", "a,DNS:evil", "-a", long_name };
    for (size_t i = 0; i < COUNT(names); i++) {
        struct sk_err err = SK_ERR_INIT;
        if (init(f, f->dir, names[i], &err) != -1)
            fail_msg("'%s' was taken", names[i]);
        if (err.code != SK_INVALID)
            fail_msg("'%s': %s", names[i], err.text);
        assert_int_equal(entries(f->folder), 0);
    }
}

/* Names that are given twice, or are local ones, are in the certificate once. */
static void names_once(void **state)
{
    struct hub_fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    static const char *const names[] = { "LOCALHOST", "hub.example", "HUB.example", "10.0.0.1" };
    const struct sk_hub_init opts = {
        .dir = f->dir, .hostnames = names, .hostname_count = 4, .port = 1
    };
    struct sk_hub_config *c = NULL;
    assert_int_equal(sk_hub_init(&opts, &f->made, &err), 0);
    assert_int_equal(sk_hub_config_read(f->dir, &c, &err), 0);
    assert_int_equal(c->hostname_count, 5);
    assert_string_equal(c->hostnames[2], "10.0.0.1");
    sk_hub_config_free(c);
}

static void of_an_address(void **state)
{
    struct hub_fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(init(f, f->dir, "2001:db8::1", &err), 0);
    assert_string_equal(f->made.url, "https://[2001:db8::1]:9443");
}

/* Whatever fails, nothing is left. */
static int one_init(void *ctx, struct sk_err *err)
{
    struct hub_fixture *f = ctx;
    struct sk_err other = SK_ERR_INIT;
    if (init(f, f->dir, "hub.example", err) < 0) {
        if (entries(f->folder) != 0)
            fail_msg("left behind after: %s", err->text);
        return -1;
    }
    assert_int_equal(sk_remove_tree(f->dir, &other), 0);
    return 0;
}

static void memory_runs_out(void **state)
{
    assert_true(sk_alloc_sweep("init", one_init, *state, SK_ALLOC_MAY_SURVIVE) > 20);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, hub_folder, hub_gone)

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(whole),          ROW(second_time), ROW(places),
                                        ROW(refused),        ROW(names_once),  ROW(of_an_address),
                                        ROW(memory_runs_out) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
