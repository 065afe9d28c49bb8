/* test_api_metrics.c - /metrics: who may read it, its form, and that it counts. */
#include "flow.h"

static void must_say(const char *text, const char *line)
{
    if (!strstr(text, line))
        fail_msg("no '%s' in %s", line, text);
}

/* Every line is a comment or a name, labels and a number; each name has its type before it. */
static void check_form(const char *text)
{
    char type[128] = "";
    for (const char *p = text; *p; p = strchr(p, '\n') + 1) {
        const char *end = strchr(p, '\n');
        assert_non_null(end);
        if (strncmp(p, "# TYPE ", 7) == 0) {
            (void)snprintf(type, sizeof type, "%.*s", (int)strcspn(p + 7, " "), p + 7);
            continue;
        }
        if (*p == '#')
            continue;
        size_t len = strcspn(p, "{ ");
        if (len != strlen(type) || strncmp(p, type, len) != 0)
            fail_msg("%.*s is not of %s", (int)(end - p), p, type);
        const char *number = end;
        while (number[-1] != ' ')
            number--;
        assert_int_equal(strspn(number, "0123456789"), end - number);
    }
}

static void numbers(void **state)
{
    struct hub_fixture *f = *state;
    struct flow w = { 0 };
    char text[1 << 15], request[300];
    size_t len = 0;
    ssize_t got;
    hub_identity(f, "d", "");
    hub_identity(f, "d/m", "");
    hub_message(f, "d", "", NULL, SK_VIEW("x"));
    (void)snprintf(request, sizeof request,
                   "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                   "Authorization: Bearer %s\r\n\r\n",
                   f->made.owner_token);
    client_open(&w.c, f->port);
    client_send(&w.c, request);
    while ((got = read(w.c.fd, text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)got;
    text[len] = '\0';
    client_close(&w.c);
    must_say(text, "200 OK");
    must_say(text, "text/plain; version=0.0.4");
    must_say(text, "\nskerry_hub_connections 0\n");
    must_say(text, "\nskerry_hub_devices{status=\"enabled\"} 1\n");
    must_say(text, "\nskerry_hub_devices{status=\"disabled\"} 0\n");
    must_say(text, "\nskerry_hub_modules 1\n");
    must_say(text, "\nskerry_hub_journal_records_total{journal=\"telemetry\"} 1\n");
    must_say(text, "\nskerry_hub_journal_failing{journal=\"events\"} 0\n");
    check_form(strstr(text, "\r\n\r\n") + 4);
}

static void who_may(void **state)
{
    struct hub_fixture *f = *state;
    struct answer a;
    char policy[512], reader[SK_TOKEN_TEXT];
    hub_ask(f, "GET", "/metrics", NULL, NULL, &a);
    hub_expect(&a, 401, "");
    hub_token(f, SK_ROLE_READER, reader);
    hub_ask(f, "GET", "/metrics", reader, NULL, &a);
    hub_expect(&a, 200, "skerry_hub_connections");
    hub_sas_policy(f, "iothubowner", policy);
    hub_ask_with(f, "GET", "/metrics", policy, NULL, 0, &a);
    hub_expect(&a, 200, "skerry_hub_connections");
    hub_sas_policy(f, "registryRead", policy);
    hub_ask_with(f, "GET", "/metrics", policy, NULL, 0, &a);
    hub_expect(&a, 403, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(numbers, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(who_may, hub_running, hub_gone),
    };
    return cmocka_run_group_tests_name("hub/api_metrics", tests, NULL, NULL);
}
