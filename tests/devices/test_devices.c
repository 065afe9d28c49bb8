/* test_devices.c - events and changes: what is told, in which order, what is taken back; a hub that
 * is killed while it works; memory that runs out. */
#include "fixture.h"

#include "base/clock.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- events ---- */

struct change {
    const char *name; /* of the event's device */
    bool fails;
    unsigned ends; /* as they were to be */
};

static int tell_twice(struct sk_change *c, void *ctx, struct sk_err *err)
{
    const struct change *what = ctx;
    const struct sk_device_event e = {
        .kind = SK_EVENT_DESIRED, .device = what->name, .version = 1, .body = SK_VIEW("{}")
    };
    const struct sk_device_event bare = { .kind = SK_EVENT_DOWN,
                                          .device = what->name,
                                          .module = "m" };
    if (sk_change_tell(c, &e, err) < 0 || sk_change_tell(c, &bare, err) < 0)
        return -1;
    return what->fails ? sk_fail(err, SK_CANCELLED, "no") : 0;
}

static void count_end(void *ctx, const struct sk_err *failed)
{
    struct change *what = ctx;
    what->ends += what->fails == (failed != NULL);
}

static void events(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct change changes[] = {
        { "a", false, 0 }, { "b", true, 0 }, { "c", false, 0 }, { "d", true, 0 }
    };
    /* pushed at once, so that some share a transaction */
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < COUNT(changes); i++)
            DONE(sk_devices_push(f->d, tell_twice, i == 0 ? NULL : count_end, &changes[i], &err));
    settle(f);
    assert_int_equal(changes[1].ends, 3);
    assert_int_equal(changes[2].ends, 3);
    static const char once[] = "desired a 1 {}\ndown a/m\ndesired c 1 {}\ndown c/m\n";
    char all[3 * sizeof once];
    (void)snprintf(all, sizeof all, "%s%s%s", once, once, once);
    assert_string_equal(told(f), all);
    FAILS(sk_devices_write(f->d, tell_twice, &changes[1], &err), SK_CANCELLED, "no");
    assert_string_equal(told(f), "");
    DONE(sk_devices_write(f->d, tell_twice, &changes[0], &err));
    assert_string_equal(told(f), "desired a 1 {}\ndown a/m\n");
}

/* Nobody listens. */
static void no_listener(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct change change = { .name = "a" };
    struct sk_devices *quiet = NULL;
    const struct sk_devices_options opts = { .store = f->store, .accounts = f->accounts };
    DONE(sk_devices_new(&opts, &quiet, &err));
    DONE(sk_devices_write(quiet, tell_twice, &change, &err));
    sk_devices_free(quiet);
    sk_devices_free(NULL);
    assert_string_equal(told(f), "");
}

static int no_room(void *ctx, enum sk_db_mode mode, struct sk_err *err)
{
    (void)ctx;
    return mode == SK_DB_SHRINK ? 0 : sk_fail(err, SK_FULL, "no room");
}

static int no_room_at_all(void *ctx, enum sk_db_mode mode, struct sk_err *err)
{
    (void)ctx;
    (void)mode;
    return sk_fail(err, SK_FULL, "no room");
}

/* A hub starts on it. */
static void start_again(struct fixture *f)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_devices *again = NULL;
    const struct sk_devices_options opts = { .store = f->store, .accounts = f->accounts };
    DONE(sk_devices_new(&opts, &again, &err));
    sk_devices_free(again);
}

/* What removes works all the same. */
static void full_disk(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    const struct sk_identity_spec spec = { .device = "new", .is_edge = -1 };
    const struct sk_down m = { .message_id = "1", .ack = "full", .body = SK_VIEW("x") };
    struct sk_identity i = make_device(f, "d");
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4096);
    char token[40];
    uint64_t removed = 0;
    int64_t id = 0;
    DONE(sk_down_send(f->d, NULL, "d", NULL, &m, &id, &err));
    DONE(sk_down_send(f->d, NULL, "d", NULL, &m, NULL, &err));
    DONE(sk_session_change(f->d, i.id, 1, 0, NULL, NULL, &err));
    sk_down_complete(f->d, i.id, id);
    settle(f);
    DONE(sk_feedback_take(f->d, &out, token, &err));
    (void)told(f);
    sk_db_ask_room(sk_devices_db(f->d), no_room, NULL);
    FAILS(sk_identity_create(f->d, NULL, &spec, NULL, &err), SK_FULL, "no room");
    FAILS(sk_down_send(f->d, NULL, "d", NULL, &m, NULL, &err), SK_FULL, "no room");
    DONE(sk_session_change(f->d, i.id, 0, ~0u, NULL, NULL, &err));
    sk_down_delivered(f->d, i.id, id + 1);
    DONE(sk_feedback_end(f->d, token, true, &err));
    assert_int_equal(number(f, "SELECT (SELECT count(*) FROM session) + "
                               "(SELECT count(*) FROM feedback)"),
                     0);
    DONE(sk_down_purge(f->d, NULL, "d", &removed, &err));
    assert_int_equal(removed, 1);
    DONE(sk_identity_delete(f->d, NULL, "d", NULL, NULL, &err));
    assert_int_equal(number(f, "SELECT count(*) FROM identity"), 0);
    start_again(f);
    sk_db_ask_room(sk_devices_db(f->d), no_room_at_all, NULL);
    start_again(f);
    sk_db_ask_room(sk_devices_db(f->d), NULL, NULL);
    assert_string_equal(told(f), "deleted d\n");
}

