/* test_thread.c - names and signals of threads, deadlines, core counts from control groups. */
#include "base/thread.h"

#include "base/clock.h"
#include "base/file.h"
#include "harness/golden.h"
#include "test_util.h"

#include <errno.h>
#include <signal.h>

struct seen {
    char name[16];
    bool term_blocked;
};

static void *look(void *arg)
{
    struct seen *seen = arg;
    sigset_t set;

    (void)pthread_getname_np(pthread_self(), seen->name, sizeof seen->name);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &set);
    seen->term_blocked = sigismember(&set, SIGTERM);
    return arg;
}

static void test_start(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct seen seen = { 0 };
    pthread_t t;
    void *back = NULL;
    sigset_t set;

    (void)state;
    assert_int_equal(sk_thread_start(&t, "a-name-that-is-too-long", look, &seen, &err), 0);
    assert_int_equal(pthread_join(t, &back), 0);
    assert_ptr_equal(back, &seen);
    assert_string_equal(seen.name, "a-name-that-is-");
    assert_true(seen.term_blocked);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &set);
    assert_false(sigismember(&set, SIGTERM)); /* ours are as before */
}

struct shared {
    pthread_mutex_t lock; /* guards count */
    pthread_cond_t changed;
    int count;
};

static void *count_up(void *arg)
{
    struct shared *s = arg;

    for (int i = 0; i < 1000; i++) {
        SK_LOCK(&s->lock);
        s->count++;
        (void)pthread_cond_signal(&s->changed);
    }
    return NULL;
}

static void test_lock_and_wait(void **state)
{
    struct shared s = { .lock = PTHREAD_MUTEX_INITIALIZER };
    struct sk_err err = SK_ERR_INIT;
    pthread_t threads[4];

    (void)state;
    assert_int_equal(sk_cond_init(&s.changed, &err), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(sk_thread_start(&threads[i], "count", count_up, &s, &err), 0);
    {
        SK_LOCK(&s.lock);
        while (s.count < 4000)
            assert_int_equal(sk_cond_wait_until(&s.changed, &s.lock, UINT64_MAX), 0);
        uint64_t start = sk_now_ns();
        assert_int_equal(sk_cond_wait_until(&s.changed, &s.lock, start + 20000000), ETIMEDOUT);
        assert_true(sk_now_ns() - start >= 20000000);
        assert_int_equal(sk_cond_wait_until(&s.changed, &s.lock, 0), ETIMEDOUT);
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    (void)pthread_cond_destroy(&s.changed);
}

/* cgroup: contents of /proc/self/cgroup; files: name, contents, ... below the root. */
static const struct {
    const char *name, *cgroup;
    const char *files[9];
    unsigned affinity, cores;
} rows[] = {
    { "no files", NULL, { NULL }, 8, 8 },
    { "nothing known", NULL, { NULL }, 0, 1 },
    { "v2 without limit", "0::/a\n", { "a/cpu.max", "max 100000\n" }, 8, 8 },
    { "v2 two cores", "0::/a\n", { "a/cpu.max", "200000 100000\n" }, 8, 2 },
    { "v2 rounded up", "0::/a\n", { "a/cpu.max", "150000 100000\n" }, 8, 2 },
    { "v2 less than one", "0::/a\n", { "a/cpu.max", "5000 100000\n" }, 8, 1 },
    { "v2 parent is smaller",
      "0::/p/a\n",
      { "p/a/cpu.max", "400000 100000\n", "p/cpu.max", "300000 100000\n" },
      8,
      3 },
    { "v2 root of a container", "0::/\n", { "cpu.max", "200000 100000\n" }, 8, 2 },
    { "v2 path not visible here", "0::/docker/abc\n", { "cpu.max", "200000 100000\n" }, 8, 2 },
    { "v2 affinity is smaller", "0::/a\n", { "a/cpu.max", "400000 100000\n" }, 3, 3 },
    { "v2 rubbish", "0::/a\n", { "a/cpu.max", "lots\n" }, 8, 8 },
    { "v2 zero period", "0::/a\n", { "a/cpu.max", "100 0\n" }, 8, 8 },
    { "v1",
      "5:memory:/m\n4:cpu,cpuacct:/a\n",
      { "cpu,cpuacct/a/cpu.cfs_quota_us", "250000\n", "cpu,cpuacct/a/cpu.cfs_period_us",
        "100000\n" },
      8,
      3 },
    { "v1 without limit",
      "4:cpu,cpuacct:/a\n",
      { "cpu,cpuacct/a/cpu.cfs_quota_us", "-1\n", "cpu,cpuacct/a/cpu.cfs_period_us", "100000\n" },
      8,
      8 },
    { "v1 root of a container",
      "4:cpu:/docker/x\n",
      { "cpu/cpu.cfs_quota_us", "100000\n", "cpu/cpu.cfs_period_us", "100000\n" },
      8,
      1 },
    { "v1 cpuset is not cpu",
      "4:cpuset:/a\n",
      { "cpuset/a/cpu.cfs_quota_us", "100000\n", "cpuset/a/cpu.cfs_period_us", "100000\n" },
      8,
      8 },
    { "broken lines", "x\n:\n0\n", { NULL }, 8, 8 },
};

static void put(const char *root, const char *name, const char *text)
{
    struct sk_err err = SK_ERR_INIT;
    char path[600];

    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(sk_mkdirs(path, 0700, &err), 0);
    *slash = '/';
    assert_int_equal(sk_file_write(path, text, strlen(text), 0600, &err), 0);
}

static void test_cores(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *root = sk_test_dir();
        char proc[600];

        (void)snprintf(proc, sizeof proc, "%s/proc", root);
        if (rows[i].cgroup)
            put(root, "proc", rows[i].cgroup);
        for (size_t k = 0; rows[i].files[k]; k += 2)
            put(root, rows[i].files[k], rows[i].files[k + 1]);
        unsigned cores = sk_cpu_count_at(proc, root, rows[i].affinity);
        if (cores != rows[i].cores)
            fail_msg("%s: %u cores", rows[i].name, cores);
        sk_test_dir_free(root);
    }
    assert_true(sk_cpu_count() >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_lock_and_wait),
        cmocka_unit_test(test_cores),
    };
    return cmocka_run_group_tests_name("thread", tests, NULL, NULL);
}
