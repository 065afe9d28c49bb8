/* test_options.c - createOptions of native modules: what is taken, what is said, what is refused.
 */
#include "runtime/runtime_util.h"

#define HOST(members) "{\"HostConfig\":{" members "}}"

static void test_refused(void **state)
{
    static const struct {
        const char *options;
        enum sk_code code; /* SK_OK: fine */
        const char *words;
    } rows[] = {
        { "", SK_OK, NULL },
        { "{}", SK_OK, NULL },
        { "[]", SK_INVALID, "expected an object" },
        { "{\"a\":", SK_INVALID, "createOptions" },
        { "{\"User\":\"root\"}", SK_UNSUPPORTED, "User" },
        { "{\"User\":\"\"}", SK_OK, NULL },
        { "{\"User\":null}", SK_OK, NULL },
        { "{\"Entrypoint\":[\"/bin/sh\"]}", SK_UNSUPPORTED, "Entrypoint" },
        { "{\"Entrypoint\":[]}", SK_OK, NULL },
        { "{\"Tty\":true}", SK_UNSUPPORTED, "Tty" },
        { "{\"Tty\":false}", SK_OK, NULL },
        { "{\"WorkingDir\":\"/\"}", SK_OK, NULL },
        { "{\"WorkingDir\":\"/app\"}", SK_UNSUPPORTED, "WorkingDir" },
        { "{\"StopSignal\":\"SIGTERM\"}", SK_OK, NULL },
        { "{\"StopSignal\":\"SIGKILL\"}", SK_UNSUPPORTED, "StopSignal" },
        { "{\"Volumes\":{\"/x\":{}}}", SK_UNSUPPORTED, "Volumes" },
        { "{\"Novelty\":1}", SK_UNSUPPORTED, "does not know Novelty" },
        { "{\"Novelty\":0}", SK_OK, NULL },
        { "{\"Env\":[1]}", SK_INVALID, "Env" },
        { "{\"Env\":{}}", SK_INVALID, "Env" },
        { "{\"Cmd\":[1]}", SK_INVALID, "Cmd" },
        { "{\"HostConfig\":1}", SK_INVALID, "HostConfig" },
        { HOST("\"Privileged\":true"), SK_UNSUPPORTED, "SKERRY_RUNTIME=docker" },
        { HOST("\"Privileged\":false"), SK_OK, NULL },
        { HOST("\"CapAdd\":[\"NET_ADMIN\"]"), SK_UNSUPPORTED, "HostConfig.CapAdd" },
        { HOST("\"CapDrop\":[\"ALL\"]"), SK_OK, NULL },
        { HOST("\"Devices\":[{\"PathOnHost\":\"/dev/video0\"}]"), SK_UNSUPPORTED, "Devices" },
        { HOST("\"Binds\":[\"/a:/b\"]"), SK_OK, NULL }, /* test_binds.c */
        { HOST("\"Binds\":[\"volume:/b\"]"), SK_UNSUPPORTED, "named volume" },
        { HOST("\"Mounts\":[{}]"), SK_UNSUPPORTED, "Mounts" },
        { HOST("\"NetworkMode\":\"host\""), SK_OK, NULL },
        { HOST("\"NetworkMode\":\"none\""), SK_UNSUPPORTED, "NetworkMode" },
        { HOST("\"NetworkMode\":\"hos\""), SK_UNSUPPORTED, "NetworkMode" },
        { HOST("\"SecurityOpt\":[\"no-new-privileges\"]"), SK_OK, NULL },
        { HOST("\"SecurityOpt\":[\"seccomp=unconfined\"]"), SK_UNSUPPORTED, "SecurityOpt" },
        { HOST("\"Sysctls\":{\"a\":\"b\"}"), SK_UNSUPPORTED, "Sysctls" },
        { HOST("\"ExtraHosts\":[\"a:1.2.3.4\"]"), SK_UNSUPPORTED, "ExtraHosts" },
        { HOST("\"Runtime\":\"kata\""), SK_UNSUPPORTED, "kata" },
        { HOST("\"Runtime\":\"runc\""), SK_OK, NULL },
        { HOST("\"Novelty\":[1]"), SK_UNSUPPORTED, "does not know HostConfig.Novelty" },
        { HOST("\"Memory\":-1"), SK_INVALID, "Memory" },
        { HOST("\"Memory\":4096"), SK_INVALID, "is below" },
        { HOST("\"Memory\":\"1g\""), SK_INVALID, "Memory" },
        { HOST("\"Memory\":1.5"), SK_INVALID, "Memory" },
        { HOST("\"MemorySwap\":1000"), SK_INVALID, "MemorySwap" },
        { HOST("\"NanoCpus\":1,\"CpuQuota\":5000"), SK_INVALID, "exclude" },
        { HOST("\"Ulimits\":[{\"Name\":\"x\",\"Soft\":1,\"Hard\":1}]"), SK_INVALID, "'x'" },
        { HOST("\"Ulimits\":[{\"Name\":\"core\",\"Soft\":2,\"Hard\":1}]"), SK_INVALID, "Soft" },
        { HOST("\"OomScoreAdj\":2000"), SK_INVALID, "OomScoreAdj" },
        { HOST("\"PortBindings\":{\"53/udp\":[{\"HostPort\":\"53\"}]}"), SK_UNSUPPORTED, "TCP" },
        { HOST("\"PortBindings\":{\"53/udp\":[]}"), SK_OK, NULL },
        { HOST("\"PortBindings\":{\"1/tcp\":[{}],\"2/tcp\":[{}]}"), SK_UNSUPPORTED,
          "one published port" },
        { HOST("\"PortBindings\":{\"1/tcp\":[{},{}]}"), SK_UNSUPPORTED, "one published port" },
        { HOST("\"DeviceRequests\":[{\"Driver\":\"cdi\",\"DeviceIDs\":[\"x\"]}]"), SK_UNSUPPORTED,
          "NVIDIA" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_rt_options o;
        struct sk_err err = SK_ERR_INIT;
        char note[SK_RT_NOTE] = "";
        int rc = sk_rt_options_read(rows[i].options, &o, note, &err);

        sk_rt_options_done(&o);
        if ((rc == 0) != (rows[i].code == SK_OK) || err.code != rows[i].code ||
            (rc < 0 && !strstr(err.text, rows[i].words)))
            fail_msg("%s: %s: %s", rows[i].options, sk_code_name(err.code), err.text);
    }
}

static void test_taken(void **state)
{
    struct sk_rt_options o;
    struct sk_err err = SK_ERR_INIT;
    char note[SK_RT_NOTE] = "";

    (void)state;
    DONE(sk_rt_options_read(
        "{\"Image\":\"x\",\"Env\":[\"A=b\"],\"Cmd\":[\"c\"],\"ExposedPorts\":{\"5001/tcp\":{}},"
        "\"Labels\":{\"a\":\"b\"},\"HostConfig\":{\"PortBindings\":{\"5001/tcp\":[{\"HostPort\":"
        "\"80\"}]},\"Memory\":67108864,\"NanoCpus\":1500000000,\"CpuShares\":9999999,\"PidsLimit\":"
        "64,\"CpusetCpus\":\"0-1\",\"OomScoreAdj\":7,\"Ulimits\":[{\"Name\":\"core\",\"Soft\":0,"
        "\"Hard\":0}],\"DeviceRequests\":[{\"Count\":2,\"Capabilities\":[[\"gpu\"]]}]}}",
        &o, note, &err));
    assert_int_equal(sk_json_count(o.env), 1);
    assert_int_equal(sk_json_count(o.cmd), 1);
    assert_string_equal(o.port, "5001/tcp");
    assert_int_equal(o.limits.memory, 67108864);
    assert_int_equal(o.limits.memory_swap, 2 * 67108864);
    assert_int_equal(o.limits.nano_cpus, 1500000000);
    assert_int_equal(o.limits.cpu_shares, 262144);
    assert_int_equal(o.limits.pids, 64);
    assert_string_equal(o.cpuset, "0-1");
    assert_int_equal(o.oom_score, 7);
    assert_int_equal(o.rlimit_count, 1);
    assert_true(o.wants_gpu);
    assert_int_equal(o.gpu_count, 2);
    assert_string_equal(note, "");
    sk_rt_options_done(&o);
}

/* Said in one note, as far as it fits. */
static void test_noted(void **state)
{
    struct sk_rt_options o;
    struct sk_err err = SK_ERR_INIT;
    char note[SK_RT_NOTE] = "";

    (void)state;
    DONE(sk_rt_options_read("{\"Hostname\":\"h\",\"HostConfig\":{\"LogConfig\":{\"Type\":\"x\"},"
                            "\"RestartPolicy\":{\"Name\":\"\"},\"AutoRemove\":true}}",
                            &o, note, &err));
    assert_string_equal(note, "Hostname has no effect natively; HostConfig.LogConfig has no effect "
                              "natively; HostConfig.RestartPolicy has no effect natively");
    for (int i = 0; i < 20; i++)
        sk_rt_note(note, "and %d more", i);
    assert_int_equal(strlen(note), SK_RT_NOTE - 1);
    sk_rt_options_done(&o);
}

static void test_gpus(void **state)
{
    static const struct {
        const char *host;
        bool wants;
        int64_t count;
        size_t ids;
    } rows[] = {
        { "{}", false, 0, 0 },
        { "{\"Runtime\":\"nvidia\"}", true, -1, 0 },
        { "{\"DeviceRequests\":[{\"Count\":-1,\"Capabilities\":[[\"gpu\"]]}]}", true, -1, 0 },
        { "{\"DeviceRequests\":[{\"Driver\":\"nvidia\"}]}", true, 1, 0 },
        { "{\"DeviceRequests\":[{\"DeviceIDs\":[\"0\",\"GPU-x\"],\"Capabilities\":[[\"gpu\"]]}]}",
          true, 0, 2 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_rt_options o;
        struct sk_err err = SK_ERR_INIT;
        char note[SK_RT_NOTE] = "", text[256];

        (void)snprintf(text, sizeof text, "{\"HostConfig\":%s}", rows[i].host);
        DONE(sk_rt_options_read(text, &o, note, &err));
        if (o.wants_gpu != rows[i].wants || o.gpu_count != rows[i].count ||
            o.gpu_id_count != rows[i].ids)
            fail_msg("%s: %d %d %zu", text, o.wants_gpu, (int)o.gpu_count, o.gpu_id_count);
        sk_rt_options_done(&o);
    }
}

static void test_too_large(void **state)
{
    static char text[SK_RT_OPTIONS_MAX + 32];
    struct sk_rt_options o;
    struct sk_err err = SK_ERR_INIT;
    char note[SK_RT_NOTE] = "";

    (void)state;
    memset(text, ' ', sizeof text - 1);
    memcpy(text, "{}", 2);
    text[SK_RT_OPTIONS_MAX] = '\0';
    DONE(sk_rt_options_read(text, &o, note, &err));
    sk_rt_options_done(&o);
    text[SK_RT_OPTIONS_MAX] = ' ';
    FAILS(sk_rt_options_read(text, &o, note, &err), SK_LIMIT, "at most");
    sk_rt_options_done(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_taken),
        cmocka_unit_test(test_noted),     cmocka_unit_test(test_gpus),
        cmocka_unit_test(test_too_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
