/*
 * test_cgroup.c - control groups: what is written where, on trees made of files; and that it holds,
 * on the machine's own, which needs root and whatever of v1 and v2 is mounted.
 */
#include "runtime/module.h"
#include "runtime/runtime_util.h"

#include "base/clock.h"
#include "base/str.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- trees of files ---- */

static void put_file(const char *folder, const char *name, const char *text)
{
    struct sk_err err = SK_ERR_INIT;
    char path[SK_RT_CGROUP_PATH + 64];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    DONE(sk_mkdirs(folder, 0755, &err));
    DONE(sk_file_write(path, text, strlen(text), 0644, &err));
}

static void expect_file(const char *folder, const char *name, const char *wanted)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *text = NULL;
    char path[SK_RT_CGROUP_PATH + 64];
    size_t len = 0;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    DONE(sk_file_read(path, 4096, &text, &len, &err));
    if (strcmp(text, wanted) != 0)
        fail_msg("%s: '%s', not '%s'", path, text, wanted);
}

/* The folder of an instance with the files that a kernel would put there. */
static void make_group(const char *root, const char *group, const char *const *files, char *out)
{
    (void)snprintf(out, SK_RT_CGROUP_PATH, "%s/%s", root, group);
    put_file(out, "cgroup.subtree_control", "");
    (void)snprintf(out, SK_RT_CGROUP_PATH, "%s/%s/cats-1", root, group);
    for (; *files; files++)
        put_file(out, *files, "");
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)close(fds[i]);
}

static const struct sk_rt_limits all_limits = { .memory = 64 << 20,
                                                .memory_swap = 96 << 20,
                                                .memory_reservation = 32 << 20,
                                                .nano_cpus = 1500000000,
                                                .cpu_shares = 1024,
                                                .pids = 50 };

static void test_v2(void **state)
{
    static const char *const files[] = { "cgroup.procs", "memory.max", "memory.swap.max",
                                         "memory.low",   "cpu.max",    "cpu.weight",
                                         "pids.max",     NULL };
    struct host *p = *state;
    struct sk_rt_cgroups cg;
    struct sk_err err = SK_ERR_INIT;
    int fds[SK_RT_CGROUP_TREES];
    size_t count = 0;
    char note[SK_RT_NOTE] = "", group[SK_RT_CGROUP_PATH], root[512];

    (void)snprintf(root, sizeof root, "%s", host_at(p, "cg2"));
    put_file(root, "cgroup.controllers", "cpuset cpu io memory pids\n");
    put_file(root, "cgroup.subtree_control", "");
    DONE(sk_rt_cgroups_find(root, p->run, &cg, &err));
    assert_int_equal(cg.count, 1);
    assert_true(cg.trees[0].is_v2);
    assert_int_equal(cg.trees[0].bits, SK_RT_CG_MEMORY | SK_RT_CG_CPU | SK_RT_CG_PIDS);
    make_group(root, cg.group, files, group);
    DONE(sk_rt_cgroup_check(&cg, &all_limits, note, &err));
    DONE(sk_rt_cgroup_make(&cg, "cats-1", &all_limits, fds, &count, note, &err));
    assert_int_equal(count, 1);
    close_all(fds, count);
    assert_string_equal(note, "");
    expect_file(group, "memory.max", "67108864");
    expect_file(group, "memory.swap.max", "33554432");
    expect_file(group, "memory.low", "33554432");
    expect_file(group, "cpu.max", "150000 100000");
    expect_file(group, "cpu.weight", "39");
    expect_file(group, "pids.max", "50");
}

static void test_v1(void **state)
{
    static const char *const memory[] = { "cgroup.procs", "memory.limit_in_bytes",
                                          "memory.soft_limit_in_bytes", NULL };
    static const char *const cpu[] = { "cgroup.procs", "cpu.cfs_period_us", "cpu.cfs_quota_us",
                                       "cpu.shares", NULL };
    static const char *const pids[] = { "cgroup.procs", "pids.max", NULL };
    static const char *const freezer[] = { "cgroup.procs", "freezer.state", NULL };

    static const struct {
        const char *name;
        const char *const *files;
    } trees[] = { { "memory", memory }, { "cpu", cpu }, { "pids", pids }, { "freezer", freezer } };
    struct host *p = *state;
    struct sk_rt_cgroups cg;
    struct sk_err err = SK_ERR_INIT;
    int fds[SK_RT_CGROUP_TREES];
    size_t count = 0;
    char note[SK_RT_NOTE] = "", groups[4][SK_RT_CGROUP_PATH], root[512], path[600];

    (void)snprintf(root, sizeof root, "%s", host_at(p, "cg1"));
    for (size_t i = 0; i < COUNT(trees); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", root, trees[i].name);
        put_file(path, "cgroup.procs", "");
    }
    DONE(sk_rt_cgroups_find(root, p->run, &cg, &err));
    assert_int_equal(cg.count, 4);
    for (size_t i = 0; i < COUNT(trees); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", root, trees[i].name);
        make_group(path, cg.group, trees[i].files, groups[i]);
    }
    DONE(sk_rt_cgroup_check(&cg, &all_limits, note, &err));
    DONE(sk_rt_cgroup_make(&cg, "cats-1", &all_limits, fds, &count, note, &err));
    assert_int_equal(count, 4); /* the freezer keeps track */
    close_all(fds, count);
    assert_non_null(strstr(note, "MemorySwap has no effect"));
    expect_file(groups[0], "memory.limit_in_bytes", "67108864");
    expect_file(groups[0], "memory.soft_limit_in_bytes", "33554432");
    expect_file(groups[1], "cpu.cfs_period_us", "100000");
    expect_file(groups[1], "cpu.cfs_quota_us", "150000");
    expect_file(groups[1], "cpu.shares", "1024");
    expect_file(groups[2], "pids.max", "50");
}

