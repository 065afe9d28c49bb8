/* test_api_blobs.c - files by digest: pieces, cuts, the wrong digest, ranges. */
#include "hub_util.h"

#include "base/clock.h"
#include "hub/hub_priv.h"

/* printf abcdef | sha256sum */
#define DIGEST "sha256:bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721"

struct id {
    char text[64];
};

static struct id begin(struct hub_fixture *f)
{
    struct answer a;
    struct id id = { "" };

    hub_ask(f, "POST", "/api/v1/uploads", f->made.owner_token, NULL, &a);
    hub_expect(&a, 202, "{\"id\": \"");
    (void)snprintf(id.text, sizeof(id.text), "%.32s", strstr(a.body, "\": \"") + 4);
    return id;
}

/* A piece with Upload-Offset; offset NULL: without. */
static void send_piece(struct hub_fixture *f, const char *method, const struct id *id,
                       const char *query, const char *offset, const char *body, struct answer *a)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 16);

    sk_buf_fmt(&b,
               "%s /api/v1/uploads/%s%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
               "Authorization: Bearer %s\r\n",
               method, id->text, query, f->made.owner_token);
    if (offset)
        sk_buf_fmt(&b, "Upload-Offset: %s\r\n", offset);
    sk_buf_fmt(&b, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
    client_ask(f->port, b.data, a);
}

static void in_pieces(void **state)
{
    struct hub_fixture *f = *state;
    struct id id = begin(f);
    struct answer a;
    char path[128];

    send_piece(f, "PATCH", &id, "", "0", "abc", &a);
    hub_expect(&a, 202, "{\"size\": 3}");
    send_piece(f, "PATCH", &id, "", "1", "xyz", &a);
    hub_expect(&a, 416, "Upload-Offset");
    assert_string_equal(answer_header(&a, "Upload-Offset"), "3");
    send_piece(f, "PATCH", &id, "", "three", "xyz", &a);
    hub_expect(&a, 400, "Upload-Offset");
    send_piece(f, "PATCH", &id, "", NULL, "de", &a);
    hub_expect(&a, 202, "{\"size\": 5}");
    (void)snprintf(path, sizeof(path), "/api/v1/uploads/%s", id.text);
    hub_ask(f, "GET", path, f->made.owner_token, NULL, &a);
    hub_expect(&a, 200, "{\"size\": 5}");
    send_piece(f, "PUT", &id, "?digest=" DIGEST, "5", "f", &a);
    hub_expect(&a, 201, "{\"digest\": \"" DIGEST "\", \"size\": 6}");
    hub_ask(f, "GET", path, f->made.owner_token, NULL, &a);
    hub_expect(&a, 404, "\"error\"");
    hub_ask(f, "GET", "/api/v1/blobs/" DIGEST, f->made.owner_token, NULL, &a);
    hub_expect(&a, 200, "abcdef");
    assert_int_equal(a.body_len, 6);
}

static void ranges(void **state)
{
    struct hub_fixture *f = *state;
    struct id id = begin(f);
    struct answer a;
    char text[512];

    send_piece(f, "PUT", &id, "?digest=" DIGEST, "0", "abcdef", &a);
    hub_expect(&a, 201, DIGEST);
    (void)snprintf(text, sizeof(text),
                   "GET /api/v1/blobs/" DIGEST " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                   "Authorization: Bearer %s\r\nRange: bytes=4-\r\n\r\n",
                   f->made.owner_token);
    client_ask(f->port, text, &a);
    hub_expect(&a, 206, "ef");
    assert_string_equal(answer_header(&a, "Content-Range"), "bytes 4-5/6");
    assert_string_equal(answer_header(&a, "ETag"), "\"" DIGEST "\"");
}

/* How long ago the blob was touched, in minutes, after it was made `older` ones older. */
static int64_t minutes(struct hub_fixture *f, int64_t older)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;

    assert_int_equal(sk_db_begin(sk_store_db(sk_hub_store(f->hub)), SK_DB_WRITE, &tx, &err), 0);
    assert_int_equal(sk_tx_run(tx, &err,
                               "UPDATE blob SET touched_ms = touched_ms - ?1 WHERE digest = ?2",
                               "is", older * 60000, DIGEST),
                     0);
    assert_int_equal(
        sk_tx_query(tx, &s, &err, "SELECT touched_ms FROM blob WHERE digest = ?1", "s", DIGEST), 0);
    assert_int_equal(sk_stmt_next(s, &err), 1);
    int64_t ago = ((int64_t)sk_wall_ms() - sk_stmt_int(s, 0)) / 60000;
    assert_int_equal(sk_tx_commit(&tx, &err), 0);
    return ago;
}

/* [hub-20] The first file of a version is there when the last has come, hours later; and one that a
 * publisher has asked for, so as not to send it again. */
