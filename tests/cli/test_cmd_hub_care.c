/* test_cmd_hub_care.c - `skerry hub backup|restore|verify|gc`: what they say, and their statuses.
 */
#include "cli/cli.h"

#include "base/file.h"
#include "cli_test.h"
#include "harness/golden.h"
#include "store/store.h"

#define DONE(call)                                                                                 \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s", err.text);                                                              \
    } while (0)

static const struct {
    const char *line;
    int status;
    const char *out, *err; /* contained */
} rows[] = {
    { "skerry hub verify --data-dir %s/none", 1, "", "is not a hub's folder: `skerry hub init" },
    { "skerry hub verify --data-dir %s/hub", 0, "2 blobs, 0.0 KiB: all as they should be\n", "" },
    { "skerry hub verify --data-dir %s/hub --json", 0,
      "{\"problems\":[],\"blobs\":2,\"bytes\":12,\"strays\":0,\"stray_bytes\":0}\n", "" },
    { "skerry hub backup --data-dir %s/hub", 2, "", "FILE" },
    { "skerry hub backup /none/hub.tar --data-dir %s/hub", 1, "", "/none/hub.tar" },
    { "skerry hub gc --data-dir %s/hub --grace 1day", 2, "", "--grace" },
    { "skerry hub gc --data-dir %s/hub --dry-run --grace 0", 0,
      "would remove 0 uploads, 0 stray files, 1 blob, 0.0 KiB in all\n", "" },
    { "skerry hub gc --data-dir %s/hub --json", 0,
      "{\"dry_run\":false,\"removed\":0,\"removed_bytes\":0,\"uploads_removed\":0,\"strays\":0,"
      "\"stray_bytes\":0}\n",
      "" },
    { "skerry hub gc --data-dir %s/hub --grace 0", 0,
      "removed 0 uploads, 0 stray files, 1 blob, 0.0 KiB in all\n",
      "note: with so short a --grace, a push that is under way may have to be repeated\n" },
    { "skerry hub restore /none/hub.tar --data-dir %s/new", 1, "", "/none/hub.tar" },
};

static char *make_hub(const char *top)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_store_close) struct sk_store *s = NULL;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    char digest[SK_DIGEST_TEXT];
    char *dir = sk_path_join(top, "hub");

    DONE(sk_store_create(dir, &err));
    DONE(sk_store_open(dir, &s, &err));
    DONE(sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, &err));
    DONE(sk_blob_put(s, tx, SK_SHA256, "unnamed", 7, digest, &err));
    DONE(sk_blob_put(s, tx, SK_SHA256, "named", 5, digest, &err));
    DONE(sk_artifact_put(tx, "a", digest, &err));
    DONE(sk_tx_commit(&tx, &err));
    return dir;
}

static void test_rows(void **state)
{
    char *top = sk_test_dir();
    free(make_hub(top));

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct ran r = run_words(rows[i].line, top, NULL);
        check_status(rows[i].line, &r, rows[i].status);
        if (!strstr(r.out, rows[i].out) || !strstr(r.err, rows[i].err))
            fail_msg("row %zu: %s%s", i, r.out, r.err);
        ran_done(&r);
    }
    sk_test_dir_free(top);
}

static void run_ok(const char *line, const char *top, const char *out)
{
    struct ran r = run_words(line, top, NULL);

    check_status(line, &r, 0);
    if (!strstr(r.out, out))
        fail_msg("%s: %s", line, r.out);
    ran_done(&r);
}

/* There and back; then a blob is spoiled. */
static void test_round_trip(void **state)
{
    char *top = sk_test_dir();
    free(make_hub(top));
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *again = sk_path_join(top, "again");
    char digest[SK_DIGEST_TEXT];

    (void)state;
    run_ok("skerry hub backup %s/hub.tar --data-dir %s/hub", top, "/hub.tar: 2 blobs, 0.0 KiB\n");
    run_ok("skerry hub backup %s/hub.tar --json --data-dir %s/hub", top,
           "/hub.tar\",\"blobs\":2,\"bytes\":12}\n");
    run_ok("skerry hub restore %s/hub.tar --data-dir %s/new", top, "/new: 2 blobs, 0.0 KiB\n");
    run_ok("skerry hub restore %s/hub.tar --json --data-dir %s/again", top,
           "\"blobs\":2,\"bytes\":12}");
    run_ok("skerry hub verify --data-dir %s/again", top, "all as they should be");

    SK_OWN(sk_store_close) struct sk_store *s = NULL;
    DONE(sk_store_open(again, &s, &err));
    {
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        uint64_t size = 0;
        DONE(sk_db_begin(sk_store_db(s), SK_DB_READ, &tx, &err));
        DONE(sk_artifact_get(tx, "a", digest, &size, &err));
    }
    char path[800];
    (void)snprintf(path, sizeof path, "%s/blobs/sha256/%.2s/%s", again, digest + 7, digest + 7);
    DONE(sk_file_write(path, "nAmed", 5, 0600, &err));
    struct ran r = run_words("skerry hub verify --data-dir %s/again", top, NULL);
    check_status("verify", &r, 1);
    assert_non_null(strstr(r.out, digest));
    assert_non_null(strstr(r.out, "has other contents"));
    assert_non_null(strstr(r.err, "1 problem: push or restore what is broken"));
    ran_done(&r);
    r = run_words("skerry hub verify --json --data-dir %s/again", top, NULL);
    check_status("verify --json", &r, 1);
    assert_non_null(strstr(r.out, "{\"problems\":[\"blob sha256:"));
    ran_done(&r);
    r = run_words("skerry hub restore %s/hub.tar --data-dir %s/again", top, NULL);
    check_status("restore", &r, 1);
    assert_non_null(strstr(r.err, "is not empty"));
    ran_done(&r);
    sk_test_dir_free(top);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests_name("cmd_hub_care", tests, NULL, NULL);
}