/* ---- a hub that is killed ---- */

enum {
    KILLS = 12,
    PIPELINE = 16
};

struct ledger {
    int fd;
    pthread_mutex_t mutex; /* guards waiting */
    pthread_cond_t changed;
    int waiting;
};

struct ack {
    struct ledger *ledger;
    int64_t value;
};

/* One line of a pipe is written whole or not at all. */
static void write_line(int fd, char kind, int64_t value)
{
    char line[32];
    int len = snprintf(line, sizeof line, "%c%lld\n", kind, (long long)value);
    if (write(fd, line, (size_t)len) != len)
        _exit(3);
}

static void acknowledged(void *ctx, int64_t version, const struct sk_err *failed)
{
    struct ack *a = ctx;
    if (failed)
        _exit(4);
    write_line(a->ledger->fd, 'r', a->value);
    write_line(a->ledger->fd, 'v', version);
    SK_LOCK(&a->ledger->mutex);
    a->ledger->waiting--;
    (void)pthread_cond_signal(&a->ledger->changed);
    free(a);
}

/* Report n sets {"n":n}; many are on their way at once. Between them desired changes and new
 * devices, which are acknowledged when the call returns. */
static void work_until_killed(struct fixture *f, int64_t identity, int64_t from, int fd)
{
    struct ledger l = { .fd = fd,
                        .mutex = PTHREAD_MUTEX_INITIALIZER,
                        .changed = PTHREAD_COND_INITIALIZER };
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free)
    struct sk_json *desired = parse("{\"properties\":{\"desired\":{\"a\":1}}}");
    for (int64_t n = from;; n++) {
        char text[64];
        struct ack *a = malloc(sizeof *a);
        if (!a)
            _exit(5);
        *a = (struct ack){ &l, n };
        {
            SK_LOCK(&l.mutex);
            while (l.waiting >= PIPELINE)
                (void)pthread_cond_wait(&l.changed, &l.mutex);
            l.waiting++;
        }
        (void)snprintf(text, sizeof text, "{\"n\":%lld}", (long long)n);
        if (sk_twin_report(f->d, identity, sk_view_of(text), acknowledged, a, &err) < 0)
            _exit(6);
        if (n % 10 == 0) {
            struct sk_identity_spec spec = { .device = text, .is_edge = -1 };
            SK_AUTO(sk_twin_done) struct sk_twin t = { .tags = NULL };
            (void)snprintf(text, sizeof text, "new-%lld", (long long)n);
            if (sk_twin_change(f->d, NULL, "d", NULL, desired, false, NULL, &t, &err) < 0 ||
                sk_identity_create(f->d, NULL, &spec, NULL, &err) < 0)
                _exit(7);
            write_line(fd, 'd', t.desired_version);
            write_line(fd, 'c', n);
        }
    }
}

struct acked {
    int64_t report, version, desired, created;
};

/* Reads the ledger until the child is gone. */
static void read_ledger(int fd, struct acked *out)
{
    FILE *in = fdopen(fd, "r");
    char kind;
    long long value;
    assert_non_null(in);
    while (fscanf(in, "%c%lld\n", &kind, &value) == 2) {
        int64_t *at = kind == 'r'   ? &out->report
                      : kind == 'v' ? &out->version
                      : kind == 'd' ? &out->desired
                                    : &out->created;
        if (value < *at)
            fail_msg("'%c' went back from %lld to %lld", kind, (long long)*at, value);
        *at = value;
    }
    (void)fclose(in);
}