static void kept_for_a_version(void **state)
{
    static const char
        other[] = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; /* abc
                                                                                              */
    char reader[SK_TOKEN_TEXT], query[128];
    struct hub_fixture *f = *state;
    struct id id = begin(f);
    struct answer a;

    send_piece(f, "PUT", &id, "?digest=" DIGEST, "0", "abcdef", &a);
    hub_expect(&a, 201, DIGEST);
    assert_int_equal(minutes(f, 50), 50);
    id = begin(f);
    (void)snprintf(query, sizeof(query), "?digest=%s", other);
    send_piece(f, "PUT", &id, query, "0", "abc", &a);
    hub_expect(&a, 201, other);
    assert_int_equal(minutes(f, 0), 0);

    assert_int_equal(minutes(f, 100), 100);
    hub_token(f, SK_ROLE_READER, reader);
    hub_ask(f, "HEAD", "/api/v1/blobs/" DIGEST, reader, NULL, &a);
    hub_expect(&a, 200, "");
    assert_int_equal(minutes(f, 0), 100);
    hub_ask(f, "HEAD", "/api/v1/blobs/" DIGEST, f->made.owner_token, NULL, &a);
    hub_expect(&a, 200, "");
    assert_int_equal(minutes(f, 0), 0);
}

/* The wrong digest ends the upload, and nothing is there. */
static void wrong_digest(void **state)
{
    struct hub_fixture *f = *state;
    struct id id = begin(f);
    struct answer a;
    char path[128];

    send_piece(f, "PUT", &id, "?digest=" DIGEST, "0", "abcdeX", &a);
    hub_expect(&a, 400, "sha256:");
    (void)snprintf(path, sizeof(path), "/api/v1/uploads/%s", id.text);
    hub_ask(f, "GET", path, f->made.owner_token, NULL, &a);
    hub_expect(&a, 404, "\"error\"");
    hub_ask(f, "GET", "/api/v1/blobs/" DIGEST, f->made.owner_token, NULL, &a);
    hub_expect(&a, 404, "\"error\"");
}

/* The connection is cut in the middle of a piece: what came is kept. */
static void cut(void **state)
{
    struct hub_fixture *f = *state;
    struct id id = begin(f);
    struct client c;
    struct answer a;
    char text[512], path[128];

    client_open(&c, f->port);
    (void)snprintf(text, sizeof(text),
                   "PATCH /api/v1/uploads/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                   "Content-Length: 6\r\n\r\nabc",
                   id.text, f->made.owner_token);
    client_send(&c, text);
    client_close(&c);
    (void)snprintf(path, sizeof(path), "/api/v1/uploads/%s", id.text);
    for (int i = 0; i < 2000; i++) { /* the hub notices soon; until then the upload is open */
        hub_ask(f, "GET", path, f->made.owner_token, NULL, &a);
        if (strstr(a.body, "{\"size\": 3}"))
            break;
        (void)usleep(10000);
    }
    hub_expect(&a, 200, "{\"size\": 3}");
    for (int i = 0; i < 2000; i++) {
        send_piece(f, "PUT", &id, "?digest=" DIGEST, "3", "def", &a);
        if (a.status != 503)
            break;
        (void)usleep(10000);
    }
    hub_expect(&a, 201, DIGEST);
}

static void refused(void **state)
{
    struct hub_fixture *f = *state;
    struct id id = begin(f);
    struct answer a;
    char reader[SK_TOKEN_TEXT], put[128];

    hub_token(f, SK_ROLE_READER, reader);
    (void)snprintf(put, sizeof(put), "/api/v1/uploads/%s", id.text);

    const struct {
        const char *method, *path, *token;
        int status;
    } rows[] = {
        { "POST", "/api/v1/uploads", reader, 403 },
        { "POST", "/api/v1/uploads", NULL, 401 },
        { "GET", "/api/v1/uploads/0123456789abcdef0123456789abcdef", f->made.owner_token, 404 },
        { "GET", "/api/v1/uploads/..%2f..%2fregistry.db", f->made.owner_token, 404 },
        { "PUT", put, f->made.owner_token, 400 },
        { "GET", "/api/v1/blobs/sha256:abc", f->made.owner_token, 400 },
        { "GET", "/api/v1/blobs/..%2f..%2fregistry.db", f->made.owner_token, 400 },
        { "GET", "/api/v1/blobs/" DIGEST, reader, 404 },
        { "GET", "/api/v1/blobs/" DIGEST, NULL, 401 },
        { "DELETE", put, f->made.owner_token, 200 },
        { "DELETE", put, f->made.owner_token, 404 },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        hub_ask(f, rows[i].method, rows[i].path, rows[i].token, NULL, &a);
        if (a.status != rows[i].status)
            fail_msg("%s %s: %d %s", rows[i].method, rows[i].path, a.status, a.body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(in_pieces, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(ranges, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(kept_for_a_version, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(wrong_digest, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(cut, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(refused, hub_running, hub_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