/* Nobody would enforce it. */
static void test_none(void **state)
{
    static const struct {
        struct sk_rt_limits limits;
        const char *name; /* NULL: fine, with a note */
    } rows[] = {
        { { .memory = 64 << 20 }, "HostConfig.Memory" },
        { { .nano_cpus = 1000000000 }, "HostConfig.NanoCpus" },
        { { .cpu_quota = 50000 }, "HostConfig.CpuQuota" },
        { { .pids = 5 }, "HostConfig.PidsLimit" },
        { { .cpu_shares = 512 }, NULL },
        { { .memory_reservation = 64 << 20 }, NULL },
    };
    struct host *p = *state;
    struct sk_rt_cgroups cg;
    struct sk_err err = SK_ERR_INIT;
    char root[512];

    (void)snprintf(root, sizeof root, "%s", host_at(p, "empty"));
    DONE(sk_mkdirs(root, 0755, &err));
    DONE(sk_rt_cgroups_find(root, p->run, &cg, &err));
    assert_int_equal(cg.count, 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        char note[SK_RT_NOTE] = "";

        if (rows[i].name) {
            FAILS(sk_rt_cgroup_check(&cg, &rows[i].limits, note, &err), SK_UNSUPPORTED,
                  rows[i].name);
            continue;
        }
        err = (struct sk_err)SK_ERR_INIT;
        DONE(sk_rt_cgroup_check(&cg, &rows[i].limits, note, &err));
        assert_non_null(strstr(note, "no effect"));
    }
    DONE(sk_rt_cgroup_kill(&cg, "cats-1", 0, &err));
    DONE(sk_rt_cgroup_remove(&cg, "cats-1", &err));
    assert_false(sk_rt_cgroup_is(&cg, "cats-1"));
}

/* ---- the machine's own ---- */

/* False: it has none that we may write to. */
static bool has_limit(struct host *p, unsigned bit)
{
    struct sk_rt_cgroups cg;
    struct sk_err err = SK_ERR_INIT;

    DONE(sk_rt_cgroups_find(NULL, p->run, &cg, &err));
    for (size_t i = 0; i < cg.count; i++)
        if (cg.trees[i].bits & bit)
            return true;
    return false;
}

static void test_memory(void **state)
{
    struct host *p = *state;
    struct module m;
    struct sk_runtime_status st;
    struct sk_err err = SK_ERR_INIT;

    if (!has_limit(p, SK_RT_CG_MEMORY)) {
        skip();
        return;
    }
    module_prepare(p, &m, "eat");
    m.s.create_options = "{\"HostConfig\":{\"Memory\":134217728}}";
    DONE(sk_runtime_start(&p->h, &m.s, &m.i, &err));
    assert_int_equal(wait_for_end(p, &m.i, 30000, &st), SK_RUNTIME_FAILED);
    assert_int_equal(st.exit_code, 137);
    assert_true(st.oom_killed);
    assert_string_equal(st.text, "Exited (137), out of memory");
    module_done(&m);
}

static void test_cpu(void **state)
{
    struct host *p = *state;
    struct module m;
    struct sk_runtime_status st;
    SK_OWN(free) char *text = NULL;

    if (!has_limit(p, SK_RT_CG_CPU)) {
        skip();
        return;
    }
    module_prepare(p, &m, "spin:1500");
    m.s.create_options = "{\"HostConfig\":{\"NanoCpus\":200000000}}";
    text = module_result(&m, "cpu", &st);
    if (strtol(text, NULL, 10) > 600) /* a fifth of 1,500 is 300 */
        fail_msg("it got %s ms of a core", text);
    module_done(&m);
}

