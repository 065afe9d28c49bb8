/* test_telemetry.c - adding messages: bounds, what is copied, the end. */
#include "fixture.h"

#include <stdatomic.h>
#include <unistd.h>

static void largest(void **state)
{
    static const struct {
        const char *name, *bag;
        size_t body;
        bool is_good;
    } rows[] = {
        { "the largest", "", SK_IOT_MESSAGE_MAX, true },
        { "one more", "", SK_IOT_MESSAGE_MAX + 1, false },
        { "names and values count", "ab=cd", SK_IOT_MESSAGE_MAX - 4, true },
        { "by one", "ab=cd", SK_IOT_MESSAGE_MAX - 3, false },
        { "a system property's value", "%24.ct=abcd", SK_IOT_MESSAGE_MAX - 4, true },
        { "by one too", "%24.ct=abcd", SK_IOT_MESSAGE_MAX - 3, false },
    };
    struct fixture *f = *state;
    SK_OWN(free) char *body = malloc(SK_IOT_MESSAGE_MAX + 1);
    assert_non_null(body);
    memset(body, '"', SK_IOT_MESSAGE_MAX + 1);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_iot_bag_done) struct sk_iot_bag bag = { 0 };
        DONE(sk_iot_bag_parse(sk_view_of(rows[i].bag), &bag, &err));
        const struct sk_message m = { .device = "d",
                                      .module = "",
                                      .source = "Telemetry",
                                      .generation = "",
                                      .auth_method = "",
                                      .bag = &bag,
                                      .body = { body, rows[i].body } };
        if (rows[i].is_good) {
            (void)add_message(f, &m);
            continue;
        }
        if (sk_telemetry_add(f->t, &m, NULL, NULL, &err) != -1 || err.code != SK_TOO_LARGE)
            fail_msg("%s was taken", rows[i].name);
        assert_memory_equal(err.text, "MessageTooLarge:", 16);
    }
    /* What was taken can be read, in any form. */
    SK_OWN(sk_telemetry_reader_free) struct sk_telemetry_reader *r = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4 << 20);
    struct sk_err err = SK_ERR_INIT;
    uint64_t seq;
    DONE(sk_telemetry_read(f->t, &(struct sk_telemetry_filter){ 0 }, &r, &err));
    for (int i = 0; i < 3; i++) {
        sk_buf_clear(&out);
        assert_int_equal(i ? sk_telemetry_next(r, &out, &seq, &err)
                           : sk_telemetry_next_csv(r, &out, &seq, &err),
                         1);
    }
}