static void check_after_kill(struct fixture *f, const struct acked *acked)
{
    char sql[128];
    int64_t n = number(f, "SELECT coalesce(reported ->> 'n', 0) FROM twin WHERE identity = "
                          "(SELECT id FROM identity WHERE device = 'd')");
    int64_t version = number(f, "SELECT reported_version FROM twin JOIN identity ON id = identity "
                                "WHERE device = 'd'");
    int64_t desired = number(f, "SELECT desired_version FROM twin JOIN identity ON id = identity "
                                "WHERE device = 'd'");
    if (n < acked->report || version < acked->version || desired < acked->desired)
        fail_msg("acknowledged %lld %lld %lld, there are %lld %lld %lld", (long long)acked->report,
                 (long long)acked->version, (long long)acked->desired, (long long)n,
                 (long long)version, (long long)desired);
    assert_int_equal(version, n + 1); /* each report once, none twice */
    if (acked->created > 0) {
        (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM identity WHERE device = 'new-%lld'",
                       (long long)acked->created);
        assert_int_equal(number(f, sql), 1);
    }
    assert_int_equal(number(f, "SELECT (SELECT count(*) FROM identity) - "
                               "(SELECT count(*) FROM twin)"),
                     0);
}

static void close_all(struct fixture *f)
{
    sk_devices_free(f->d);
    sk_accounts_free(f->accounts);
    sk_store_close(f->store);
    f->d = NULL;
    f->accounts = NULL;
    f->store = NULL;
}

static void open_all(struct fixture *f)
{
    struct sk_err err = SK_ERR_INIT;
    DONE(sk_store_open(f->dir, &f->store, &err));
    DONE(sk_accounts_new(f->store, &f->accounts, &err));
    fixture_reopen(f);
}

static void kill_one(struct fixture *f, int64_t identity, unsigned life_us, struct acked *acked)
{
    int pipe_fds[2];
    int64_t from = number(f, "SELECT reported_version FROM twin ORDER BY identity LIMIT 1");
    assert_int_equal(pipe(pipe_fds), 0);
    close_all(f); /* no thread of ours is there when it forks */
    pid_t child = fork();
    if (child == 0) {
        (void)close(pipe_fds[0]);
        open_all(f);
        work_until_killed(f, identity, from, pipe_fds[1]);
    }
    (void)close(pipe_fds[1]);
    const struct timespec life = { .tv_nsec = (long)life_us * 1000 };
    (void)nanosleep(&life, NULL);
    assert_int_equal(kill(child, SIGKILL), 0);
    read_ledger(pipe_fds[0], acked);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status))
        fail_msg("the child ended by itself with %d", WEXITSTATUS(status));
    open_all(f);
}

static void killed(void **state)
{
    struct fixture *f = *state;
    struct acked acked = { 0 };
    uint64_t seed = sk_now_ns();
    print_message("# seed %llu\n", (unsigned long long)seed);
    struct sk_identity i = make_device(f, "d");
    for (int n = 0; n < KILLS; n++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        kill_one(f, i.id, 20000 + (unsigned)(seed >> 33) % 100000, &acked);
        check_after_kill(f, &acked);
    }
    assert_true(acked.report > 0);
}

/* ---- memory ---- */

static int note_identity(void *ctx, const struct sk_identity *i, struct sk_err *err)
{
    (void)ctx;
    (void)i;
    (void)err;
    return 0;
}

static int note_down(void *ctx, const struct sk_down *m, struct sk_err *err)
{
    (void)err;
    *(int64_t *)ctx = m->id;
    return 0;
}

