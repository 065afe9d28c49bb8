/* test_gpu.c - GPUs of a machine that is made of files. */
#include "runtime/runtime_util.h"

#include <stdio.h>

static void put_file(struct host *p, const char *name, const char *text)
{
    struct sk_err err = SK_ERR_INIT;
    char folder[512];
    const char *path = host_at(p, name);

    (void)snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    DONE(sk_mkdirs(folder, 0755, &err));
    DONE(sk_file_write(path, text, strlen(text), 0644, &err));
}

static void put_gpu(struct host *p, const char *bus, const char *uuid, int minor)
{
    char name[128], text[512];

    (void)snprintf(name, sizeof name, "proc/driver/nvidia/gpus/%s/information", bus);
    (void)snprintf(text, sizeof text,
                   "Model: \t\t NVIDIA H200\nIRQ:   \t\t 99\nGPU UUID: \t %s\nVideo BIOS: \t 1\n"
                   "Bus Type: \t PCIe\nDevice Minor: \t %d\nGPU Excluded:\t No\n",
                   uuid, minor);
    put_file(p, name, text);
}

static void test_find(void **state)
{
    struct host *p = *state;
    struct sk_rt_gpus g;

    sk_rt_gpus_find(p->dir, &g);
    assert_int_equal(g.count, 0);
    put_file(p, "dev/nvidia0", "");
    put_file(p, "dev/nvidia2", "");
    sk_rt_gpus_find(p->dir, &g);
    assert_int_equal(g.count, 2);
    assert_int_equal(g.items[1].minor, 2);
    assert_string_equal(g.items[1].uuid, "");
    put_gpu(p, "0000:01:00.0", "GPU-bbb", 1);
    put_gpu(p, "0000:02:00.0", "GPU-aaa", 0);
    put_file(p, "proc/driver/nvidia/gpus/0000:03:00.0/information", "nonsense");
    sk_rt_gpus_find(p->dir, &g);
    assert_int_equal(g.count, 2);
    assert_int_equal(g.items[0].minor, 0);
    assert_string_equal(g.items[0].uuid, "GPU-aaa");
    assert_string_equal(g.items[1].uuid, "GPU-bbb");
}

static void test_choose(void **state)
{
    static const struct {
        size_t here;
        const char *host;
        bool is_required;
        enum sk_code code;
        const char *minors, *words; /* of the error, or of the note */
    } rows[] = {
        { 0, "{}", false, SK_OK, "", "" },
        { 2, "{}", false, SK_OK, "", "" },
        { 0, "\"Runtime\":\"nvidia\"", false, SK_OK, "", "no GPU here" },
        { 0, "\"Runtime\":\"nvidia\"", true, SK_UNSUPPORTED, "", "SKERRY_GPU=required" },
        { 0, "{}", true, SK_UNSUPPORTED, "", "SKERRY_GPU=required" },
        { 2, "{}", true, SK_OK, "01", "" },
        { 2, "\"Runtime\":\"nvidia\"", false, SK_OK, "01", "" },
        { 2, "\"DeviceRequests\":[{\"Driver\":\"nvidia\",\"Count\":1}]", true, SK_OK, "0", "" },
        { 2, "\"DeviceRequests\":[{\"Driver\":\"nvidia\",\"Count\":3}]", false, SK_OK, "01",
          "only 2" },
        { 2, "\"DeviceRequests\":[{\"Driver\":\"nvidia\",\"Count\":3}]", true, SK_UNSUPPORTED, "",
          "fewer" },
        { 2, "\"DeviceRequests\":[{\"Driver\":\"nvidia\",\"DeviceIDs\":[\"1\"]}]", false, SK_OK,
          "1", "" },
        { 2, "\"DeviceRequests\":[{\"Driver\":\"nvidia\",\"DeviceIDs\":[\"GPU-1\",\"1\"]}]", false,
          SK_OK, "1", "" },
        { 2, "\"DeviceRequests\":[{\"Driver\":\"nvidia\",\"DeviceIDs\":[\"7\"]}]", false,
          SK_UNSUPPORTED, "", "no GPU '7'" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_rt_gpus all = { .items = { { 0, "GPU-000" }, { 1, "GPU-111" } },
                                  .count = rows[i].here };
        struct sk_rt_gpus out;
        struct sk_rt_options o;
        struct sk_err err = SK_ERR_INIT;
        char note[SK_RT_NOTE] = "", text[256], minors[SK_RT_GPUS_MAX + 1] = "";

        (void)snprintf(text, sizeof text, "{\"HostConfig\":{%s}}",
                       rows[i].host[0] == '{' ? "" : rows[i].host);
        DONE(sk_rt_options_read(text, &o, note, &err));
        int rc = sk_rt_gpus_choose(&all, &o, rows[i].is_required, &out, note, &err);
        for (size_t k = 0; rc == 0 && k < out.count; k++)
            minors[k] = (char)('0' + out.items[k].minor);
        if (err.code != rows[i].code || strcmp(minors, rows[i].minors) != 0 ||
            !strstr(rc < 0 ? err.text : note, rows[i].words))
            fail_msg("row %zu: %s '%s' note '%s' gpus %s", i, sk_code_name(err.code), err.text,
                     note, minors);
        sk_rt_options_done(&o);
    }
}

static void test_paths(void **state)
{
    const struct sk_rt_gpus none = { .count = 0 }, one = { .items = { { 3, "" } }, .count = 1 };
    SK_AUTO(sk_rt_paths_done) struct sk_rt_paths paths = { .count = 0 };

    (void)state;
    sk_rt_gpus_paths(&none, &paths);
    assert_int_equal(paths.count, 0);
    sk_rt_gpus_paths(&one, &paths);
    assert_false(paths.has_failed);
    assert_string_equal(paths.items[0].path, "/dev/nvidia3");
    assert_int_equal(paths.items[0].access, SK_RT_PATH_DEVICE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_find, host_set_up, host_tear_down),
        cmocka_unit_test(test_choose),
        cmocka_unit_test(test_paths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
