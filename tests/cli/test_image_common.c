/* test_image_common.c - which registry, and as whom. */
#include "cli_test.h"
#include "hub_test.h"
#include "image_test.h"

#include "base/file.h"
#include "cli/image_priv.h"

#include <stdlib.h>

static const struct hub_row rows[] = {
    { "skerry push %s/layout m", 0, "pushed 127.0.0.1:", "" }, /* the hub's, with its token */
    { "skerry image list --username u", 2, "", "--username needs --password-file" },
    { "skerry image list --password-file %s/token", 2, "", "--password-file needs --username" },
    { "skerry image list --username u --password-file %s/none", 1, "", "--password-file" },
    { "skerry image list --username u --password-file %s/token", 0, "m\n", "" },
    { "skerry image list --username u --password-file %s/wrong", 1, "",
      "does not accept the login" },
    { "skerry image list 127.0.0.1:1", 1, "", "127.0.0.1:1" },
    { "skerry image list a@b.example:5000", 1, "", "" },
    { "skerry image list --hub nobody", 1, "", "nobody" },
};

static void registries(void **state)
{
    static const enum image_layer layers[] = { IMAGE_PLAIN };

    char digest[SK_OCI_DIGEST_TEXT], text[256];
    struct hub_test t;

    (void)state;
    hub_test_start(&t);
    image_test_add(t.dir, "v1", "amd64", layers, COUNT(layers), digest);
    (void)snprintf(text, sizeof text, "%s\r\n", getenv("SKERRY_TOKEN"));
    write_text(t.dir, "token", text);
    write_text(t.dir, "wrong", "skt_wrong");
    hub_test_rows(&t, rows, COUNT(rows));
    /* the hub is not the current context: named by its host, it is the one that was logged in to */
    SK_OWN(free) char *hub = strdup(getenv("SKERRY_HUB"));
    SK_OWN(free) char *config = strdup(getenv("SKERRY_CONFIG_DIR"));
    SK_OWN(free) char *own = sk_path_join(t.dir, "others");
    struct sk_context c = { .name = "first", .token = getenv("SKERRY_TOKEN") };
    struct sk_err err = SK_ERR_INIT;
    char line[sizeof c.host + 32];

    assert_int_equal(setenv("SKERRY_CONFIG_DIR", own, 1), 0);
    assert_int_equal(sk_context_set_url(&c, hub, &err) | sk_context_save(&c, NULL, 0, &err), 0);
    (void)snprintf(line, sizeof line, "skerry image list %s/m", c.host);
    c = (struct sk_context){ .name = "second" };
    assert_int_equal(sk_context_set_url(&c, "https://127.0.0.1:1", &err), 0);
    assert_int_equal(sk_context_save(&c, NULL, 0, &err), 0);
    assert_int_equal(unsetenv("SKERRY_HUB"), 0);
    SK_OWN(free) char *token = strdup(getenv("SKERRY_TOKEN"));
    assert_int_equal(unsetenv("SKERRY_TOKEN"), 0);
    const struct hub_row other[] = { { line, 0, "latest\n", "" } };
    hub_test_rows(&t, other, COUNT(other));
    assert_int_equal(setenv("SKERRY_TOKEN", token, 1), 0);
    assert_int_equal(setenv("SKERRY_CONFIG_DIR", config, 1), 0);
    /* nobody is logged in to anything */
    const struct hub_row without[] = { { "skerry image list", 1, "", "skerry login" } };
    hub_test_rows(&t, without, COUNT(without));
    hub_test_stop(&t);
}

static void references(void **state)
{
    struct sk_oci_ref r = { .tag = "v1" };

    (void)state;
    assert_string_equal(sk_cli_image_reference(&r), "v1");
    (void)snprintf(r.digest, sizeof r.digest, "sha256:x");
    assert_string_equal(sk_cli_image_reference(&r), "sha256:x");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(registries),
                                        cmocka_unit_test(references) };
    return cmocka_run_group_tests_name("image_common", tests, NULL, NULL);
}
