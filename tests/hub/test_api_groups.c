/* test_api_groups.c - consumer groups over HTTP. */
#include "flow.h"

#define GROUPS "/api/v1/telemetry/groups"

static void resume(void **state)
{
    static const struct {
        const char *method, *path, *body;
        int status;
        const char *says;
    } rows[] = {
        { "GET", "", NULL, 200, "{\"groups\":[]}" },
        { "GET", "/a?max=2", NULL, 200, "\"next\":3}" },
        { "GET", "/a?max=2", NULL, 200, "\"next\":3}" }, /* nothing was committed */
        { "POST", "/a", "{\"next\":3}", 204, "" },
        { "GET", "/a?max=1", NULL, 200, "{\"messages\":[{\"sequence\":3," },
        { "GET", "/late?start=next", NULL, 200, "{\"messages\":[],\"next\":6}" },
        { "GET", "/a?start=next&max=1", NULL, 200, "{\"messages\":[{\"sequence\":3," },
        { "POST", "/a", "{\"next\":6}", 204, "" },
        { "GET", "/a", NULL, 200, "{\"messages\":[],\"next\":6}" },
        { "POST", "/a", "{\"next\":1}", 204, "" }, /* back */
        { "GET", "/a?max=1", NULL, 200, "{\"messages\":[{\"sequence\":1," },
        { "GET", "", NULL, 200, "{\"name\":\"a\",\"next\":1,\"lag\":5," },
        { "DELETE", "/late", NULL, 204, "" },
        { "DELETE", "/late", NULL, 404, "late" },
        { "GET", "/%24Default?max=1", NULL, 200, "\"sequence\":1," },
        { "DELETE", "/%24Default", NULL, 204, "" },
    };
    struct hub_fixture *f = *state;
    for (int i = 0; i < 5; i++)
        hub_message(f, "d", "", NULL, SK_VIEW("x"));
    for (size_t i = 0; i < COUNT(rows); i++) {
        char path[200];
        (void)snprintf(path, sizeof path, GROUPS "%s", rows[i].path);
        if (strcmp(rows[i].method, "GET") == 0 && rows[i].path[0])
            flow_expect(f, path, rows[i].says); /* it comes in chunks */
        else
            hub_do(f, rows[i].method, path, rows[i].body, rows[i].status, rows[i].says);
    }
    hub_stop(f);
    hub_start(f, 2);
    hub_do(f, "GET", GROUPS, NULL, 200, "{\"name\":\"a\",\"next\":1,\"lag\":5,");
    hub_do(f, "GET", "/api/v1/events/groups", NULL, 200, "{\"groups\":[]}");
}

static void errors(void **state)
{
    static const struct {
        const char *method, *path, *body;
        int status;
        const char *says;
    } rows[] = {
        { "GET", "/", NULL, 400, "name" },
        { "GET", "/a%20b", NULL, 400, "name" },
        { "GET", "/a%00b", NULL, 400, "" },
        { "GET", "/a/b", NULL, 400, "name" },
        { "GET", "/a?max=0", NULL, 400, "max" },
        { "GET", "/a?max=1001", NULL, 400, "max" },
        { "GET", "/a?wait=301", NULL, 400, "wait" },
        { "GET", "/a?start=middle", NULL, 400, "start" },
        { "POST", "/a", "{}", 400, "next" },
        { "POST", "/a", "{\"next\":0}", 400, "next" },
        { "POST", "/a", "{\"next\":2}", 400, "no messages beyond" },
        { "POST", "/a", "{\"next\":\"1\"}", 400, "next" },
        { "POST", "/a", "[", 400, "" },
        { "DELETE", "/a", NULL, 404, "" },
    };
    struct hub_fixture *f = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char path[200];
        (void)snprintf(path, sizeof path, GROUPS "%s", rows[i].path);
        hub_do(f, rows[i].method, path, rows[i].body, rows[i].status, rows[i].says);
    }
    hub_do(f, "GET", GROUPS, NULL, 200, "{\"groups\":[]}"); /* none of them made one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(resume, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(errors, hub_running, hub_gone),
    };
    return cmocka_run_group_tests_name("hub/api_groups", tests, NULL, NULL);
}
