/*
 * test_launch.c - what a module gets and what it may do: it says so itself (module.h, probe).
 */
#include "harness/alloc_fail.h"
#include "runtime/module.h"
#include "runtime/runtime_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool has_line(const char *report, const char *line)
{
    size_t len = strlen(line);

    for (const char *at = report; (at = strstr(at, line)) != NULL; at++)
        if ((at == report || at[-1] == '\n') && (at[len] == '\n' || at[len] == '\0'))
            return true;
    return false;
}

static void expect(const char *report, const char *line)
{
    if (!has_line(report, line))
        fail_msg("no '%s' in:\n%s", line, report);
}

/* Everything that a kernel with Landlock keeps from it. */
static void test_sandbox(void **state)
{
    static const char *const rows[] = {
        "session 1",   "no_new_privs 1",      "core 0",        "descriptors 6", "model ok",
        "graphs ok",   "passwd ok",           "self ok",       "cpuinfo ok",    "null ok",
        "mount EPERM", "ptrace EPERM",        "unshare EPERM", "clone EPERM",   "keyctl EPERM",
        "uring EPERM", "packet EAFNOSUPPORT", "thread ok",
    };
    static const char *const of_landlock[] = { "model_write EACCES", "tmp EACCES", "sources EACCES",
                                               "init EACCES", "program EACCES" };
    struct host *p = *state;
    struct module m;
    struct sk_runtime_status st;
    SK_OWN(free) char *report = NULL;
    const bool is_root = host_with_users(p);
    char line[64];

    module_prepare(p, &m, "probe");
    report = module_result(&m, "report", &st);
    for (size_t i = 0; i < COUNT(rows); i++)
        expect(report, rows[i]);
    for (size_t i = 0; i < COUNT(of_landlock) && sk_landlock_version() > 0; i++)
        expect(report, of_landlock[i]);
    if (sk_landlock_version() >= 4)
        expect(report, "bind EACCES");
    if (sk_landlock_version() >= 6)
        expect(report, "signal EPERM");
    if (is_root) {
        (void)snprintf(line, sizeof line, "uid %u", (unsigned)p->h.first_uid);
        expect(report, line);
        expect(report, "setuid EPERM");
        expect(report, "shadow EACCES");
        assert_int_equal(m.i.uid, p->h.first_uid);
        assert_string_equal(m.i.note, "");
    }
    assert_int_equal(st.state, SK_RUNTIME_STOPPED);
    module_done(&m);
}

/* Later ones win: image, agent, createOptions, ours; nothing of the agent's own. */
static void test_environment(void **state)
{
    struct host *p = *state;
    struct module m;
    struct sk_runtime_status st;
    SK_OWN(free) char *report = NULL;

    module_prepare(p, &m, "probe");
    m.env[1] = "SKERRY_HOST=agent";
    m.env[2] = "TEAM=agent";
    m.env[3] = "LISTEN_FDS=9";
    m.env[4] = "IOTEDGE_WORKLOADURI=unix:///other";
    m.s.create_options = "{\"Env\":[\"TEAM=options\",\"HOME=/elsewhere\",\"SKERRY_CACHE_DIR=/x\"]}";
    m.s.workload_socket = "/run/somewhere/workload.sock";
    assert_int_equal(setenv("SKERRY_SECRET", "of the agent", 1), 0);
    report = module_result(&m, "report", &st);
    assert_int_equal(unsetenv("SKERRY_SECRET"), 0);
    expect(report, "env SKERRY_HOST=agent");
    expect(report, "env SKERRY_PORT=5001");
    expect(report, "env TEAM=options");
    expect(report, "env LISTEN_FDS=3");
    expect(report, "env LISTEN_FDNAMES=http:control:inside");
    expect(report, "env IOTEDGE_WORKLOADURI=unix:///run/somewhere/workload.sock");
    assert_null(strstr(report, "of the agent"));
    assert_null(strstr(report, "/elsewhere"));
    assert_null(strstr(report, "=/x\n"));
    assert_null(strstr(report, "SKERRY_START"));
    char line[64];
    (void)snprintf(line, sizeof line, "env LISTEN_PID=%010d", (int)m.i.pid);
    expect(report, line);
    module_done(&m);
}

static void test_arguments(void **state)
{
    struct host *p = *state;
    struct module m;
    struct sk_runtime_status st;
    SK_OWN(free) char *report = NULL;
    char line[SK_RT_PATH + 64];

    module_prepare(p, &m, "probe");
    m.s.create_options = "{\"Cmd\":[\"/models/cats\",\"--labels=/models/cats/l.txt\",\"--name\","
                         "\"/modelsx\",\"\"]}";
    report = module_result(&m, "report", &st);
    (void)snprintf(line, sizeof line,
                   "arg serve\narg %s\narg --labels=%s/l.txt\narg --name\narg "
                   "/modelsx\narg ",
                   m.image.model_path, m.image.model_path);
    expect(report, line);
    module_done(&m);
}

