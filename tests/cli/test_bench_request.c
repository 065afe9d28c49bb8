/* test_bench_request.c - the bytes of the requests. */
#include "cli/bench_priv.h"

#include "base/str.h"
#include "cli_test.h"
#include "harness/alloc_fail.h"
#include "image/image.h"

static const struct sk_bench_target plain = { .host = "h:1" };

static void test_predict(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(100000);
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_bench_predict_request(&plain, "a b/\xc3\xa4", "PIC\0TURE", 8, &out, &err),
                     0);
    assert_true(
        sk_starts_with(out.data, "POST /predict?model=a%20b%2F%C3%A4 HTTP/1.1\r\nHost: h:1\r\n"));
    const char *body = strstr(out.data, "\r\n\r\n") + 4;
    const char *length = strstr(out.data, "Content-Length: ");
    assert_int_equal(strtoul(length + 16, NULL, 10), out.len - (size_t)(body - out.data));
    const char *boundary = strstr(out.data, "boundary=") + 9;
    assert_memory_equal(body + 2, boundary, strcspn(boundary, "\r"));
    assert_non_null(
        memmem(body, out.len - (size_t)(body - out.data), "\r\n\r\nPIC\0TURE\r\n--", 16));
}

static const char metadata[] =
    "{\"name\":\"m\",\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[-1,3]},"
    "{\"name\":\"i\",\"datatype\":\"INT64\",\"shape\":[2]},{\"name\":\"h\",\"datatype\":\"FP16\","
    "\"shape\":[]},"
    "{\"name\":\"b\",\"datatype\":\"BF16\",\"shape\":[1]}]}";

/* Starts a server that answers with this body. text needs the life of the server. */
static void start(struct fake_server *s, int status, const char *body, char *text, size_t size)
{
    (void)snprintf(text, size, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n%s", status,
                   strlen(body), body);
    fake_start(s, text, 0);
}

static void open_target(const struct fake_server *s, struct sk_bench_target *t)
{
    struct sk_err err = SK_ERR_INIT;
    char url[64];

    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d", s->port);
    assert_int_equal(
        sk_bench_target_open(url, &(struct sk_bench_child_options){ 0 }, NULL, t, &err), 0);
}

static void test_infer(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(100000);
    struct fake_server s;
    struct sk_bench_target t;
    struct sk_err err = SK_ERR_INIT;
    char text[1000];

    (void)state;
    start(&s, 200, metadata, text, sizeof text);
    open_target(&s, &t);
    int rc = sk_bench_infer_request(&t, "m", &out, &err);
    fake_stop(&s);
    if (rc < 0)
        fail_msg("%s", err.text);
    assert_memory_equal(s.last, "GET /v2/models/m HTTP/1.1\r\n", 27);
    assert_true(sk_starts_with(out.data, "POST /v2/models/m/infer HTTP/1.1\r\n"));
    const char *body = strstr(out.data, "\r\n\r\n") + 4;
    size_t header = strtoul(strstr(out.data, "Inference-Header-Content-Length: ") + 33, NULL, 10);
    static const char want[] = "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,3],"
                               "\"parameters\":{\"binary_data_size\":12}},"
                               "{\"name\":\"i\",\"datatype\":\"INT64\",\"shape\":[2],"
                               "\"parameters\":{\"binary_data_size\":16}},"
                               "{\"name\":\"h\",\"datatype\":\"FP16\",\"shape\":[],\"parameters\":{"
                               "\"binary_data_size\":2}},"
                               "{\"name\":\"b\",\"datatype\":\"BF16\",\"shape\":[1],\"parameters\":"
                               "{\"binary_data_size\":2}}],"
                               "\"parameters\":{\"binary_data_output\":true}}";
    assert_int_equal(header, sizeof want - 1);
    assert_memory_equal(body, want, header);
    assert_int_equal(out.len - (size_t)(body - out.data) - header, 12 + 16 + 2 + 2);
    float x[3];
    int64_t i[2];
    memcpy(x, body + header, sizeof x);
    memcpy(i, body + header + 12, sizeof i);
    for (int k = 0; k < 3; k++)
        assert_true(x[k] >= 0 && x[k] < 1);
    assert_true((i[0] == 0 || i[0] == 1) && (i[1] == 0 || i[1] == 1));
}

static void test_infer_refusals(void **state)
{
    static const struct {
        int status;
        const char *body, *model, *error;
    } rows[] = {
        { 200, "{\"inputs\":[{\"name\":\"t\",\"datatype\":\"BYTES\",\"shape\":[1]}]}", "m",
          "input 't' is BYTES, for which there is no made-up data" },
        { 200,
          "{\"inputs\":[{\"name\":\"t\",\"datatype\":\"FP32\",\"shape\":[4294967296,4294967296]}]}",
          "m", "input 't' is too large" },
        { 200, "[]", NULL, "has no model that is ready" },
        { 404, "none", "m", "GET /v2/models/m: status 404: none" },
        { 200, "{", "m", "/v2/models/m: " },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(100000);
        struct fake_server s;
        struct sk_bench_target t;
        struct sk_err err = SK_ERR_INIT;
        char text[1000];

        start(&s, rows[i].status, rows[i].body, text, sizeof text);
        open_target(&s, &t);
        assert_int_equal(sk_bench_infer_request(&t, rows[i].model, &out, &err), -1);
        fake_stop(&s);
        if (!strstr(err.text, rows[i].error))
            fail_msg("%s", err.text);
    }
}

static void test_picture(void **state)
{
    SK_OWN(free) uint8_t *jpeg = NULL;
    struct sk_image_info info;
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;

    (void)state;
    assert_int_equal(sk_bench_picture(640, 480, &jpeg, &len, &err), 0);
    assert_int_equal(sk_image_probe(jpeg, len, &info, &err), 0);
    assert_string_equal(info.format, "jpeg");
    assert_true(info.width == 640 && info.height == 480);
    assert_in_range(len, 640 * 480 / 16, 640 * 480 / 2); /* as a photograph: 0.5 to 4 bits a pixel
                                                          */
}

static int make(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(100000);
    (void)ctx;
    return sk_bench_predict_request(&plain, "m", "x", 1, &out, err);
}

static void test_no_memory(void **state)
{
    (void)state;
    assert_true(sk_alloc_sweep("request", make, NULL, 0) >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_predict),        cmocka_unit_test(test_infer),
        cmocka_unit_test(test_infer_refusals), cmocka_unit_test(test_picture),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("bench_request", tests, NULL, NULL);
}
