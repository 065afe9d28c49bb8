/* test_work.c - the workload API, passed on to the agent. */
#include "rig.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

/* A request over an instance's socket; the answer, whole. */
static const char *ask(struct rig *r, const char *instance, const char *method, const char *path,
                       const char *body)
{
    static char answer[16384];
    char request[4096];
    size_t got = 0;
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    char at[512];
    const int at_len = snprintf(at, sizeof at, "%s/workload/%s/workload.sock", r->run, instance);
    assert_true(at_len > 0 && (size_t)at_len < sizeof a.sun_path);
    memcpy(a.sun_path, at, (size_t)at_len + 1);
    SK_AUTO(sk_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
        return "no socket";
    const int len = snprintf(request, sizeof request,
                             "%s %s?api-version=2019-01-30 HTTP/1.1\r\nHost: x\r\nConnection: close"
                             "\r\nContent-Length: %zu\r\n\r\n%s",
                             method, path, strlen(body), body);
    assert_int_equal(send(fd, request, (size_t)len, MSG_NOSIGNAL), len);
    for (ssize_t n; (n = recv(fd, answer + got, sizeof answer - 1 - got, 0)) > 0;)
        got += (size_t)n;
    answer[got] = '\0';
    return answer;
}

static void questions_are_passed_on(void **state)
{
    struct rig *r = *state;

    static const struct {
        const char *method, *path, *body, *words;
    } rows[] = {
        { "GET", "/trust-bundle", "", "BEGIN CERTIFICATE" },
        { "GET", "/modules", "", "{\"modules\":[{\"name\":\"m\"}]}" },
        { "POST", "/modules/m/genid/1/sign",
          "{\"keyId\":\"primary\",\"algo\":\"HMACSHA256\",\"data\":\"eA==\"}", "\"digest\":\"" },
        { "POST", "/modules/m/genid/1/encrypt",
          "{\"plaintext\":\"eA==\",\"initializationVector\":\"eA==\"}",
          "\"ciphertext\":\"c2VhbGVk\"" },
        { "POST", "/modules/m/genid/1/decrypt",
          "{\"ciphertext\":\"eA==\",\"initializationVector\":\"eA==\"}",
          "\"plaintext\":\"c2VhbGVk\"" },
        { "POST", "/modules/m/genid/1/certificate/server",
          "{\"commonName\":\"x\",\"expiration\":\"2030-01-01T00:00:00Z\"}",
          "\"certificate\":\"C\"" },
        { "POST", "/modules/n/genid/1/sign", "{\"data\":\"eA==\"}", " 403 " },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *got = ask(r, "m-1", rows[i].method, rows[i].path, rows[i].body);
        if (!strstr(got, rows[i].words))
            fail_msg("%s: %s", rows[i].path, got);
    }
}

static void signatures_are_remembered(void **state)
{
    struct rig *r = *state;
    char data[600], body[900];
    SK_AUTO(sk_buf_done) struct sk_buf b64 = SK_BUF_INIT(800);
    agent_instances(r, "[{\"instance\":\"m-1\",\"role\":\"active\"},{\"instance\":\"m-2\","
                       "\"role\":\"candidate\"}]");
    (void)snprintf(data, sizeof data, HUB "%%2Fdevices%%2F" DEVICE "%%2Fmodules%%2Fm\n%llu",
                   (unsigned long long)(sk_wall_ms() / 1000 + 100));
    sk_base64(&b64, data, strlen(data));
    (void)snprintf(body, sizeof body, "{\"data\":\"%s\"}", b64.data);
    const char *got = ask(r, "m-2", "POST", "/modules/m/genid/1/sign", body);
    assert_non_null(strstr(got, "\"digest\""));

    struct sk_lh_ident *id = ident_of(r, DEVICE "/m");
    {
        SK_LOCK(&r->h->lock);
        const struct sk_lh_signed *s = &sk_lh_instance_find(id, "m-2")->signatures[0];
        assert_int_equal(strlen(s->hash), 64);
        assert_true(s->until_ms > sk_now_ms() + 90000 && s->until_ms <= sk_now_ms() + 100000);
    }

    rig_restart(r, false); /* it was on the disk before it was given */
    id = ident_of(r, DEVICE "/m");
    SK_LOCK(&r->h->lock);
    assert_int_equal(strlen(sk_lh_instance_find(id, "m-2")->signatures[0].hash), 64);
}

static void sockets_come_and_go(void **state)
{
    struct rig *r = *state;
    assert_non_null(strstr(ask(r, "n-1", "GET", "/trust-bundle", ""), " 200 "));
    (void)agent_call(r, "{\"type\":\"modules\",\"modules\":[]}");
    assert_string_equal(ask(r, "n-1", "GET", "/trust-bundle", ""), "no socket");
    agent_instances(r, "[]");
    assert_non_null(strstr(ask(r, "n-1", "GET", "/trust-bundle", ""), " 200 "));
    agent_close(r);
    assert_non_null(strstr(ask(r, "n-1", "GET", "/trust-bundle", ""), " 200 "));
    assert_non_null(strstr(ask(r, "n-1", "POST", "/modules/n/genid/1/sign", "{\"data\":\"eA==\"}"),
                           " 403 ")); /* whose process it is, nobody can say */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_ROW(questions_are_passed_on),
        LONE_ROW(signatures_are_remembered),
        LONE_ROW(sockets_come_and_go),
    };
    return cmocka_run_group_tests_name("localhub/work", tests, NULL, NULL);
}