static void long_names(void **state)
{
    struct fixture *f = *state;
    char name[400];
    struct sk_err err = SK_ERR_INIT;
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    const struct sk_message m = {
        .device = name, .module = "", .source = "", .generation = "", .auth_method = ""
    };
    assert_int_equal(sk_telemetry_add(f->t, &m, NULL, NULL, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    name[SK_IOT_ID_MAX] = '\0';
    const struct sk_message longest = {
        .device = name, .module = name, .source = "", .generation = "", .auth_method = ""
    };
    assert_int_equal(add_message(f, &longest), 1);
    assert_string_equal(
        numbers_of(f, &(struct sk_telemetry_filter){ .device = name, .module = name }), "1 ");
}

static void they_stay(void **state)
{
    struct fixture *f = *state;
    struct sk_journal_state at;
    (void)add(f, "d", "", NULL, "1");
    (void)add(f, "d", NULL, NULL, "2"); /* module NULL is the device, too */
    fixture_reopen(f);
    sk_telemetry_state(f->t, &at);
    assert_int_equal(at.next, 3);
    assert_string_equal(numbers_of(f, &(struct sk_telemetry_filter){ .device = "d", .module = "" }),
                        "1 2 ");
    sk_telemetry_close(NULL);
    struct sk_telemetry *second = NULL;
    struct sk_err err = SK_ERR_INIT;
    char dir[600];
    (void)snprintf(dir, sizeof dir, "%s/telemetry", f->dir);
    const struct sk_telemetry_options opts = { .dir = dir, .name = "telemetry" };
    assert_int_equal(sk_telemetry_open(&opts, &second, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
}

/* [telemetry-4] What is too old goes though nothing new comes, but for the newest segment. */
static void they_go(void **state)
{
    enum {
        COUNT_OF = 50 /* more than a segment */
    };

    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_journal_state at;
    SK_OWN(free) char *body = calloc(1, SK_IOT_MESSAGE_MAX);
    struct sk_message m = { .device = "d",
                            .module = "",
                            .source = "",
                            .generation = "",
                            .auth_method = "",
                            .enqueued_ms = TIME_MS,
                            .body = { body, SK_IOT_MESSAGE_MAX } };
    char dir[600];
    assert_non_null(body);
    for (int i = 0; i < COUNT_OF; i++)
        (void)add_message(f, &m);
    DONE(sk_telemetry_trim(f->t, &err)); /* no bound */
    sk_telemetry_state(f->t, &at);
    assert_int_equal(at.first, 1);
    sk_telemetry_close(f->t);
    f->t = NULL;
    (void)snprintf(dir, sizeof dir, "%s/telemetry", f->dir);
    const struct sk_telemetry_options opts = { .dir = dir,
                                               .name = "telemetry",
                                               .max_age_ms = 1000 };
    DONE(sk_telemetry_open(&opts, &f->t, &err));
    DONE(sk_telemetry_trim(f->t, &err));
    sk_telemetry_state(f->t, &at);
    assert_int_equal(at.segments, 1);
    assert_int_equal(at.next, COUNT_OF + 1);
}

static int refuse(void *ctx, enum sk_db_mode mode, struct sk_err *err)
{
    return *(bool *)ctx && mode == SK_DB_WRITE ? sk_fail(err, SK_FULL, "disk is full") : 0;
}

static void note_code(void *ctx, uint64_t seq, const struct sk_err *failed)
{
    (void)seq;
    atomic_store((atomic_int *)ctx, failed ? (int)failed->code : (int)SK_OK);
}

/* [store-9] The room that is kept for deletions is not taken by messages. */
static void room_is_kept(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    bool is_full = true;
    atomic_int code = SK_BUG;
    const struct sk_message m = {
        .device = "d", .module = "", .source = "", .generation = "", .auth_method = ""
    };
    sk_db_ask_room(sk_store_db(f->store), refuse, &is_full);
    DONE(sk_telemetry_add(f->t, &m, note_code, &code, &err));
    while (atomic_load(&code) == SK_BUG)
        (void)usleep(1000);
    assert_int_equal(atomic_load(&code), SK_FULL);
    is_full = false;
    assert_int_equal(add_message(f, &m), 1);
}

static int add_one(void *ctx, struct sk_err *err)
{
    struct fixture *f = ctx;
    SK_AUTO(sk_iot_bag_done) struct sk_iot_bag bag = { 0 };
    const struct sk_message m = { .device = "d",
                                  .module = "m",
                                  .source = "Telemetry",
                                  .generation = "g",
                                  .auth_method = "a",
                                  .bag = &bag,
                                  .body = SK_VIEW("body") };
    return sk_iot_bag_parse(SK_VIEW("a=b"), &bag, err) < 0 ||
                   sk_telemetry_add(f->t, &m, NULL, NULL, err) < 0
               ? -1
               : 0;
}

static void memory_runs_out(void **state)
{
    assert_true(sk_alloc_sweep("add", add_one, *state, 0) >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(largest),      ROW(long_names), ROW(they_stay),
        ROW(room_is_kept), ROW(they_go),    ROW(memory_runs_out),
    };
    return cmocka_run_group_tests_name("telemetry/telemetry", tests, NULL, NULL);
}
