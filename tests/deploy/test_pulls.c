/* test_pulls.c - images of this hub, and the repositories that devices may pull. */
#include "fixture.h"

static void images(void **state)
{
    static const struct {
        const char *image, *repository, *reference; /* NULL: not ours */
    } rows[] = {
        { "hub.local/a:1", "a", "1" },
        { "hub.local:8443/a/b/c:1.2-x", "a/b/c", "1.2-x" },
        { "HUB.Local/a", "a", "latest" },
        { "hub.local/a@sha256:00", "a", "sha256:00" },
        { "hub.local/a:1@sha256:00", "a", "sha256:00" },
        { "[::1]:8443/a:1", "a", "1" },
        { "hub.local", NULL, NULL },
        { "hub.local/", NULL, NULL },
        { "hub.local/:1", NULL, NULL },
        { "hub.localx/a:1", NULL, NULL },
        { "x.hub.local/a:1", NULL, NULL },
        { "library/a:1", NULL, NULL },
        { "a:1", NULL, NULL },
        { "$upstream:443/a:1", NULL, NULL },
        { "[::1/a", "a", "latest" },
        { "", NULL, NULL },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_view repository;
        const char *reference;
        bool is_own = sk_image_is_own(f->d, rows[i].image, &repository, &reference);
        if (is_own != (rows[i].repository != NULL))
            fail_msg("%s: %d", rows[i].image, is_own);
        if (is_own && (!sk_view_eq(repository, rows[i].repository) ||
                       strcmp(reference, rows[i].reference) != 0))
            fail_msg("%s: %.*s %s", rows[i].image, (int)repository.len, repository.ptr, reference);
    }
}

static void sections(void **state)
{
    static const struct {
        const char *text, *names;
    } rows[] = {
        { "{}", "" },
        { "{\"modules\":{\"m\":{\"settings\":{\"image\":\"hub.local/b:1\"}},\"n\":{\"settings\":"
          "{\"image\":\"hub.local/a:1\"}},\"o\":{\"settings\":{\"image\":\"hub.local/a:2\"}}},"
          "\"systemModules\":{\"edgeHub\":{\"settings\":{\"image\":\"HUB.LOCAL/h\"}}}}",
          "h b a " },
        { "{\"modules\":{\"m\":{\"settings\":{\"image\":\"docker.io/b:1\"}}}}", "" },
        { "{\"modules\":[\"hub.local\"],\"systemModules\":\"hub.local\"}", "" },
        { "{\"modules\":{\"m\":{\"settings\":{\"image\":[\"hub.local/x\"]}}}}", "" },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_names_done) struct sk_names names = { .items = NULL };
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1024);
        DONE(sk_pulls_of_text(f->d, rows[i].text, &names, &err));
        for (size_t k = 0; k < names.count; k++)
            sk_buf_fmt(&b, "%s ", names.items[k]);
        if (strcmp(b.data ? b.data : "", rows[i].names) != 0)
            fail_msg("%s: %s", rows[i].text, b.data);
    }
}

struct setting {
    const char *const *names;
    int64_t changes;
};

static int set(struct sk_change *c, void *ctx, struct sk_err *err)
{
    struct setting *s = ctx;
    struct sk_tx *tx = sk_change_tx(c);
    SK_AUTO(sk_names_done) struct sk_names names = { .items = NULL };
    for (size_t i = 0; s->names[i]; i++)
        if (sk_names_add(&names, s->names[i], strlen(s->names[i]), err) < 0)
            return -1;
    if (sk_tx_run(tx, err, "UPDATE identity SET etag = etag WHERE 0", "") < 0 ||
        sk_pulls_set(tx, "d", &names, err) < 0)
        return -1;
    s->changes = sk_tx_changes(tx);
    return 0;
}

static void database(void **state)
{
    static const char *const two[] = { "b", "a", "b", NULL }, *const one[] = { "a", NULL },
                             *const none[] = { NULL };
    struct setting rows[] = { { two, 0 }, { two, 0 }, { one, 0 }, { none, 0 }, { none, 0 } };
    static const char *const there[] = { "a,b", "a,b", "a", "", "" };
    static const bool is_changed[] = { true, false, true, true, false };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        DONE(sk_devices_write(f->devices, set, &rows[i], &err));
        assert_string_equal(text_of(f, "SELECT coalesce(group_concat(repository), '') FROM pull"),
                            there[i]);
        assert_int_equal(rows[i].changes > 0, is_changed[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(images), ROW(sections), ROW(database) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