/* The caller's side of everything. */
static int one_life(void *ctx, struct sk_err *err)
{
    struct fixture *f = ctx;
    SK_OWN(sk_devices_free) struct sk_devices *d = NULL;
    SK_AUTO(sk_twin_done) struct sk_twin t = { .tags = NULL };
    SK_OWN(sk_json_free) struct sk_json *change = NULL;
    SK_OWN(sk_json_free) struct sk_json *array = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    static const char twin[] = "{\"properties\":{\"desired\":{\"a\":1}}}",
                      bulk[] = "[{\"id\":\"b\"}]";
    const struct sk_identity_spec spec = { .device = "life", .is_edge = 1 };
    const struct sk_devices_options opts = { .store = f->store, .accounts = f->accounts };
    const struct sk_down m = { .message_id = "1", .ack = "full", .body = SK_VIEW("x") };
    struct sk_identity i;
    struct sk_device_counts counts;
    char next[32], token[40];
    const char *type;
    unsigned subs;
    int64_t id = 0;
    bool ok;
    if (sk_devices_new(&opts, &d, err) < 0)
        return -1;
    if (sk_identity_delete(d, NULL, "life", NULL, NULL, err) < 0 && err->code != SK_NOT_FOUND)
        return -1;
    if (sk_json_parse(twin, strlen(twin), NULL, &change, err) < 0 ||
        sk_json_parse(bulk, strlen(bulk), NULL, &array, err) < 0 ||
        sk_identity_create(d, NULL, &spec, &i, err) < 0 ||
        sk_identity_update(d, NULL, &spec, NULL, &i, err) < 0 ||
        sk_identity_bulk(d, NULL, array, &out, &ok, err) < 0 ||
        sk_identity_get(d, "life", "$edgeHub", &i, err) < 0 ||
        sk_identity_list(d, 0, 10, note_identity, NULL, err) < 0 ||
        sk_identity_modules(d, "life", note_identity, NULL, err) < 0 ||
        sk_devices_count(d, &counts, err) < 0 ||
        sk_twin_change(d, NULL, "life", NULL, change, false, NULL, NULL, err) < 0 ||
        sk_twin_get(d, "life", NULL, &t, err) < 0 || sk_twin_device_get(d, i.id, &out, err) < 0 ||
        sk_twin_report(d, i.id, SK_VIEW("{\"r\":1}"), NULL, NULL, err) < 0 ||
        sk_session_change(d, i.id, 1, 0, NULL, NULL, err) < 0 ||
        sk_session_read(d, i.id, &subs, err) < 0 ||
        sk_devices_query(d, "SELECT * FROM devices", NULL, 10, &out, next, &type, err) < 0 ||
        sk_down_send(d, NULL, "life", NULL, &m, &id, err) < 0)
        return -1;
    sk_identity_seen(d, i.id, true, 1);
    if (sk_session_change(d, i.id, 0, ~0u, NULL, NULL, err) < 0 ||
        sk_down_read(d, t.identity.id, 0, 10, note_down, &id, err) < 0)
        return -1;
    sk_down_delivered(d, t.identity.id, id);
    uint64_t removed;
    if (sk_down_purge(d, NULL, "life", &removed, err) < 0 || sk_down_expire(d, err) < 0 ||
        sk_feedback_take(d, &out, token, err) < 0)
        return -1;
    return sk_feedback_end(d, token, true, err);
}

/* The writer's side, on this thread. */
static int one_change(void *ctx, struct sk_err *err)
{
    struct fixture *f = ctx;
    struct sk_devices d = { .db = sk_devices_db(f->d), .event = f->d->event, .ctx = f };
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_json_free) struct sk_json *twin = NULL;
    static const char
        text[] = "{\"tags\":{\"t\":1},\"properties\":{\"desired\":{\"a\":{\"b\":1}}}}";
    const struct sk_identity_spec spec = { .device = "one", .is_edge = 1 };
    const struct sk_identity_spec off = { .device = "one", .status = "disabled", .is_edge = -1 };
    struct sk_identity i;
    d.end = &d.first;
    int failed = sk_db_begin(d.db, SK_DB_WRITE, &tx, err);
    struct sk_change c = { &d, tx };
    if (failed == 0)
        failed = sk_json_parse(text, strlen(text), NULL, &twin, err) < 0 ||
                 sk_identity_create_in(&c, NULL, &spec, &i, err) < 0 ||
                 sk_identity_update_in(&c, NULL, &off, "*", &i, err) < 0 ||
                 sk_identity_ensure_module(&c, "one", "m", err) < 0 ||
                 sk_twin_change_in(&c, NULL, "one", "m", twin, false, NULL, err) < 0 ||
                 sk_twin_set_desired(&c, "one", "$edgeHub", sk_json_get(twin, "tags"), "{}", err) <
                     0 ||
                 sk_feedback_add(tx, "full", "Success", "1", "one", "1", err) < 0 ||
                 sk_identity_delete_in(&c, NULL, "one", "", NULL, err) < 0;
    while (d.first) {
        struct told *next = d.first->next;
        free(d.first);
        d.first = next;
    }
    return failed ? -1 : 0;
}

static void memory_runs_out(void **state)
{
    struct fixture *f = *state;
    /* A connection's state may be lost, and a bulk names what failed. */
    assert_true(sk_alloc_sweep("one life", one_life, f, SK_ALLOC_MAY_SURVIVE) > 50);
    assert_true(sk_alloc_sweep("one change", one_change, f, 0) > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(events), ROW(no_listener), ROW(full_disk), ROW(killed),
                                        ROW(memory_runs_out) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
