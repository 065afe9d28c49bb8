/* test_download.c - a version becomes a folder, whole or not at all. */
#include "catalog/catalog.h"

#include "harness/golden.h"

#include "catalog/hub.h"

/* printf abc | sha256sum, printf '' | sha256sum */
#define ABC         "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define EMPTY       "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define VERSION     REPLY("200 OK", "{\"name\": \"m\", \"version\": \"3\", \"digest\": \"" ABC "\"}")
#define FILES(list) REPLY("200 OK", "{\"files\": [" list "]}")
#define FILE_OF(path, digest, size)                                                                \
    "{\"path\": \"" path "\", \"digest\": \"" digest "\", \"size\": " size "}"

static void whole(void **state)
{
    static const char *const replies[] = {
        VERSION, FILES(FILE_OF("sub/a.txt", ABC, "3") "," FILE_OF("empty", EMPTY, "0")),
        REPLY("200 OK", "abc"), NULL
    };
    SK_AUTO(folder_done) struct folder f;
    SK_AUTO(hub_done) struct hub h;
    SK_OWN(sk_json_free) struct sk_json *version = NULL;
    SK_OWN(free) char *text = NULL;
    SK_AUTO(sk_dir_done) struct sk_dir names = { 0 };
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;
    char dir[128];

    (void)state;
    folder_make(&f);
    (void)snprintf(dir, sizeof(dir), "%s/out", f.path);
    hub_start(&h, replies);
    if (sk_catalog_download(h.remote, "m@champion", dir, NULL, NULL, &version, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(sk_file_read(folder_at(&f, "out/sub/a.txt"), 100, &text, &len, &err), 0);
    assert_string_equal(text, "abc");
    assert_true(sk_is_file(folder_at(&f, "out/empty")));
    assert_string_equal(sk_json_get_text(version, "version", ""), "3");
    assert_int_equal(sk_dir_read(f.path, &names, &err), 0);
    assert_int_equal(names.count, 1); /* nothing is left beside it */
    hub_stop(&h);
    assert_non_null(strstr(h.server->requests[0], "GET /api/v1/resolve?ref=m%40champion "));
    assert_non_null(strstr(h.server->requests[1], "GET /api/v1/models/m/versions/3/files "));
}

static void refused(void **state)
{
    static const struct {
        const char *name, *replies[4];
        enum sk_code code;
        const char *says;
    } rows[] = {
        { "no such version",
          { REPLY("404 Not Found", "{\"error\": \"no such version\"}"), NULL },
          SK_NOT_FOUND,
          "no such version" },
        { "no files", { VERSION, FILES(""), NULL }, SK_NOT_FOUND, "has no files" },
        { "up", { VERSION, FILES(FILE_OF("../x", ABC, "3")), NULL }, SK_REMOTE, "../x" },
        { "up inside",
          { VERSION, FILES(FILE_OF("a/../../x", ABC, "3")), NULL },
          SK_REMOTE,
          "../x" },
        { "absolute", { VERSION, FILES(FILE_OF("/tmp/x", ABC, "3")), NULL }, SK_REMOTE, "/tmp/x" },
        { "dot", { VERSION, FILES(FILE_OF("./x", ABC, "3")), NULL }, SK_REMOTE, "./x" },
        { "no name", { VERSION, FILES(FILE_OF("", ABC, "3")), NULL }, SK_REMOTE, "not usable" },
        { "no digest", { VERSION, FILES(FILE_OF("x", "md5:1", "3")), NULL }, SK_REMOTE, "'x'" },
        { "negative size", { VERSION, FILES(FILE_OF("x", ABC, "-3")), NULL }, SK_REMOTE, "'x'" },
        { "other bytes",
          { VERSION, FILES(FILE_OF("x", ABC, "3")), REPLY("200 OK", "abd"), NULL },
          SK_CORRUPT,
          "sha256:" },
        { "more bytes",
          { VERSION, FILES(FILE_OF("x", ABC, "3")), REPLY("200 OK", "abcd"), NULL },
          SK_CORRUPT,
          "3" },
        { "no JSON", { REPLY("200 OK", "hello"), NULL }, SK_INVALID, "" },
        { "no version in it", { REPLY("200 OK", "{}"), NULL }, SK_REMOTE, "name and version" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_AUTO(folder_done) struct folder f;
        SK_AUTO(hub_done) struct hub h;
        struct sk_err err = SK_ERR_INIT;
        char dir[128];

        folder_make(&f);
        (void)snprintf(dir, sizeof(dir), "%s/out", f.path);
        hub_start(&h, rows[i].replies);
        if (sk_catalog_download(h.remote, "m", dir, NULL, NULL, NULL, &err) != -1 ||
            err.code != rows[i].code || !strstr(err.text, rows[i].says))
            fail_msg("%s: code %d, %s", rows[i].name, err.code, err.text);
        assert_false(sk_is_dir(dir));
        assert_false(sk_is_file(folder_at(&f, "x")));
    }
}

/* [catalog-7] What an earlier try left is not fetched again. */
static void goes_on(void **state)
{
    static const char *const first[] = { VERSION,
                                         FILES(FILE_OF("a", ABC, "3") "," FILE_OF("b", ABC, "3")),
                                         REPLY("200 OK", "abc"),
                                         REPLY("403 Forbidden", "{\"error\": \"no more\"}"), NULL };
    static const char *const second[] = { VERSION,
                                          FILES(FILE_OF("a", ABC, "3") "," FILE_OF("b", ABC, "3")),
                                          REPLY("200 OK", "abc"), NULL };
    SK_AUTO(folder_done) struct folder f;
    struct sk_err err = SK_ERR_INIT;
    char dir[128];

    (void)state;
    folder_make(&f);
    (void)snprintf(dir, sizeof(dir), "%s/out", f.path);
    {
        SK_AUTO(hub_done) struct hub h;

        hub_start(&h, first);
        assert_int_equal(sk_catalog_download(h.remote, "m", dir, NULL, NULL, NULL, &err), -1);
        assert_non_null(strstr(err.text, "no more"));
        assert_false(sk_is_dir(dir));
    }
    SK_AUTO(hub_done) struct hub h;

    hub_start(&h, second);
    if (sk_catalog_download(h.remote, "m", dir, NULL, NULL, NULL, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(sk_is_file(folder_at(&f, "out/a")) && sk_is_file(folder_at(&f, "out/b")));
    hub_stop(&h);
    assert_int_equal(h.server->count, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),
        cmocka_unit_test(refused),
        cmocka_unit_test(goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
