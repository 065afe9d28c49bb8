/* test_pass.c - passes over many devices: batches, kills, newer work, and how long they take. */
#include "fixture.h"

#include "base/clock.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* SKERRY_DEPLOY_DEVICES=100000 measures; the default is small. */
static int64_t fleet(void)
{
    const char *text = getenv("SKERRY_DEPLOY_DEVICES");
    return text ? strtoll(text, NULL, 10) : 500;
}

static void measure(struct fixture *f, const char *what, uint64_t begun_ms)
{
    static clock_t before;
    settle(f);
    print_message("# %s: %lld devices in %llu ms; %.0f ms of cores since the last\n", what,
                  (long long)fleet(), (unsigned long long)(sk_now_ms() - begun_ms),
                  (double)(clock() - before) * 1000 / CLOCKS_PER_SEC);
    before = clock();
}

/* ---- how long the changes of others wait ---- */

enum {
    PROBE_US = 2000,
    PROBES_MAX = 20000
};

struct probe {
    struct fixture *f;
    pthread_t thread;
    atomic_bool is_ending;
    size_t count;
    uint64_t ns[PROBES_MAX];
};

static int change_something(struct sk_change *c, void *ctx, struct sk_err *err)
{
    (void)ctx;
    return sk_tx_run(sk_change_tx(c), err,
                     "UPDATE twin SET tags = tags WHERE identity = (SELECT max(id) FROM identity)",
                     "");
}

