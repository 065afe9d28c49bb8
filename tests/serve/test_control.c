/* test_control.c - a server with sockets from outside: what is answered where, who accepts, what
 * counts; and two servers that hand a socket back and forth under load. The engine is fake. */
#include "serve/serve.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/net.h"
#include "base/thread.h"
#include "harness/fake_engine.h"
#include "harness/golden.h"
#include "serve/client.h"
#include "json/json.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum {
    CALLERS = 4,
    TURNS = 30,
    WAIT_MS = 20000 /* for what must happen */
};

#define ZERO8 "0,0,0,0,0,0,0,0"
#define ZEROS ZERO8 "," ZERO8 "," ZERO8 "," ZERO8 "," ZERO8 "," ZERO8 /* 3 x 4 x 4 */

static uint8_t picture[1024];
static size_t picture_len;

struct world {
    char *root, *path; /* of the model folders; of the control socket */
    struct sk_engine *engine;
    struct sk_server *server;
    uint16_t port;
};

static void put_model(const char *root)
{
    SK_OWN(free) char *dir = sk_path_join(root, "m");
    SK_OWN(free) char *model = sk_path_join(dir, "model.onnx");
    SK_OWN(free) char *bytes = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len;

    assert_int_equal(sk_mkdirs(dir, 0755, &err), 0);
    assert_int_equal(
        sk_file_read(sk_source_path("tests/data/models/scores.onnx"), 1 << 20, &bytes, &len, &err),
        0);
    assert_int_equal(sk_file_write(model, bytes, len, 0644, &err), 0);
}

static int listen_unix(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(fd, 16), 0);
    return fd;
}

static int listen_tcp(void)
{
    struct sk_err err = SK_ERR_INIT;
    int fd = -1;

    assert_int_equal(sk_listen("127.0.0.1", 0, 1024, &fd, &err), 0);
    return fd;
}

/* fd: http's, taken. */
static void open_world(struct world *w, int fd, struct sk_serve_options opts)
{
    struct sk_err err = SK_ERR_INIT;

    w->root = sk_test_dir();
    w->path = sk_path_join(w->root, ".control");
    w->engine = sk_engine_fake_new(&(struct sk_fake_options){ .run_us = 200 });
    put_model(w->root);
    opts.models = &w->root;
    opts.model_count = 1;
    opts.threads = 1;
    opts.http_fd = fd;
    opts.control_fd = listen_unix(w->path);
    if (sk_server_start(&opts, w->engine, &w->server, &err) < 0)
        fail_msg("%s", err.text);
    w->port = sk_server_port(w->server);
}

static void close_world(struct world *w)
{
    struct sk_fake_counts counts;

    assert_int_equal(sk_server_stop(w->server), 0);
    sk_engine_fake_counts(w->engine, &counts);
    assert_int_equal(counts.misuse, 0);
    assert_int_equal(counts.runs_alive, 0);
    sk_engine_close(w->engine);
    free(w->path);
    sk_test_dir_free(w->root);
}

/* A call over control that must be answered with 200; sk_json_free. */
static struct sk_json *control(const struct world *w, const char *line)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_json *doc = NULL;
    struct answer a;

    client_ask_unix(w->path, line, NULL, "", 0, &a);
    const char *body = strstr(a.text, "\r\n\r\n");
    if (a.status != 200 || !body || sk_json_parse(body + 4, strlen(body + 4), NULL, &doc, &err) < 0)
        fail_msg("%s: %d %s", line, a.status, a.text);
    return doc;
}

static int64_t number(const struct world *w, const char *key)
{
    SK_OWN(sk_json_free) struct sk_json *state = control(w, "GET /control/state");
    const struct sk_json *v = sk_json_get(state, key);

    return sk_json_type(v) == SK_JSON_BOOL ? sk_json_bool(v, false) : sk_json_int(v, -1);
}

/* A request is counted when it has ended, which may be after its client has read the answer. */
static void wait_requests(const struct world *w, int64_t wanted)
{
    const uint64_t end_ms = sk_now_ms() + WAIT_MS;

    while ((number(w, "requests") < wanted || number(w, "inFlight") > 0) && sk_now_ms() < end_ms)
        (void)usleep(1000);
}

