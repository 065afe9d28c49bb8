/* test_config.c - hub.json there and back, and what is refused. */
#include "hub_util.h"

#include "base/file.h"

static void comes_back(void **state)
{
    struct hub_fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    static const char *const names[] = { "hub.example", "a \"quoted\" one", "::1" };
    struct sk_hub_config *c = NULL;
    assert_int_equal(sk_hub_config_write(f->folder, names, 3, 9000, &err), 0);
    if (sk_hub_config_read(f->folder, &c, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(c->hostname_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(c->hostnames[i], names[i]);
    assert_null(c->hostnames[3]);
    assert_int_equal(c->port, 9000);
    sk_hub_config_free(c);
    sk_hub_config_free(NULL);
}

static void refused(void **state)
{
    struct hub_fixture *f = *state;

    static const struct {
        const char *text, *words;
    } rows[] = {
        { "", "hub.json" },
        { "[]", "hub.json" },
        { "{}", "1 to 100 names" },
        { "{\"hostnames\": []}", "1 to 100 names" },
        { "{\"hostnames\": \"a\"}", "expected an array" },
        { "{\"hostnames\": [1]}", "must be texts" },
        { "{\"hostnames\": [\"a\"], \"port\": 65536}", "port" },
        { "{\"hostnames\": [\"a\"], \"port\": \"x\"}", "port" },
    };

    char path[128];
    (void)snprintf(path, sizeof path, "%s/hub.json", f->folder);
    struct sk_err err = SK_ERR_INIT;
    struct sk_hub_config *c = NULL;
    assert_int_equal(sk_hub_config_read(f->folder, &c, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    for (size_t i = 0; i < COUNT(rows); i++) {
        err = (struct sk_err)SK_ERR_INIT;
        assert_int_equal(sk_file_write(path, rows[i].text, strlen(rows[i].text), 0600, &err), 0);
        if (sk_hub_config_read(f->folder, &c, &err) != -1)
            fail_msg("'%s' was taken", rows[i].text);
        if (!strstr(err.text, rows[i].words))
            fail_msg("'%s': %s", rows[i].text, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(comes_back, hub_folder, hub_gone),
        cmocka_unit_test_setup_teardown(refused, hub_folder, hub_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
