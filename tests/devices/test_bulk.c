/* test_bulk.c - many identities at once: each mode, each failure on its own. */
#include "fixture.h"

static bool bulk(struct fixture *f, const char *json, struct sk_buf *out)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *array = parse(json);
    bool ok = false;
    sk_buf_clear(out);
    DONE(sk_identity_bulk(f->d, &f->service, array, out, &ok, &err));
    return ok;
}

/* One after the other, on one hub. says: NULL, or a part of the answer's errors. */
static void modes(void **state)
{
    static const struct {
        const char *json, *says, *told;
    } rows[] = {
        { "[{\"id\":\"a\",\"importMode\":\"create\",\"status\":\"enabled\"},{\"id\":\"b\"},"
          "{\"id\":\"a\",\"importMode\":\"create\"}]",
          "[{\"deviceId\":\"a\",\"errorCode\":\"DeviceAlreadyExists\",\"errorStatus\":"
          "\"there is a device 'a'\"}]",
          "created a\ncreated b\n" },
        { "[{\"id\":\"c\",\"importMode\":\"create\",\"tags\":{\"t\":1},\"properties\":{\"desired\":"
          "{\"x\":1}}},{\"id\":\"c\",\"moduleId\":\"m\",\"importMode\":\"create\"}]",
          NULL,
          "created c\ntags c 3 {\"t\":1}\ndesired c 2 {\"x\":1,\"$version\":2}\n"
          "created c/m\n" },
        { "[{\"id\":\"d\",\"importMode\":\"create\",\"tags\":{\"t.\":1}}]",
          "\"deviceId\":\"d\",\"errorCode\":\"ArgumentInvalid\"", "" },
        { "[{\"id\":\"a\",\"importMode\":\"update\",\"status\":\"disabled\"},"
          "{\"id\":\"b\",\"importMode\":\"createOrUpdate\",\"status\":\"disabled\"},"
          "{\"id\":\"x\",\"importMode\":\"update\"}]",
          "\"deviceId\":\"x\",\"errorCode\":\"DeviceNotFound\"", "changed a\nchanged b\n" },
        { "[{\"id\":\"a\",\"importMode\":\"updateIfMatchETag\",\"eTag\":\"AAAAAAAAAAE=\"},"
          "{\"id\":\"b\",\"importMode\":\"updateIfMatchETag\",\"eTag\":\"AAAAAAAAAAI=\","
          "\"status\":\"enabled\"}]",
          "\"deviceId\":\"a\",\"errorCode\":\"PreconditionFailed\"", "changed b\n" },
        { "[{\"id\":\"a\",\"importMode\":\"updateIfMatchETag\"}]", "'eTag' is missing", "" },
        { "[{\"id\":\"a\",\"importMode\":\"updateTwin\",\"tags\":{\"q\":2}},"
          "{\"id\":\"c\",\"moduleId\":\"m\",\"importMode\":\"updateTwinIfMatchETag\",\"twinETag\":"
          "\"AAAAAAAAAAk=\",\"tags\":{\"q\":2}}]",
          "\"deviceId\":\"c\",\"moduleId\":\"m\",\"errorCode\":\"PreconditionFailed\"",
          "tags a 3 {\"q\":2}\n" },
        { "[{\"id\":\"c\",\"moduleId\":\"m\",\"importMode\":\"deleteIfMatchETag\",\"eTag\":"
          "\"AAAAAAAAAAE=\"},{\"id\":\"b\",\"importMode\":\"delete\"},"
          "{\"id\":\"b\",\"importMode\":\"delete\"}]",
          "\"deviceId\":\"b\",\"errorCode\":\"DeviceNotFound\"", "deleted c/m\ndeleted b\n" },
        { "[{\"id\":\"a\",\"importMode\":\"destroy\"},{\"importMode\":\"create\"},7]",
          "importMode 'destroy' is unknown", "" },
    };
    struct fixture *f = *state;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    for (size_t i = 0; i < COUNT(rows); i++) {
        bool ok = bulk(f, rows[i].json, &out);
        sk_json_free(parse(out.data));
        if (ok != !rows[i].says || (rows[i].says && !strstr(out.data, rows[i].says)))
            fail_msg("%s: %s", rows[i].json, out.data);
        if (ok)
            assert_string_equal(out.data, "{\"isSuccessful\":true,\"errors\":[],\"warnings\":[]}");
        const char *events = told(f);
        if (strcmp(events, rows[i].told) != 0)
            fail_msg("%s: told %s", rows[i].json, events);
    }
}

static void limits(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf many = SK_BUF_INIT(1 << 20);
    bool ok = false;
    for (int n = 0; n < SK_BULK_MAX; n++)
        sk_buf_fmt(&many, "%s{\"id\":\"d%d\",\"importMode\":\"create\"}", n ? "," : "[", n);
    sk_buf_chr(&many, ']');
    assert_true(bulk(f, many.data, &out));
    assert_int_equal(number(f, "SELECT count(*) FROM identity"), SK_BULK_MAX);
    many.len--;
    sk_buf_str(&many, ",{\"id\":\"one-more\"}]");
    SK_OWN(sk_json_free) struct sk_json *more = parse(many.data);
    FAILS(sk_identity_bulk(f->d, &f->service, more, &out, &ok, &err), SK_LIMIT, "TooManyDevices: ");
    SK_OWN(sk_json_free) struct sk_json *none = parse("[]");
    FAILS(sk_identity_bulk(f->d, &f->service, none, &out, &ok, &err), SK_INVALID, "ArgumentInv");
    SK_OWN(sk_json_free) struct sk_json *object = parse("{\"id\":\"a\"}");
    FAILS(sk_identity_bulk(f->d, &f->service, object, &out, &ok, &err), SK_INVALID, "ArgumentInv");
}

static void rights(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    SK_OWN(sk_json_free) struct sk_json *array = parse("[{\"id\":\"a\"}]");
    bool ok = true;
    DONE(sk_identity_bulk(f->d, &f->reader, array, &out, &ok, &err));
    assert_false(ok);
    assert_non_null(strstr(out.data, "\"errorCode\":\"IotHubUnauthorizedAccess\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(modes), ROW(limits), ROW(rights) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