static int predict(const struct world *w, bool over_control)
{
    struct answer a;

    if (over_control)
        client_ask_unix(w->path, "POST /predict", "image/x-portable-pixmap", picture, picture_len,
                        &a);
    else
        client_ask(w->port, "POST /predict", "image/x-portable-pixmap", picture, picture_len, &a);
    return a.status;
}

/* [serve-80] [serve-84] */
static void addresses_and_counts(void **state)
{
    struct world w;
    struct answer a;

    (void)state;
    open_world(&w, listen_tcp(), (struct sk_serve_options){ 0 });
    client_ask(w.port, "GET /control/state", NULL, "", 0, &a);
    assert_int_equal(a.status, 404);
    client_ask_unix(w.path, "GET /readyz", NULL, "", 0, &a);
    assert_int_equal(a.status, 200);
    client_ask_unix(w.path, "GET /control/accept", NULL, "", 0, &a);
    assert_int_equal(a.status, 405);
    for (int i = 0; i < 3; i++)
        assert_int_equal(predict(&w, false), 200);
    for (int i = 0; i < 5; i++)
        assert_int_equal(predict(&w, true), 200);
    client_ask(w.port, "POST /predict", NULL, "", 0, &a);
    assert_int_equal(a.status, 400);

    wait_requests(&w, 4);
    SK_OWN(sk_json_free) struct sk_json *s = control(&w, "GET /control/state");
    assert_true(sk_json_bool(sk_json_get(s, "accepting"), false));
    assert_int_equal(sk_json_int(sk_json_get(s, "requests"), -1), 4);
    assert_int_equal(sk_json_int(sk_json_get(s, "errors"), -1), 0);
    assert_int_equal(sk_json_int(sk_json_get(s, "inFlight"), -1), 0);
    assert_true(sk_json_num(sk_json_get(s, "p50Ms"), -1) > 0);
    assert_true(sk_json_num(sk_json_get(s, "p99Ms"), -1) >=
                sk_json_num(sk_json_get(s, "p50Ms"), -1));
    const struct sk_json *model = sk_json_at(sk_json_get(s, "models"), 0);
    assert_string_equal(sk_json_get_text(model, "name", ""), "m");
    assert_int_equal(strlen(sk_json_get_text(model, "digest", "")), 64);
    assert_int_equal(sk_json_int(sk_json_get(model, "labels"), 0), 2);

    static const char told[] = "skerry_requests_total{model=\"m\",version=\"1\",code=\"200\"} 3";
    const uint64_t end_ms = sk_now_ms() + WAIT_MS;
    do {
        client_ask_unix(w.path, "GET /metrics", NULL, "", 0, &a);
    } while (!strstr(a.text, told) && sk_now_ms() < end_ms);
    assert_non_null(strstr(a.text, told));
    close_world(&w);
}

/* [serve-81] [serve-82] [serve-83] */
static void accept_and_retire(void **state)
{
    struct world w;
    int fd = listen_tcp(), copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    (void)state;
    open_world(&w, fd, (struct sk_serve_options){ .starts_paused = true });
    assert_int_equal(number(&w, "accepting"), false);
    sk_json_free(control(&w, "POST /control/accept"));
    assert_int_equal(number(&w, "accepting"), true);
    assert_int_equal(predict(&w, false), 200);
    sk_json_free(control(&w, "POST /control/retire"));
    assert_int_equal(number(&w, "accepting"), false);
    assert_int_equal(predict(&w, true), 200); /* it stays loaded */
    sk_json_free(control(&w, "POST /control/accept"));
    assert_int_equal(predict(&w, false), 200);
    close_world(&w);
    (void)close(copy);
}

/* [serve-85] */
static void test_is_asked(void **state)
{
    struct world w;

    (void)state;
    open_world(&w, listen_tcp(), (struct sk_serve_options){ .starts_paused = true });
    for (int i = 0; i < 3; i++) {
        SK_OWN(sk_json_free) struct sk_json *got = control(&w, "POST /control/test");
        assert_true(sk_json_bool(sk_json_get(got, "ok"), false));
        assert_string_equal(sk_json_get_text(got, "source", ""), "generated");
    }
    sk_engine_fake_set(w.engine, &(struct sk_fake_options){ .fail_every = 1 });
    SK_OWN(sk_json_free) struct sk_json *bad = control(&w, "POST /control/test");
    assert_false(sk_json_bool(sk_json_get(bad, "ok"), true));
    assert_int_equal(number(&w, "requests"), 0);
    close_world(&w);
}

