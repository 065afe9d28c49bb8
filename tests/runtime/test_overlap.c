/* test_overlap.c - whether two instances can be side by side. */
#include "runtime/runtime_util.h"

#define HOST(members) "{\"HostConfig\":{" members "}}"

static void test_overlap(void **state)
{
    static const struct {
        const char *options;
        const char *native, *docker; /* words of the reason; NULL: they can */
    } rows[] = {
        { NULL, NULL, NULL },
        { "{}", NULL, NULL },
        { "{", "createOptions", "createOptions" },
        { HOST("\"PortBindings\":{\"5001/tcp\":[{}]}"), NULL, NULL },
        { HOST("\"PortBindings\":{\"5001\":[{}]}"), NULL, NULL },
        { HOST("\"PortBindings\":{\"53/udp\":[{}]}"), "53/udp", "53/udp" },
        { HOST("\"PortBindings\":{\"5/sctp\":[{}]}"), "5/sctp", "5/sctp" },
        { HOST("\"NetworkMode\":\"host\""), NULL, "NetworkMode host" },
        { HOST("\"NetworkMode\":\"container:x\""), NULL, "container:x" },
        { HOST("\"NetworkMode\":\"bridge\""), NULL, NULL },
        { HOST("\"Devices\":[{}]"), "Devices", "Devices" },
        { HOST("\"Devices\":[]"), NULL, NULL },
        { HOST("\"Binds\":[\"/a:/b\"]"), "/a:/b", "/a:/b" },
        { HOST("\"Binds\":[\"/a:/b:rw\"]"), "writable", "writable" },
        { HOST("\"Binds\":[\"/a:/b:ro\"]"), NULL, NULL },
        { HOST("\"Binds\":[\"/a:/b:z,ro\",\"/c:/d:ro,z\"]"), NULL, NULL },
        { HOST("\"Binds\":[\"/a:/b:root\"]"), "writable", "writable" },
        { HOST("\"Binds\":[\"/a:/ro\"]"), "writable", "writable" },
        { HOST("\"Mounts\":[{\"Type\":\"volume\",\"Target\":\"/t\"}]"), "/t", "/t" },
        { HOST("\"Mounts\":[{\"Target\":\"/t\",\"ReadOnly\":true}]"), NULL, NULL },
        { HOST("\"Mounts\":[{\"Type\":\"tmpfs\",\"Target\":\"/t\"}]"), NULL, NULL },
        { HOST("\"DeviceRequests\":[{\"Count\":1}]"), NULL, NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (int kind = SK_RUNTIME_NATIVE; kind <= SK_RUNTIME_DOCKER; kind++) {
            const char *words = kind == SK_RUNTIME_NATIVE ? rows[i].native : rows[i].docker;
            char why[SK_RT_WHY];
            bool can = sk_runtime_can_overlap((enum sk_runtime_kind)kind, rows[i].options, why);

            if (can != !words || (words && !strstr(why, words)) || (!words && why[0]))
                fail_msg("%s, %d: %d '%s'", rows[i].options, kind, can, why);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_overlap) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