static void *run_probe(void *arg)
{
    struct probe *p = arg;
    while (!p->is_ending && p->count < PROBES_MAX) {
        struct sk_err err = SK_ERR_INIT;
        uint64_t begun = sk_now_ns();
        if (sk_devices_write(p->f->devices, change_something, NULL, &err) < 0)
            break;
        p->ns[p->count++] = sk_now_ns() - begun;
        (void)usleep(PROBE_US);
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void begin_probe(struct probe *p, struct fixture *f)
{
    struct sk_err err = SK_ERR_INIT;
    p->f = f;
    p->count = 0;
    p->is_ending = false;
    DONE(sk_thread_start(&p->thread, "probe", run_probe, p, &err));
}

static void end_probe(struct probe *p, const char *what)
{
    p->is_ending = true;
    (void)pthread_join(p->thread, NULL);
    assert_true(p->count > 0);
    qsort(p->ns, p->count, sizeof p->ns[0], compare);
    print_message("# a change %s: p50 %.2f ms, p99 %.2f ms, max %.2f ms of %zu\n", what,
                  (double)p->ns[p->count / 2] / 1e6, (double)p->ns[p->count * 99 / 100] / 1e6,
                  (double)p->ns[p->count - 1] / 1e6, p->count);
}

/* A base, a layer, another base instead, an end. */
static void many(void **state)
{
    struct fixture *f = *state;
    const int64_t count = fleet();
    SK_OWN(free) struct probe *probe = calloc(1, sizeof *probe);
    assert_non_null(probe);
    make_many(f, count);
    settle(f);
    begin_probe(probe, f);
    (void)usleep(count > 10000 ? 3000000 : 100000);
    end_probe(probe, "while nothing else is done");
    begin_probe(probe, f);
    uint64_t begun = sk_now_ms();
    put(f, "one", 1, "*", BASE("one"));
    measure(f, "a first deployment", begun);
    end_probe(probe, "beside it");
    assert_int_equal(number(f, "SELECT count(*) FROM twin WHERE configurations = "
                               "'{\"one\":{\"status\":\"Applied\"}}'"),
                     count);
    assert_int_equal(number(f, "SELECT count(*) FROM twin WHERE desired = '{\"tag\":\"one\"}'"),
                     count);
    begun = sk_now_ms();
    put(f, "two", 2, "*", BASE("two"));
    measure(f, "another one", begun);
    assert_int_equal(number(f, "SELECT count(*) FROM twin WHERE desired = '{\"tag\":\"two\"}'"),
                     count);
    begun = sk_now_ms();
    change(f, "one", 3, "*");
    measure(f, "back to the first", begun);
    assert_int_equal(number(f, "SELECT count(*) FROM twin WHERE desired = '{\"tag\":\"one\"}'"),
                     count);
    begun = sk_now_ms();
    put(f, "few", 9, "deviceId = 'e000007'", LAYER("few"));
    measure(f, "a layer for one", begun);
    assert_int_equal(
        number(f, "SELECT count(*) FROM twin WHERE desired LIKE '%\"layer\":\"few\"%'"), 1);
    begun = sk_now_ms();
    drop(f, "one");
    drop(f, "two");
    drop(f, "few");
    measure(f, "none left", begun);
    assert_int_equal(number(f, "SELECT count(*) FROM twin WHERE configurations <> '{}'"), 0);
    assert_int_equal(number(f, "SELECT done = 9223372036854775807 AND is_full = 0 "
                               "FROM deploy_work"),
                     1);
}

/* ---- a full disk in the middle ---- */

enum {
    FULL_AT = 5, /* begins of the writer, the first and its repetition */
    FULL_WAIT_MS = 120000
};

static int refuse_two(void *ctx, enum sk_db_mode mode, struct sk_err *err)
{
    atomic_int *begins = ctx;
    if (mode == SK_DB_READ)
        return 0;
    int at = atomic_fetch_add(begins, 1) + 1;
    if (at < FULL_AT || at > FULL_AT + 1)
        return 0;
    return sk_fail(err, SK_FULL, "disk is full");
}

/* A batch that is refused is done again, though the one behind it was not refused: marks do not
 * tell, since they are the same before and after. */
static void full(void **state)
{
    struct fixture *f = *state;
    atomic_int begins = 0;
    make_many(f, 300);
    put(f, "one", 1, "*", BASE("one"));
    settle(f);
    run_sql(f, "UPDATE configuration SET content = replace(content, '\"one\"', '\"two\"')");
    run_sql(f, "UPDATE deploy_work SET generation = generation + 1, done = 0, is_full = 1");
    sk_db_ask_room(f->d->db, refuse_two, &begins);
    sk_deploy_wake(f->d);
    /* Without settle, whose own change would be the refused one at times. */
    const uint64_t until = sk_now_ms() + FULL_WAIT_MS;
    while (atomic_load(&begins) <= FULL_AT + 1 && sk_now_ms() < until)
        (void)usleep(PROBE_US);
    assert_true(begins > FULL_AT + 1);
    settle(f);
    assert_int_equal(number(f, "SELECT count(*) FROM twin WHERE desired = '{\"tag\":\"two\"}'"),
                     300);
}

/* ---- a kill in the middle ---- */

enum {
    KILLED_FLEET = 2000,
    KILLED_AFTER = 700
};

static void kill_at(void *ctx, const char *device, const char *json)
{
    int *left = ctx;
    (void)device;
    (void)json;
    if (--*left == 0)
        (void)kill(getpid(), SIGKILL);
}

/* The child's own hub on the same folder, which ends in the middle of a pass. */
static void live_and_die(struct fixture *f)
{
    struct sk_err err = SK_ERR_INIT;
    int left = KILLED_AFTER;
    if (sk_store_open(f->dir, &f->store, &err) < 0 ||
        sk_accounts_new(f->store, &f->accounts, &err) < 0)
        _exit(1);
    fixture_open(f);
    settle(f);
    f->d->ctx = &left;
    f->d->progress = kill_at;
    f->d->has_image = NULL;
    put(f, "new", 2, "*", BASE("new"));
    settle(f);
    _exit(2);
}

static void killed(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    int status;
    make_many(f, KILLED_FLEET);
    put(f, "old", 1, "*", BASE("old"));
    settle(f);
    fixture_close(f);
    sk_accounts_free(SK_TAKE(f->accounts));
    sk_store_close(SK_TAKE(f->store));
    pid_t child = fork();
    if (child == 0)
        live_and_die(f);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    DONE(sk_store_open(f->dir, &f->store, &err));
    DONE(sk_accounts_new(f->store, &f->accounts, &err));
    /* How far it was, before anything goes on. */
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    DONE(sk_db_begin(sk_store_db(f->store), SK_DB_READ, &tx, &err));
    DONE(sk_tx_query(tx, &s, &err,
                     "SELECT w.done, w.generation, (SELECT count(*) FROM twin WHERE configurations "
                     "LIKE '%\"new\":{\"status\":\"Applied\"}%') FROM deploy_work w",
                     ""));
    assert_int_equal(sk_stmt_next(s, &err), 1);
    int64_t done = sk_stmt_int(s, 0), applied = sk_stmt_int(s, 2);
    assert_true(done > 0 && done < SK_DEPLOY_DONE);
    assert_int_equal(sk_stmt_int(s, 1), 2);
    assert_in_range(applied, KILLED_AFTER / 2, KILLED_FLEET - 1); /* each is told two things */
    sk_stmt_end(SK_TAKE(s));
    sk_tx_end(SK_TAKE(tx));
    fixture_open(f);
    settle(f);
    assert_int_equal(number(f, "SELECT count(*) FROM twin WHERE desired = '{\"tag\":\"new\"}'"),
                     KILLED_FLEET);
    /* Those that had it were not touched again. */
    assert_int_equal(number(f, "SELECT max(desired_version) FROM twin t JOIN identity i ON "
                               "i.id = t.identity WHERE i.module = 'm'"),
                     3);
}

/* A batch whose plan is no longer the newest writes nothing. */
static void superseded(void **state)
{
    struct fixture *f = *state;
    char id[16];
    make_many(f, 300);
    for (int i = 0; i < 30; i++) {
        (void)snprintf(id, sizeof id, "c%d", i);
        put(f, id, i, "*", i % 2 ? BASE("odd") : BASE("even"));
    }
    settle(f);
    assert_int_equal(number(f, "SELECT count(*) FROM twin WHERE desired = '{\"tag\":\"odd\"}'"),
                     300);
    assert_int_equal(number(f, "SELECT count(*) FROM twin WHERE configurations LIKE "
                               "'%\"c29\":{\"status\":\"Applied\"}%'"),
                     300);
}

/* More sets of configurations than are kept composed, in turns. */
static void many_sets(void **state)
{
    struct fixture *f = *state;
    char sql[256], id[16], target[64];
    make_many(f, 300);
    run_sql(f, "UPDATE twin SET tags = json_object('n', (SELECT CAST(substr(device, 2) AS INTEGER) "
               "FROM identity i WHERE i.id = identity)) WHERE identity IN "
               "(SELECT id FROM identity WHERE module = '')");
    put(f, "base", 1, "*", BASE("a"));
    for (int i = 0; i < 8; i++) {
        (void)snprintf(id, sizeof id, "l%d", i);
        (void)snprintf(target, sizeof target, "tags.n %% %d >= %d", 2 << i, 1 << i);
        put(f, id, 2 + i, target, LAYER("x"));
    }
    settle(f);
    for (int i = 0; i < 8; i++) {
        (void)snprintf(sql, sizeof sql,
                       "SELECT count(*) FROM twin WHERE configurations LIKE '%%\"l%d\":{\"status\":"
                       "\"Applied\"}%%'",
                       i);
        int64_t want = 0;
        for (int n = 0; n < 300; n++)
            want += n % (2 << i) >= 1 << i;
        assert_int_equal(number(f, sql), want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(many), ROW(full), ROW(killed), ROW(superseded),
                                        ROW(many_sets) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
