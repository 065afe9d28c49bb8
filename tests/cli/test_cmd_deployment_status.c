/* test_cmd_deployment_status.c - `skerry deployment status` with a hub, and with an answer of a
 * device that has reported. */
#include "device_test.h"

#include <stdio.h>
#include <stdlib.h>

static void rows(void **state)
{
    static const struct hub_row table[] = {
        { "skerry device create e --edge-enabled", 0, "", "" },
        { "skerry device create a", 0, "", "" },
        { "skerry deployment status e", 0,
          "state               Disconnected\n"
          "deployments         none\n"
          "reported            the device has not reported yet\n",
          "" },
        { "skerry set-modules -d e -k %s/good.json", 0, "", "" },
        { "skerry deployment status e", 0, "filter                    -             r/f:1\n", "" },
        { "skerry deployment status e --json", 0, "\"moduleId\":\"$edgeAgent\"", "" },
        { "skerry set-modules -d e -k %s/odd.json --force", 0, "", "" },
        { "skerry deployment status e", 0, "\nwarnings\n  ", "" },
        { "skerry deployment status a", 1, "", "a" },
        { "skerry deployment status", 2, "", "DEVICE" },
    };

    struct hub_test t;
    (void)state;
    hub_test_start(&t);
    device_test_manifest(t.dir, "good.json", MANIFEST_GOOD);
    device_test_manifest(t.dir, "odd.json", MANIFEST_WARNING);
    hub_test_rows(&t, table, COUNT(table));
    hub_test_stop(&t);
}

#define TWIN                                                                                       \
    "{\"connectionState\":\"Connected\",\"configurations\":{\"n\":{\"status\":\"Applied\"},\"g\":" \
    "{"                                                                                            \
    "\"status\":\"Targeted\"}},\"properties\":{\"desired\":{\"$version\":5,\"modules\":{\"f\":{"   \
    "\"settings\":{\"image\":\"r/f:2\"}}}},\"reported\":{\"lastDesiredVersion\":4,"                \
    "\"lastDesiredStatus\":{\"code\":412,\"description\":\"no such schema\"},\"modules\":{\"f\":{" \
    "\"settings\":{\"image\":\"r/"                                                                 \
    "f:1\"},\"runtimeStatus\":\"running\",\"statusDescription\":\"Up\"},\"old\":{"                 \
    "\"runtimeStatus\":"                                                                           \
    "\"stopped\"}}}}}"

static void reported(void **state)
{
    struct fake_server s;
    char url[64], answer[2048];
    (void)state;
    (void)snprintf(answer, sizeof answer,
                   "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
                   "%zu\r\n\r\n%s",
                   strlen(TWIN), TWIN);
    fake_start(&s, answer, 0);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d", s.port);
    assert_int_equal(setenv("SKERRY_HUB", url, 1), 0);
    SK_AUTO(ran_done) struct ran r = run_words("skerry deployment status e", "", NULL);
    fake_stop(&s);
    check_status("status", &r, 0);
    assert_string_equal(r.out,
                        "state               Connected\n"
                        "deployments         n (Applied), g (Targeted)\n"
                        "reported            version 4 of 5: 412 no such schema\n\n"
                        "MODULE                    STATUS        IMAGE                             "
                        "        DESCRIPTION\n"
                        "f                         running       r/f:1                             "
                        "        Up (wanted is r/f:2)\n"
                        "old                       stopped       (no longer wanted)\n");
    assert_non_null(strstr(s.last, "GET /twins/e/modules/%24edgeAgent?"));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rows), cmocka_unit_test(reported) };
    return cmocka_run_group_tests_name("cmd_deployment_status", tests, NULL, NULL);
}
