#include "hub_test.h"

#include "base/file.h"
#include "cli_test.h"
#include "harness/golden.h"

#include <stdio.h>
#include <stdlib.h>

void hub_test_start(struct hub_test *t)
{
    static const char *const names[] = { "127.0.0.1" };
    struct sk_err err = SK_ERR_INIT;
    struct sk_hub_made made;
    char url[64];

    t->dir = sk_test_dir();
    SK_OWN(free) char *folder = sk_path_join(t->dir, "hub");
    SK_OWN(free) char *config = sk_path_join(t->dir, "config");
    SK_OWN(free) char *cache = sk_path_join(t->dir, "cache");
    const struct sk_hub_init init = { .dir = folder, .hostnames = names, .hostname_count = 1 };
    const struct sk_hub_options opts = {
        .dir = folder, .host = "127.0.0.1", .listen_fd = -1, .workers = 2, .plain_http = true
    };

    if (sk_hub_init(&init, &made, &err) < 0 || sk_hub_start(&opts, &t->hub, &err) < 0)
        fail_msg("%s", err.text);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", sk_hub_port(t->hub));
    assert_int_equal(setenv("SKERRY_HUB", url, 1), 0);
    assert_int_equal(setenv("SKERRY_TOKEN", made.owner_token, 1), 0);
    assert_int_equal(setenv("SKERRY_CONFIG_DIR", config, 1), 0);
    assert_int_equal(setenv("SKERRY_CACHE_DIR", cache, 1), 0);
}

void hub_test_stop(struct hub_test *t)
{
    sk_hub_stop(t->hub);
    sk_test_dir_free(t->dir);
}

void hub_test_rows(const struct hub_test *t, const struct hub_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct ran r = run_words(rows[i].line, t->dir, NULL);

        check_status(rows[i].line, &r, rows[i].status);
        if (!strstr(r.out, rows[i].out) || !strstr(r.err, rows[i].err))
            fail_msg("row %zu, %s:\n%s%s", i, rows[i].line, r.out, r.err);
        ran_done(&r);
    }
}

void hub_test_run(const struct hub_row *rows, size_t count)
{
    struct hub_test t;

    hub_test_start(&t);
    hub_test_rows(&t, rows, count);
    hub_test_stop(&t);
}