static void test_refused(void **state)
{
    static const struct {
        const char *options;
        enum sk_code code;
        const char *words;
    } rows[] = {
        { "{\"HostConfig\":{\"Privileged\":true}}", SK_UNSUPPORTED, "Privileged" },
        { "{\"HostConfig\":{\"PortBindings\":{\"9000/tcp\":[{\"HostPort\":\"1\"}]}}}",
          SK_UNSUPPORTED, "listens on 5001/tcp" },
        { "{\"HostConfig\":{\"PortBindings\":{\"5001/tcp\":[{\"HostPort\":\"1\"}]}}}", SK_INVALID,
          "no socket is given" },
        { "{\"HostConfig\":{\"CpusetCpus\":\"x\"}}", SK_INVALID, "CpusetCpus" },
        { "{\"Env\":[\"=x\"]}", SK_INVALID, "NAME=value" },
        { "{", SK_INVALID, "createOptions" },
    };
    struct host *p = *state;
    struct module m;
    struct sk_runtime_status st;
    struct sk_err err = SK_ERR_INIT;

    module_prepare(p, &m, "probe");
    for (size_t i = 0; i < COUNT(rows); i++) {
        m.s.create_options = rows[i].options;
        FAILS(sk_runtime_start(&p->h, &m.s, &m.i, &err), rows[i].code, rows[i].words);
        DONE(sk_runtime_status(&p->h, &(struct sk_instance){ .instance = "cats-1" }, &st, &err));
        assert_int_equal(st.state, SK_RUNTIME_GONE); /* nothing is left of it */
    }
    m.s.create_options = "{}";
    p->h.program = "/nowhere/skerry";
    FAILS(sk_runtime_start(&p->h, &m.s, &m.i, &err), SK_NOT_FOUND, "/nowhere/skerry");
    p->h.program = "/etc/passwd";
    FAILS(sk_runtime_start(&p->h, &m.s, &m.i, &err), SK_DENIED, "starting the program");
    module_done(&m);
}

static void test_check(void **state)
{
    struct host *p = *state;
    struct module m;
    struct sk_err err = SK_ERR_INIT;
    char note[SK_RT_NOTE];

    module_prepare(p, &m, "probe");
    m.s.create_options = "{\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"always\"},"
                         "\"DeviceRequests\":[{\"Count\":-1,\"Capabilities\":[[\"gpu\"]]}]}}";
    struct sk_rt_gpus gpus;
    sk_rt_gpus_find("", &gpus);
    DONE(sk_runtime_check(&p->h, &m.s, note, &err));
    assert_non_null(strstr(note, "RestartPolicy has no effect"));
    if (gpus.count == 0) {
        assert_non_null(strstr(note, "no GPU here"));
        m.env[1] = "SKERRY_GPU=required";
        FAILS(sk_runtime_check(&p->h, &m.s, note, &err), SK_UNSUPPORTED, "SKERRY_GPU=required");
    }
    module_done(&m);
}

static int check_once(void *ctx, struct sk_err *err)
{
    struct module *m = ctx;
    char note[SK_RT_NOTE];

    return sk_runtime_check(&m->host->h, &m->s, note, err);
}

/* What cannot be looked at for want of memory (GPUs, control groups) is as if it were not there. */
static void test_allocations(void **state)
{
    struct host *p = *state;
    struct module m;

    module_prepare(p, &m, "probe");
    m.env[1] = "A=b";
    m.s.workload_socket = "/run/x.sock";
    m.s.create_options = "{\"Env\":[\"C=d\"],\"HostConfig\":{\"CpuShares\":512}}";
    (void)sk_alloc_sweep("check", check_once, &m, SK_ALLOC_MAY_SURVIVE);
    module_done(&m);
}

/* A folder above that only root may pass. */
static void test_not_passable(void **state)
{
    struct host *p = *state;
    struct module m;
    struct sk_err err = SK_ERR_INIT;

    module_prepare(p, &m, "probe");
    if (!host_with_users(p)) {
        skip();
        return;
    }
    assert_int_equal(chmod(p->data, 0700), 0);
    FAILS(sk_runtime_start(&p->h, &m.s, &m.i, &err), SK_DENIED, "chmod o+x");
    module_done(&m);
}

static void test_cores(void **state)
{
    struct host *p = *state;
    struct module m;
    struct sk_err err = SK_ERR_INIT;
    char path[64];
    SK_OWN(free) char *text = NULL;
    size_t len = 0;

    module_prepare(p, &m, "sleep");
    m.s.create_options = "{\"HostConfig\":{\"CpusetCpus\":\"0\",\"OomScoreAdj\":400,"
                         "\"Ulimits\":[{\"Name\":\"nofile\",\"Soft\":77,\"Hard\":88}]}}";
    DONE(sk_runtime_start(&p->h, &m.s, &m.i, &err));
    (void)snprintf(path, sizeof path, "/proc/%lld/status", (long long)m.i.pid);
    DONE(sk_file_read(path, 1 << 16, &text, &len, &err));
    assert_non_null(strstr(text, "Cpus_allowed_list:\t0\n"));
    free(SK_TAKE(text));
    (void)snprintf(path, sizeof path, "/proc/%lld/oom_score_adj", (long long)m.i.pid);
    DONE(sk_file_read(path, 1 << 16, &text, &len, &err));
    assert_string_equal(text, "400\n");
    free(SK_TAKE(text));
    (void)snprintf(path, sizeof path, "/proc/%lld/limits", (long long)m.i.pid);
    DONE(sk_file_read(path, 1 << 16, &text, &len, &err));
    const char *files = strstr(text, "Max open files");
    assert_non_null(files);
    assert_non_null(strstr(files, "77 "));
    module_done(&m);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sandbox, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_environment, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_arguments, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_refused, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_check, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_allocations, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_not_passable, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_cores, host_set_up, host_tear_down),
    };

    module_main(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
