/* test_upload.c - files become blobs, whatever happens in between. */
#include "base/file.h"
#include "hub_double.h"
#include "remote/remote_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    SIZE = 3000000
};

static struct hub_double hub;
static struct sk_buf bytes = SK_BUF_INIT(SIZE);
static char folder[64], file[96], digest[80];

static void make_file(size_t len)
{
    struct sk_err err = SK_ERR_INIT;
    make_bytes(&bytes, len, 1);
    digest_of(bytes.data ? bytes.data : "", len, digest);
    (void)snprintf(file, sizeof file, "%s/model.bin", folder);
    if (sk_file_write(file, bytes.data ? bytes.data : "", len, 0600, &err) < 0)
        fail_msg("%s", err.text);
}

static int upload(struct sk_err *err)
{
    SK_OWN(sk_remote_free) struct sk_remote *r = hub_double_remote(&hub, "secret");
    return sk_remote_upload(r, file, digest, bytes.len, NULL, NULL, err);
}

static void check_arrived(void)
{
    assert_string_equal(hub.digest, digest);
    assert_int_equal(hub.blob.len, bytes.len);
    assert_int_equal(
        memcmp(hub.blob.data ? hub.blob.data : "", bytes.data ? bytes.data : "", bytes.len), 0);
}

/* How many notes of unfinished uploads there are. */
static size_t notes(void)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    struct sk_err err = SK_ERR_INIT;
    char path[96];
    (void)snprintf(path, sizeof path, "%s/uploads", folder);
    return sk_dir_read(path, &dir, &err) == 0 ? dir.count : 0;
}

static void sizes(void **state)
{
    (void)state;
    static const size_t rows[] = { 0, 1, 65536, SIZE };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        hub_double_start(&hub);
        make_file(rows[i]);
        if (upload(&err) < 0)
            fail_msg("%zu bytes: %s", rows[i], err.text);
        check_arrived();
        assert_int_equal(hub.puts, 1);
        assert_int_equal(hub.received, rows[i]); /* each byte once */
        assert_string_equal(hub.authorization, "Bearer secret");
        assert_int_equal(upload(&err), 0); /* it is there: nothing moves */
        assert_int_equal(hub.puts, 1);
        assert_int_equal(notes(), 0);
        hub_double_stop(&hub);
    }
}