static void stops_in_a_test(void **state)
{
    struct world w;

    (void)state;
    open_world(&w, listen_tcp(), (struct sk_serve_options){ .drain_ms = 100 });
    sk_engine_fake_set(w.engine, &(struct sk_fake_options){ .run_us = 20000000 });
    static const char ask[] = "POST /control/test HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    (void)snprintf(to.sun_path, sizeof to.sun_path, "%s", w.path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(send(fd, ask, sizeof ask - 1, 0), sizeof ask - 1);
    struct sk_fake_counts counts = { 0 };
    for (int i = 0; i < WAIT_MS && counts.running == 0; i++) {
        (void)usleep(1000);
        sk_engine_fake_counts(w.engine, &counts);
    }
    assert_int_equal(counts.running, 1);
    close_world(&w);
    (void)close(fd);
}

/* What a scrape says of the results that were told; -1: nothing. */
static int results_told(const struct world *w)
{
    static const char name[] = "\nskerry_telemetry_results_total ";
    static char text[1 << 17];
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(w->port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    static const char ask[] = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t used = 0;

    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(send(fd, ask, sizeof ask - 1, 0), sizeof ask - 1);
    for (ssize_t n = 1; n > 0; used += n > 0 ? (size_t)n : 0)
        n = recv(fd, text + used, sizeof text - 1 - used, 0);
    (void)close(fd);
    text[used] = '\0';
    const char *found = strstr(text, name);
    return found ? (int)strtol(found + sizeof name - 1, NULL, 10) : -1;
}

/* They are told when their request has ended: see wait_requests. */
static void wait_results(const struct world *w, int wanted)
{
    const uint64_t end_ms = sk_now_ms() + WAIT_MS;

    while (results_told(w) < wanted && sk_now_ms() < end_ms)
        (void)usleep(1000);
    assert_int_equal(results_told(w), wanted);
}

/* [serve-70] [serve-71] As a module whose local hub is not there: answers do not wait for it. */
static void results_are_told(void **state)
{
    static const char *const module[][2] = {
        { "IOTEDGE_IOTHUBHOSTNAME", "hub.example" },
        { "IOTEDGE_DEVICEID", "dev" },
        { "IOTEDGE_MODULEID", "cam" },
        { "IOTEDGE_GATEWAYHOSTNAME", "localhost" },
        { "IOTEDGE_MODULEGENERATIONID", "1" },
        { "IOTEDGE_APIVERSION", "2022-08-03" },
        { "IOTEDGE_WORKLOADURI", "unix:///there/is/none.sock" },
    };
    static const char classes[] =
        "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[2,3,4,4],\"data\":"
        "[" ZEROS "," ZEROS
        "]}],\"outputs\":[{\"name\":\"scores\",\"parameters\":{\"classification\":1}}]}";
    struct world w;
    struct answer a;

    (void)state;
    open_world(&w, listen_tcp(), (struct sk_serve_options){ 0 });
    assert_int_equal(results_told(&w), -1);
    close_world(&w);
    for (size_t i = 0; i < sizeof module / sizeof module[0]; i++)
        (void)setenv(module[i][0], module[i][1], 1);
    open_world(&w, listen_tcp(), (struct sk_serve_options){ .telemetry = "summary" });
    assert_int_equal(results_told(&w), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(predict(&w, false), 200);
    assert_int_equal(predict(&w, true), 200); /* not over control */
    sk_json_free(control(&w, "POST /control/test"));
    client_ask(w.port, "POST /predict", NULL, "", 0, &a); /* nor what was no picture */
    wait_results(&w, 3);
    client_ask(w.port, "POST /v2/models/m/infer", "application/json", classes, strlen(classes), &a);
    assert_int_equal(a.status, 200);
    wait_results(&w, 5);
    sk_engine_fake_set(w.engine, &(struct sk_fake_options){ .fail_every = 1 });
    assert_int_equal(predict(&w, false), 500);
    wait_results(&w, 6);
    close_world(&w);
    (void)unsetenv("IOTEDGE_GATEWAYHOSTNAME");
    open_world(&w, listen_tcp(), (struct sk_serve_options){ 0 }); /* a warning */
    assert_int_equal(predict(&w, false), 200);
    assert_int_equal(results_told(&w), -1);
    close_world(&w);
    for (size_t i = 0; i < sizeof module / sizeof module[0]; i++)
        (void)unsetenv(module[i][0]);
}

struct caller {
    pthread_t thread;
    const struct world *world;
    atomic_bool *is_over;
    atomic_uint ok;
    unsigned failed;
};

static void *call(void *arg)
{
    struct caller *c = arg;

    while (!atomic_load(c->is_over)) {
        int status = predict(c->world, false);
        atomic_fetch_add(&c->ok, status == 200);
        c->failed += status != 200;
    }
    return NULL;
}

static unsigned sum_ok(struct caller *callers)
{
    unsigned sum = 0;

    for (int i = 0; i < CALLERS; i++)
        sum += atomic_load(&callers[i].ok);
    return sum;
}

/* Until so many more answers have come. */
static void wait_ok(struct caller *callers, unsigned more)
{
    const uint64_t end_ms = sk_now_ms() + WAIT_MS;
    const unsigned wanted = sum_ok(callers) + more;

    while (sum_ok(callers) < wanted && sk_now_ms() < end_ms)
        (void)usleep(1000);
}

/* [serve-82] [serve-83] */
static void hand_over_under_load(void **state)
{
    struct world two[2];
    struct caller callers[CALLERS];
    atomic_bool is_over = false;
    struct sk_err err = SK_ERR_INIT;
    int fd = listen_tcp(), copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    unsigned ok = 0;

    (void)state;
    open_world(&two[0], fd, (struct sk_serve_options){ 0 });
    open_world(&two[1], copy, (struct sk_serve_options){ .starts_paused = true });
    for (int i = 0; i < CALLERS; i++) {
        memset(&callers[i], 0, sizeof callers[i]);
        callers[i].world = &two[0];
        callers[i].is_over = &is_over;
        assert_int_equal(sk_thread_start(&callers[i].thread, "caller", call, &callers[i], &err), 0);
    }
    for (int turn = 0; turn < TURNS; turn++) {
        (void)usleep(10000);
        wait_ok(callers, CALLERS + 1); /* more than may be left of the other server's */
        sk_json_free(control(&two[(turn + 1) % 2], "POST /control/accept"));
        sk_json_free(control(&two[turn % 2], "POST /control/retire"));
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < CALLERS; i++) {
        (void)pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].failed, 0);
        ok += atomic_load(&callers[i].ok);
    }
    for (int i = 0; i < WAIT_MS && number(&two[0], "requests") + number(&two[1], "requests") < ok;
         i++)
        (void)usleep(1000); /* see wait_requests */
    assert_true(number(&two[0], "requests") > 0);
    assert_true(number(&two[1], "requests") > 0);
    assert_int_equal(number(&two[0], "requests") + number(&two[1], "requests"), ok);
    close_world(&two[0]);
    close_world(&two[1]);
}

/* A PNM picture of 16x16: its header and whatever bytes. */
static int make_picture(void **state)
{
    static const char head[] = "P6 16 16 255\n";

    (void)state;
    sk_log_setup(SK_LEVEL_COUNT, SK_LOG_TEXT, 2);
    memcpy(picture, head, sizeof head - 1);
    for (size_t i = 0; i < 16 * 16 * 3; i++)
        picture[sizeof head - 1 + i] = (uint8_t)(i * 7);
    picture_len = sizeof head - 1 + 16 * 16 * 3;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_and_counts), cmocka_unit_test(accept_and_retire),
        cmocka_unit_test(test_is_asked),        cmocka_unit_test(stops_in_a_test),
        cmocka_unit_test(hand_over_under_load), cmocka_unit_test(results_are_told),
    };

    return cmocka_run_group_tests_name("serve/control", tests, make_picture, NULL);
}
