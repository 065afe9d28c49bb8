/* test_call.c - the child that speaks the hub's REST: orders in, what matters of the answers out.
 */
#include "agent/agent_util.h"

#include "base/file.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- a hub: one answer per path, and the requests written down ---- */

static const struct {
    const char *path;
    int status;
    const char *body;
} answers[] = {
    { "/one", 200,
      "{\"moduleId\":\"m\",\"generationId\":\"7\",\"managedBy\":\"IotEdge\",\"x\":1}" },
    { "/list", 200,
      "[{\"moduleId\":\"a\",\"generationId\":\"1\"},{\"moduleId\":\"b\",\"managedBy\":\"x\"}]" },
    { "/empty", 204, "" },
    { "/text", 200, "no JSON" },
    { "/gone", 404, "{\"error\":{\"code\":\"not_found\",\"message\":\"no such module\"}}" },
};

static void serve_one(int fd, const char *log)
{
    char request[4096] = "", reply[2048];
    size_t n = 0;
    const char *body = NULL;
    while (n < sizeof request - 1) {
        ssize_t got = read(fd, request + n, sizeof request - 1 - n);
        if (got <= 0)
            break;
        n += (size_t)got;
        request[n] = '\0';
        const char *length = strstr(request, "Content-Length: ");
        body = strstr(request, "\r\n\r\n");
        if (body && (!length || strlen(body + 4) >= strtoul(length + 16, NULL, 10)))
            break;
    }
    FILE *f = fopen(log, "a");
    if (f) {
        (void)fprintf(f, "%s\n", request);
        (void)fclose(f);
    }
    for (size_t i = 0; i < COUNT(answers); i++) {
        char line[64];
        (void)snprintf(line, sizeof line, " %s ", answers[i].path);
        if (!strstr(request, line))
            continue;
        int len = snprintf(reply, sizeof reply,
                           "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                           answers[i].status, strlen(answers[i].body), answers[i].body);
        (void)!sk_write_all(fd, reply, (size_t)len);
    }
}

static pid_t hub_start(const char *log, uint16_t *port)
{
    struct sockaddr_in at_any = { .sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at_any;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at_any, sizeof at_any), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at_any, &len), 0);
    *port = ntohs(at_any.sin_port);
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)signal(SIGPIPE, SIG_IGN);
        for (;;) {
            int client = accept(fd, NULL, NULL);
            serve_one(client, log);
            (void)close(client);
        }
    }
    (void)close(fd);
    return pid;
}

/* ---- the call, as the agent's child ---- */

static int call(struct rig *r, const char *order, char **out)
{
    int status = 0;
    write_text(at(r->dir, "order"), order);
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct sk_err err = SK_ERR_INIT;
        int in = open(at(r->dir, "order"), O_RDONLY);
        int to = open(at(r->dir, "out"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        (void)dup2(in, STDIN_FILENO);
        (void)dup2(to, STDOUT_FILENO);
        int rc = sk_agent_call_main(&err);
        if (rc < 0)
            (void)!sk_write_all(STDOUT_FILENO, err.text, strlen(err.text));
        _exit(rc < 0 ? 1 : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    *out = text_of(at(r->dir, "out"));
    return WEXITSTATUS(status);
}

static void test_answers(void **state)
{
    struct rig *r = *state;
    SK_OWN(free) char *out = NULL;
    char order[2000];
    uint16_t port;
    pid_t hub = hub_start(at(r->dir, "log"), &port);
    (void)snprintf(order, sizeof order,
                   "{\"base\":\"http://127.0.0.1:%u\",\"token\":\"a token\",\"calls\":["
                   "{\"method\":\"PUT\",\"path\":\"/one\",\"force\":true,\"body\":{\"a\":1}},"
                   "{\"path\":\"/list\"},{\"path\":\"/empty\"},{\"path\":\"/text\"},"
                   "{\"path\":\"/gone\"}]}",
                   port);
    int rc = call(r, order, &out);
    (void)kill(hub, SIGKILL);
    (void)waitpid(hub, NULL, 0);
    if (rc != 0)
        fail_msg("%s", out);
    SK_OWN(sk_json_free) struct sk_json *doc = json_of(out);
    const struct sk_json *a = sk_json_get(doc, "answers");
    assert_int_equal(sk_json_count(a), 5);
    static const int64_t codes[] = { 200, 200, 204, 200, 404 };
    for (size_t i = 0; i < COUNT(codes); i++)
        assert_int_equal(sk_json_int(sk_json_get(sk_json_at(a, i), "status"), 0), codes[i]);
    assert_string_equal(sk_json_get_text(sk_json_at(a, 0), "generation", ""), "7");
    assert_string_equal(sk_json_get_text(sk_json_at(a, 0), "managedBy", ""), "IotEdge");
    assert_null(sk_json_get(sk_json_at(a, 0), "x")); /* nothing else passes */
    const struct sk_json *list = sk_json_get(sk_json_at(a, 1), "modules");
    assert_int_equal(sk_json_count(list), 2);
    assert_string_equal(sk_json_get_text(sk_json_at(list, 0), "module", ""), "a");
    assert_string_equal(sk_json_get_text(sk_json_at(list, 1), "managedBy", ""), "x");
    assert_non_null(strstr(sk_json_get_text(sk_json_at(a, 4), "error", ""), "404"));
    /* What the hub saw. */
    SK_OWN(free) char *log = text_of(at(r->dir, "log"));
    static const char *const words[] = { "PUT /one HTTP", "Authorization: a token", "If-Match: *",
                                         "{\"a\":1}", "GET /list HTTP" };
    for (size_t i = 0; i < COUNT(words); i++)
        if (!strstr(log, words[i]))
            fail_msg("'%s' is not in %s", words[i], log);
}

static void test_unreachable(void **state)
{
    struct rig *r = *state;
    SK_OWN(free) char *out = NULL;
    char order[300];
    uint16_t port;
    pid_t hub = hub_start(at(r->dir, "log"), &port);
    (void)kill(hub, SIGKILL);
    (void)waitpid(hub, NULL, 0);
    (void)snprintf(order, sizeof order,
                   "{\"base\":\"http://127.0.0.1:%u\",\"calls\":[{\"path\":\"/one\"}]}", port);
    assert_int_equal(call(r, order, &out), 0);
    SK_OWN(sk_json_free) struct sk_json *doc = json_of(out);
    const struct sk_json *a = sk_json_at(sk_json_get(doc, "answers"), 0);
    assert_int_equal(sk_json_int(sk_json_get(a, "status"), 1), 0);
    assert_true(*sk_json_get_text(a, "error", "") && *sk_json_get_text(a, "code", ""));
}

static void test_bad_orders(void **state)
{
    struct rig *r = *state;
    SK_AUTO(sk_buf_done) struct sk_buf many = SK_BUF_INIT(1 << 16);
    SK_OWN(free) char *out = NULL;
    assert_int_equal(call(r, "{", &out), 1);
    free(SK_TAKE(out));
    assert_int_equal(call(r, "{\"base\":\"x\"}", &out), 0);
    assert_string_equal(out, "{\"answers\":[]}\n");
    free(SK_TAKE(out));
    sk_buf_str(&many, "{\"calls\":[{}");
    for (int i = 0; i < 200; i++)
        sk_buf_str(&many, ",{}");
    sk_buf_str(&many, "]}");
    assert_int_equal(call(r, many.data, &out), 1);
    assert_non_null(strstr(out, "more than 200 calls"));
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)
    const struct CMUnitTest tests[] = { ROW(test_answers), ROW(test_unreachable),
                                        ROW(test_bad_orders) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
