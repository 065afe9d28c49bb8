/* test_reference.c - names of images, and logins for registries. */
#include "engine.h"

#include "crypto/crypto.h"

#include <string.h>

/* [docker-10] */
static void test_split(void **state)
{
    static const struct {
        const char *image, *repository, *tag;
    } rows[] = {
        { "cats", "cats", "latest" },
        { "cats:v1", "cats", "v1" },
        { "hub:5000/team/cats", "hub:5000/team/cats", "latest" },
        { "hub:5000/team/cats:v1", "hub:5000/team/cats", "v1" },
        { "hub/cats@sha256:ab", "hub/cats", "sha256:ab" },
        { "hub:5000/cats:v1@sha256:ab", "hub:5000/cats", "sha256:ab" },
        { "", NULL, NULL },
        { ":v1", NULL, NULL },
        { "cats:", NULL, NULL },
        { "cats@", NULL, NULL },
        { "@sha256:ab", NULL, NULL },
        { "ca ts", NULL, NULL },
        { "cats\n", NULL, NULL },
        { "c\xc3\xa4ts", NULL, NULL },
    };

    char repository[SK_DOCKER_NAME_MAX], tag[SK_DOCKER_NAME_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        int rc = sk_docker_split(rows[i].image, repository, tag, &err);
        if (rc < 0 ? rows[i].repository != NULL
                   : !rows[i].repository || strcmp(repository, rows[i].repository) != 0 ||
                         strcmp(tag, rows[i].tag) != 0)
            fail_msg("'%s': %s %s:%s", rows[i].image, err.text, repository, tag);
    }
}

static void test_long_name(void **state)
{
    char image[SK_DOCKER_NAME_MAX + 1], repository[SK_DOCKER_NAME_MAX], tag[SK_DOCKER_NAME_MAX];
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    memset(image, 'a', sizeof image);
    image[SK_DOCKER_NAME_MAX - 1] = '\0';
    assert_int_equal(sk_docker_split(image, repository, tag, &err), 0);
    image[SK_DOCKER_NAME_MAX - 1] = 'a';
    image[SK_DOCKER_NAME_MAX] = '\0';
    assert_int_equal(sk_docker_split(image, repository, tag, &err), -1);
}

/* [docker-11] */
static void test_auth(void **state)
{
    static const struct {
        struct sk_docker_auth auth;
        const char *json;
    } rows[] = {
        { { NULL, NULL, NULL }, "{}" },
        { { "", "x", "y" }, "{}" },
        { { "u", "p", "hub:443" },
          "{\"username\":\"u\",\"password\":\"p\",\"serveraddress\":\"hub:443\"}" },
        { { "u", "p\"?>~\xc3\xbf", NULL },
          "{\"username\":\"u\",\"password\":\"p\\\"?>~\xc3\xbf\",\"serveraddress\":\"\"}" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4096);
        SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(4096);
        struct sk_err err = SK_ERR_INIT;
        sk_buf_str(&out, "X: ");
        assert_int_equal(sk_docker_auth_header(&rows[i].auth, &out, &err), 0);
        assert_int_equal((out.len - 3) % 4, 0);
        assert_null(strpbrk(out.data + 3, "+/ \n"));
        for (char *p = out.data + 3; *p; p++)
            *p = *p == '-' ? '+' : *p == '_' ? '/' : *p;
        assert_int_equal(sk_base64_decode(out.data + 3, out.len - 3, &json, &err), 0);
        assert_string_equal(json.data, rows[i].json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_long_name),
        cmocka_unit_test(test_auth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
