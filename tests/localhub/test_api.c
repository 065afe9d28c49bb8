/* test_api.c - methods between modules, by plain HTTP: TLS is http's and crypto's affair. */
#include "rig.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct server {
    struct rig *rig;
    struct sk_http_server *http;
};

static const char *ask(struct server *s, const char *path, const char *headers, const char *body)
{
    static char answer[16384];
    char request[8192];
    size_t got = 0;
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons(sk_http_port(s->http)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    SK_AUTO(sk_close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    const int len = snprintf(request, sizeof request,
                             "POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s"
                             "Content-Length: %zu\r\n\r\n%s",
                             path, headers, strlen(body), body);
    assert_int_equal(send(fd, request, (size_t)len, MSG_NOSIGNAL), len);
    for (ssize_t n; (n = recv(fd, answer + got, sizeof answer - 1 - got, 0)) > 0;)
        got += (size_t)n;
    answer[got] = '\0';
    return answer;
}

static struct sk_http_server *start(struct rig *r)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_http_server *http = NULL;
    const struct sk_http_options o = {
        .host = "127.0.0.1", .listen_fd = -1, .threads = 1, .routes = sk_lh_api_routes, .ctx = r->h
    };
    DONE(sk_http_start(&o, &http, &err));
    return http;
}

#define CALLER "x-ms-edge-moduleId: " DEVICE "/m\r\n"
#define PATH   "/twins/" DEVICE "/modules/n/methods?api-version=1"
#define GO     "{\"methodName\":\"go\",\"payload\":{\"a\":1},\"responseTimeoutInSeconds\":5}"

static void who_may_call_whom(void **state)
{
    struct rig *r = *state;
    struct server s = { r, start(r) };
    char good[1200], forged[1200];
    (void)snprintf(good, sizeof good, CALLER "Authorization: %s\r\n",
                   token_of(HUB, "m", key_of("m"), 60));
    (void)snprintf(forged, sizeof forged, CALLER "Authorization: %s\r\n",
                   token_of(HUB, "m", key_of("n"), 60));

    const struct {
        const char *path, *headers, *body, *words;
    } rows[] = {
        { PATH, "", GO, " 400 " },
        { PATH, "x-ms-edge-moduleId: edge\r\n", GO, " 400 " },
        { PATH, CALLER, GO, " 401 " },
        { PATH, "x-ms-edge-moduleId: other/m\r\nAuthorization: x\r\n", GO,
          "only modules of this device" },
        { PATH, forged, GO, " 401 " },
        { "/twins/" DEVICE "/modules/n/other", good, GO, " 400 " },
        { "/twins/" DEVICE "/modules/q/methods", good, GO, " 404 " },
        { PATH, good, "{", " 400 " },
        { PATH, good, "{\"payload\":1}", "'methodName' is missing" },
        { PATH, good, "{\"methodName\":\"x\",\"responseTimeoutInSeconds\":301}", " 400 " },
        { PATH, good, GO, " 404 " }, /* it is not connected */
        { "/twins/" DEVICE "/modules/%24edgeHub/methods", good, "{\"methodName\":\"ping\"}",
          "{\"status\":200,\"payload\":null}" },
        { "/twins/" DEVICE "/modules/$edgeAgent/methods", good, GO,
          "{\"status\":202,\"payload\":{\"did\":\"it\"}}" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *got = ask(&s, rows[i].path, rows[i].headers, rows[i].body);
        if (!strstr(got, rows[i].words))
            fail_msg("row %zu: %s", i, got);
    }
    sk_http_stop(s.http);
}

struct asking {
    struct server *server;
    char headers[1200];
    char answer[4096];
};

static void *ask_there(void *arg)
{
    struct asking *a = arg;
    (void)snprintf(a->answer, sizeof a->answer, "%s", ask(a->server, PATH, a->headers, GO));
    return NULL;
}

static void a_module_answers_another(void **state)
{
    struct rig *r = *state;
    struct server s = { r, start(r) };
    struct asking a = { .server = &s };
    struct packet p;
    char topic[1100];
    pthread_t thread;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(client_free) struct client *c = client_in(r, "n");
    client_subscribe(c, "$iothub/methods/POST/#", 0);
    (void)snprintf(a.headers, sizeof a.headers, CALLER "Authorization: %s\r\n",
                   token_of(HUB, "m", key_of("m"), 60));
    DONE(sk_thread_start(&thread, "ask", ask_there, &a, &err));
    client_want(c, PUBLISH, &p);
    assert_string_equal(p.payload, "{\"a\":1}");
    (void)snprintf(topic, sizeof topic, "$iothub/methods/res/7/%s", strstr(p.topic, "?$rid="));
    client_publish(c, 0, 0, topic, "[1]");
    (void)pthread_join(thread, NULL);
    assert_non_null(strstr(a.answer, " 200 "));
    assert_non_null(strstr(a.answer, "{\"status\":7,\"payload\":[1]}"));
    sk_http_stop(s.http);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(who_may_call_whom),
        ROW(a_module_answers_another),
    };
    return cmocka_run_group_tests_name("localhub/api", tests, NULL, NULL);
}