static void test_pids(void **state)
{
    struct host *p = *state;
    struct module m;
    struct sk_runtime_status st;
    struct sk_err err = SK_ERR_INIT;

    if (!has_limit(p, SK_RT_CG_PIDS)) {
        skip();
        return;
    }
    module_prepare(p, &m, "fork");
    m.s.create_options = "{\"HostConfig\":{\"PidsLimit\":8}}";
    DONE(sk_runtime_start(&p->h, &m.s, &m.i, &err));
    assert_int_equal(wait_for_end(p, &m.i, 30000, &st), SK_RUNTIME_FAILED);
    assert_int_equal(st.exit_code, 7);
    module_done(&m); /* kills the seven */
}

/* A member that has left its session still is one. */
static void test_members(void **state)
{
    struct host *p = *state;
    struct module m;
    struct sk_rt_cgroups cg;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *text = NULL;
    char path[SK_RT_CGROUP_PATH + 32];
    size_t len = 0, count = 0;

    DONE(sk_rt_cgroups_find(NULL, p->run, &cg, &err));
    if (cg.count == 0) {
        skip();
        return;
    }
    module_prepare(p, &m, "children");
    DONE(sk_runtime_start(&p->h, &m.s, &m.i, &err));
    module_wait_ready(&m);
    assert_true(sk_rt_cgroup_is(&cg, "cats-1"));
    (void)snprintf(path, sizeof path, "%s/%s/cats-1/cgroup.procs", cg.trees[0].root, cg.group);
    DONE(sk_file_read(path, 4096, &text, &len, &err));
    for (char *at = text; *at; at += strspn(at, "\n"), count++) {
        pid_t pid = (pid_t)strtol(at, &at, 10);
        assert_true(sk_runtime_has_process(&p->h, &m.i, pid, 0));
    }
    assert_int_equal(count, 3);
    assert_false(sk_runtime_has_process(&p->h, &m.i, getpid(), 0));
    assert_false(sk_runtime_has_process(&p->h, &m.i, 1, 0));
    struct sk_instance longer = m.i;
    (void)snprintf(longer.instance, sizeof longer.instance, "cats-");
    assert_false(sk_runtime_has_process(&p->h, &longer, (pid_t)m.i.pid, 0));
    module_done(&m);
    assert_false(sk_rt_cgroup_is(&cg, "cats-1"));
    (void)snprintf(path, sizeof path, "%s/%s", cg.trees[0].root, cg.group);
    assert_int_equal(access(path, F_OK), -1); /* it was the last one */
}

/* Until there are so many, for at most 20 s. */
static void wait_members(const struct sk_rt_cgroups *cg, const char *instance, size_t wanted)
{
    const uint64_t until = sk_now_ms() + 20000;
    struct sk_err err = SK_ERR_INIT;
    char path[SK_RT_CGROUP_PATH + 32];
    size_t count = 0;

    (void)snprintf(path, sizeof path, "%s/%s/%s/cgroup.procs", cg->trees[0].root, cg->group,
                   instance);
    while (count != wanted && sk_now_ms() < until) {
        SK_OWN(free) char *text = NULL;
        size_t len = 0;
        DONE(sk_file_read(path, 4096, &text, &len, &err));
        count = 0;
        for (size_t i = 0; i < len; i++)
            count += text[i] == '\n';
        (void)usleep(1000);
    }
    assert_int_equal(count, wanted);
}

/* Killed through each kind of tree alone: v2, the freezer, any other. */
static void test_kills(void **state)
{
    struct host *p = *state;
    struct sk_rt_cgroups all;
    struct sk_err err = SK_ERR_INIT;

    DONE(sk_rt_cgroups_find(NULL, p->run, &all, &err));
    if (all.count == 0) {
        skip();
        return;
    }
    for (size_t i = 0; i < all.count; i++) {
        struct sk_rt_cgroups one = { .trees = { all.trees[i] }, .count = 1 };
        const struct sk_rt_limits none = { .pids = 0 };
        int fds[SK_RT_CGROUP_TREES];
        size_t count = 0;
        char note[SK_RT_NOTE] = "";

        memcpy(one.group, all.group, sizeof one.group);
        DONE(sk_rt_cgroup_make(&one, "kills", &none, fds, &count, note, &err));
        pid_t pid = fork();
        if (pid == 0) {
            if (write(fds[0], "0", 1) != 1)
                _exit(1);
            for (int k = 0; k < 3; k++)
                (void)!fork();
            for (;;)
                (void)pause();
        }
        wait_members(&one, "kills", 8); /* it has forked three times, and so has each of them */
        assert_true(sk_rt_cgroup_has(&one, "kills", pid));
        DONE(sk_rt_cgroup_kill(&one, "kills", 20000, &err));
        close_all(fds, count);
        DONE(sk_rt_cgroup_remove(&one, "kills", &err));
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_v2, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_v1, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_none, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_memory, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_cpu, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_pids, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_members, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_kills, host_set_up, host_tear_down),
    };

    module_main(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