/* Each fault, and what it may cost. */
static void faults(void **state)
{
    (void)state;

    static const struct {
        const char *name;
        struct hub_double with;
        unsigned posts, puts;
    } rows[] = {
        { "cut once", { .cut_puts = 1, .cut_after = 1000000 }, 1, 2 },
        { "cut at once", { .cut_puts = 1 }, 1, 2 },
        { "cut at the last byte", { .cut_puts = 1, .cut_after = SIZE - 1 }, 1, 2 },
        { "the answer is lost", { .lose_answers = 1 }, 1, 1 },
        { "the upload is forgotten", { .forget = 1 }, 2, 2 },
        { "busy", { .busy = 1 }, 1, 2 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        hub_double_start(&hub);
        make_file(SIZE);
        hub.cut_puts = rows[i].with.cut_puts;
        hub.cut_after = rows[i].with.cut_after;
        hub.lose_answers = rows[i].with.lose_answers;
        hub.forget = rows[i].with.forget;
        hub.busy = rows[i].with.busy;
        if (upload(&err) < 0)
            fail_msg("%s: %s", rows[i].name, err.text);
        check_arrived();
        if (hub.posts != rows[i].posts || hub.puts != rows[i].puts)
            fail_msg("%s: %u POST, %u PUT", rows[i].name, hub.posts, hub.puts);
        assert_int_equal(notes(), 0);
        hub_double_stop(&hub);
    }
}

/* A process that gave up left a note; the next one goes on where the hub stands. */
static void later_process(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    hub_double_start(&hub);
    make_file(SIZE);
    hub.cut_puts = SK_REMOTE_TRIES + 1;
    hub.cut_after = 2000000;
    assert_int_equal(upload(&err), -1);
    assert_non_null(strstr(err.text, "upload of '"));
    assert_int_equal(notes(), 1);
    assert_int_equal(hub.upload.len, 2000000);
    hub.cut_puts = 0;
    hub.received = 0;
    err = (struct sk_err)SK_ERR_INIT;
    if (upload(&err) < 0)
        fail_msg("%s", err.text);
    check_arrived();
    assert_int_equal(hub.posts, 1);
    assert_int_equal(hub.received, SIZE - 2000000);
    assert_int_equal(notes(), 0);
    hub_double_stop(&hub);
}

/* A note of an upload that the hub does not have any more is of no use, and does no harm. */
static void stale_note(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    hub_double_start(&hub);
    make_file(SIZE);
    hub.cut_puts = SK_REMOTE_TRIES + 1;
    assert_int_equal(upload(&err), -1);
    hub.id[0] = '\0';
    hub.cut_puts = 0;
    if (upload(&err) < 0)
        fail_msg("%s", err.text);
    check_arrived();
    hub_double_stop(&hub);
}

static void refusals(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    hub_double_start(&hub);
    make_file(1000);
    digest[10] = digest[10] == 'a' ? 'b' : 'a';
    assert_int_equal(upload(&err), -1); /* the hub refuses: at once, and the note is gone */
    assert_int_equal(err.code, SK_INVALID);
    assert_non_null(strstr(err.text, "the digest does not fit"));
    assert_int_equal(hub.puts, 1);
    assert_int_equal(notes(), 0);

    make_file(1000);
    hub.is_full = true; /* stays so: no second try */
    hub.puts = 0;
    assert_int_equal(upload(&err), -1);
    assert_int_equal(err.code, SK_FULL);
    assert_non_null(strstr(err.text, "disk is full"));
    assert_int_equal(hub.puts, 1);
    hub.is_full = false;
    hub.id[0] = '\0'; /* and has thrown away what it had */

    make_file(1000);
    hub.size = "{\"size\": 5000}"; /* a hub that has more than there is */
    hub.cut_puts = 1;
    assert_int_equal(upload(&err), 0); /* asked again, and the second PUT is whole */
    hub.size = NULL;

    static const struct {
        const char *path, *digest;
        uint64_t size;
        enum sk_code code;
    } rows[] = {
        { "/nonexistent", NULL, 1000, SK_NOT_FOUND },
        { NULL, NULL, 999, SK_INVALID },
        { NULL, "sha256:abc", 1000, SK_INVALID },
        { NULL, "md5:0123456789abcdef0123456789abcdef", 1000, SK_INVALID },
    };
    SK_OWN(sk_remote_free) struct sk_remote *r = hub_double_remote(&hub, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        err = (struct sk_err)SK_ERR_INIT;
        assert_int_equal(sk_remote_upload(r, rows[i].path ? rows[i].path : file,
                                          rows[i].digest ? rows[i].digest : digest, rows[i].size,
                                          NULL, NULL, &err),
                         -1);
        if (err.code != rows[i].code)
            fail_msg("row %zu: %s", i, err.text);
    }
    hub_double_stop(&hub);
}

struct seen {
    uint64_t last, total, stop_at;
    unsigned calls;
    bool goes_back;
};

static bool see(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    struct seen *s = ctx;
    s->calls++;
    if (strcmp(what, "model.bin") != 0)
        abort();
    s->goes_back |= done < s->last;
    s->last = done;
    s->total = total;
    return !s->stop_at || done < s->stop_at;
}

static void progress(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    struct seen s = { 0 };
    hub_double_start(&hub);
    make_file(SIZE);
    SK_OWN(sk_remote_free) struct sk_remote *r = hub_double_remote(&hub, "secret");
    assert_int_equal(sk_remote_upload(r, file, digest, SIZE, see, &s, &err), 0);
    assert_true(s.calls >= 1 && !s.goes_back);
    assert_int_equal(s.last, SIZE);
    assert_int_equal(s.total, SIZE);
    hub_double_stop(&hub);

    hub_double_start(&hub);
    s = (struct seen){ .stop_at = 1 };
    SK_OWN(sk_remote_free) struct sk_remote *again = hub_double_remote(&hub, "secret");
    assert_int_equal(sk_remote_upload(again, file, digest, SIZE, see, &s, &err), -1);
    assert_int_equal(err.code, SK_CANCELLED);
    hub_double_stop(&hub);
}

static int set_up(void **state)
{
    (void)state;
    enter_folder(folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    leave_folder(folder);
    sk_buf_done(&bytes);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),      cmocka_unit_test(faults),   cmocka_unit_test(later_process),
        cmocka_unit_test(stale_note), cmocka_unit_test(refusals), cmocka_unit_test(progress),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
