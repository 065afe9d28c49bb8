/* test_twin_change.c - changes of twins by service, deployments and clients: versions, events, what
 * is refused; threads. */
#include "fixture.h"

static int change(struct fixture *f, const char *json, bool replace, const char *if_match,
                  struct sk_twin *out, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *c = parse(json);
    return sk_twin_change(f->d, &f->service, "d", NULL, c, replace, if_match, out, err);
}

/* One after the other, on one twin. */
static void by_the_service(void **state)
{
    static const struct {
        const char *name, *json;
        bool replace;
        const char *tags, *desired;
        int64_t etag, desired_version;
        const char *told;
    } rows[] = {
        { "both", "{\"tags\":{\"a\":1},\"properties\":{\"desired\":{\"x\":{\"y\":1}}}}", false,
          "{\"a\":1}", "{\"x\":{\"y\":1}}", 2, 2,
          "tags d 3 {\"a\":1}\ndesired d 2 {\"x\":{\"y\":1},\"$version\":2}\n" },
        { "merge", "{\"properties\":{\"desired\":{\"x\":{\"z\":2},\"w\":null}}}", false,
          "{\"a\":1}", "{\"x\":{\"y\":1,\"z\":2}}", 3, 3,
          "desired d 3 {\"x\":{\"z\":2},\"w\":null,\"$version\":3}\n" },
        { "tags only", "{\"tags\":{\"b\":2,\"a\":null}}", false, "{\"b\":2}",
          "{\"x\":{\"y\":1,\"z\":2}}", 4, 3, "tags d 5 {\"b\":2}\n" },
        { "a whole twin comes back",
          "{\"deviceId\":\"d\",\"etag\":\"x\",\"tags\":null,\"properties\":{\"desired\":{\"v\":1,"
          "\"$version\":9,\"$metadata\":{\"q\":1}},\"reported\":{\"r\":1}}}",
          false, "{\"b\":2}", "{\"x\":{\"y\":1,\"z\":2},\"v\":1}", 5, 4,
          "desired d 4 {\"v\":1,\"$version\":4}\n" },
        { "the same moves too", "{\"properties\":{\"desired\":{\"v\":1}}}", false, "{\"b\":2}",
          "{\"x\":{\"y\":1,\"z\":2},\"v\":1}", 6, 5, "desired d 5 {\"v\":1,\"$version\":5}\n" },
        { "nothing", "{\"properties\":{\"reported\":{\"r\":1}}}", false, "{\"b\":2}",
          "{\"x\":{\"y\":1,\"z\":2},\"v\":1}", 6, 5, "" },
        { "replace", "{\"properties\":{\"desired\":{\"n\":1}}}", true, "{}", "{\"n\":1}", 7, 6,
          "tags d 8 {}\ndesired d 6 {\"x\":null,\"v\":null,\"n\":1,\"$version\":6}\n" },
        { "replace by nothing", "{}", true, "{}", "{}", 8, 7,
          "tags d 9 {}\ndesired d 7 {\"n\":null,\"$version\":7}\n" },
    };
    struct fixture *f = *state;
    make_device(f, "d");
    (void)told(f);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_twin_done) struct sk_twin t = { .tags = NULL };
        if (change(f, rows[i].json, rows[i].replace, NULL, &t, &err) < 0)
            fail_msg("%s: %s", rows[i].name, err.text);
        if (strcmp(t.tags, rows[i].tags) != 0 || strcmp(t.desired, rows[i].desired) != 0)
            fail_msg("%s: %s %s", rows[i].name, t.tags, t.desired);
        if (t.etag != rows[i].etag || t.version != rows[i].etag + 1 ||
            t.desired_version != rows[i].desired_version)
            fail_msg("%s: etag %lld, version %lld, desired %lld", rows[i].name, (long long)t.etag,
                     (long long)t.version, (long long)t.desired_version);
        const char *events = told(f);
        if (strcmp(events, rows[i].told) != 0)
            fail_msg("%s: told %s", rows[i].name, events);
    }
    assert_string_equal(text_of(f, "SELECT who || object FROM audit WHERE action = 'twin.update' "
                                   "LIMIT 1"),
                        "policy iothubownerd");
}

static void refused(void **state)
{
    static const struct {
        const char *json;
        enum sk_code code;
        const char *says;
    } rows[] = {
        { "[]", SK_INVALID, "ArgumentInvalid: a twin is an object" },
        { "{\"tags\":1}", SK_INVALID, "ArgumentInvalid: 'tags'" },
        { "{\"properties\":[]}", SK_INVALID, "ArgumentInvalid: 'properties'" },
        { "{\"properties\":{\"desired\":3}}", SK_INVALID, "ArgumentInvalid: 'desired'" },
        { "{\"properties\":{\"desired\":{\"a.b\":3}}}", SK_INVALID,
          "ArgumentInvalid: properties.desired" },
        { "{\"tags\":{\"a\":1},\"properties\":{\"desired\":{\"a\":[null]}}}", SK_INVALID,
          "ArgumentInvalid: properties.desired.a" },
    };
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    make_device(f, "d");
    (void)told(f);
    for (size_t i = 0; i < COUNT(rows); i++)
        FAILS(change(f, rows[i].json, false, NULL, NULL, &err), rows[i].code, rows[i].says);
    FAILS(change(f, "{}", false, "\"AAAAAAAAAAI=\"", NULL, &err), SK_MISMATCH,
          "PreconditionFailed: ");
    SK_OWN(sk_json_free) struct sk_json *empty = parse("{\"tags\":{\"a\":1}}");
    FAILS(sk_twin_change(f->d, &f->registry, "d", NULL, empty, false, NULL, NULL, &err), SK_DENIED,
          "");
    FAILS(sk_twin_change(f->d, &f->service, "x", NULL, empty, false, NULL, NULL, &err),
          SK_NOT_FOUND, "DeviceNotFound: ");
    FAILS(sk_twin_change(f->d, &f->service, "d", "x", empty, false, NULL, NULL, &err), SK_NOT_FOUND,
          "ModuleNotFound: ");
    assert_string_equal(told(f), "");
    assert_int_equal(number(f, "SELECT etag + desired_version FROM twin"), 2);
}

/* A section of exactly the limit, and one byte more. */
static void sizes(void **state)
{
    struct fixture *f = *state;
    struct sk_identity i = make_device(f, "d");
    (void)i;
    for (size_t extra = 0; extra < 2; extra++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
        /* {"k0":"..","k1":".."}: 8 members of 4096 bytes, brackets and commas */
        sk_buf_str(&b, "{\"properties\":{\"desired\":{");
        for (unsigned k = 0; k < 8; k++) {
            size_t fill = k < 7 ? 4087 : (size_t)(SK_TWIN_SECTION_MAX - 2 - 7 * 4096 - 7) + extra;
            sk_buf_fmt(&b, "%s\"k%u\":\"", k ? "," : "", k);
            for (size_t n = 0; n < (k < 7 ? fill + 1 : fill); n++)
                sk_buf_chr(&b, 'x');
            sk_buf_chr(&b, '"');
        }
        sk_buf_str(&b, "}}}");
        int rc = change(f, b.data, true, NULL, NULL, &err);
        if (extra == 0 && rc < 0)
            fail_msg("%s", err.text);
        if (extra > 0)
            FAILS(rc, SK_TOO_LARGE, "DeviceModelMaxPropertiesExceeded: ");
    }
    assert_int_equal(number(f, "SELECT length(desired) FROM twin"), SK_TWIN_SECTION_MAX);
}

/* ---- deployments ---- */

struct desired {
    const char *json, *configurations;
};

static int set_desired(struct sk_change *c, void *ctx, struct sk_err *err)
{
    const struct desired *d = ctx;
    SK_OWN(sk_json_free) struct sk_json *json = NULL;
    if (sk_json_parse(d->json, strlen(d->json), NULL, &json, err) < 0)
        return -1;
    return sk_twin_set_desired(c, "d", NULL, json, d->configurations, err);
}

static void by_deployments(void **state)
{
    static const struct {
        struct desired desired;
        const char *row; /* desired, version, configurations, etag */
        const char *told;
    } rows[] = {
        { { "{\"a\":1,\"b\":2}", NULL },
          "{\"a\":1,\"b\":2} 2 {} 2",
          "desired d 2 {\"a\":1,\"b\":2,\"$version\":2}\n" },
        { { "{\"a\":1,\"b\":2}", NULL }, "{\"a\":1,\"b\":2} 2 {} 2", "" },
        { { "{\"a\":1,\"b\":2}", "{\"c\":{}}" }, "{\"a\":1,\"b\":2} 2 {\"c\":{}} 2", "" },
        { { "{\"a\":1}", NULL },
          "{\"a\":1} 3 {\"c\":{}} 3",
          "desired d 3 {\"b\":null,\"$version\":3}\n" },
        { { "{}", "{}" }, "{} 4 {} 4", "desired d 4 {\"a\":null,\"$version\":4}\n" },
    };
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    make_device(f, "d");
    (void)told(f);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct desired d = rows[i].desired;
        DONE(sk_devices_write(f->d, set_desired, &d, &err));
        assert_string_equal(told(f), rows[i].told);
        assert_string_equal(text_of(f, "SELECT desired || ' ' || desired_version || ' ' || "
                                       "configurations || ' ' || etag FROM twin"),
                            rows[i].row);
    }
    struct desired bad = { "{\"a b\":1}", NULL };
    FAILS(sk_devices_write(f->d, set_desired, &bad, &err), SK_INVALID, "ArgumentInvalid: ");
    run_sql(f, "DELETE FROM identity");
    FAILS(sk_devices_write(f->d, set_desired, &bad, &err), SK_NOT_FOUND, "DeviceNotFound: ");
}

/* ---- reports ---- */

struct answer {
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t changed;
    bool is_done;
    int64_t version;
    struct sk_err err;
};

static void answered(void *ctx, int64_t version, const struct sk_err *failed)
{
    struct answer *a = ctx;
    SK_LOCK(&a->mutex);
    a->is_done = true;
    a->version = version;
    a->err.code = failed ? failed->code : SK_OK;
    (void)pthread_cond_signal(&a->changed);
}

static int64_t report(struct sk_devices *d, int64_t identity, const char *patch, enum sk_code *code)
{
    struct sk_err err = SK_ERR_INIT;
    struct answer a = { .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
    if (sk_twin_report(d, identity, sk_view_of(patch), answered, &a, &err) < 0) {
        *code = err.code;
        return 0;
    }
    SK_LOCK(&a.mutex);
    while (!a.is_done)
        (void)pthread_cond_wait(&a.changed, &a.mutex);
    *code = a.err.code;
    return a.version;
}

static void by_clients(void **state)
{
    static const struct {
        const char *patch;
        enum sk_code code;
        int64_t version;
        const char *reported, *told;
    } rows[] = {
        { "{\"a\":{\"b\":1}}", SK_OK, 2, "{\"a\":{\"b\":1}}",
          "reported d 2 {\"a\":{\"b\":1},\"$version\":2}\n" },
        { "{\"a\":{\"b\":1}}", SK_OK, 3, "{\"a\":{\"b\":1}}",
          "reported d 3 {\"a\":{\"b\":1},\"$version\":3}\n" },
        { "{\"a\":null,\"c\":1}", SK_OK, 4, "{\"c\":1}",
          "reported d 4 {\"a\":null,\"c\":1,\"$version\":4}\n" },
        { "{}", SK_OK, 5, "{\"c\":1}", "reported d 5 {\"$version\":5}\n" },
        { "{\"a\":", SK_INVALID, 0, "{\"c\":1}", "" },
        { "", SK_INVALID, 0, "{\"c\":1}", "" },
        { "[1]", SK_INVALID, 0, "{\"c\":1}", "" },
        { "{\"$x\":1}", SK_INVALID, 0, "{\"c\":1}", "" },
    };
    struct fixture *f = *state;
    enum sk_code code;
    struct sk_identity i = make_device(f, "d");
    (void)told(f);
    for (size_t n = 0; n < COUNT(rows); n++) {
        int64_t version = report(f->d, i.id, rows[n].patch, &code);
        if (code != rows[n].code || version != rows[n].version)
            fail_msg("%s: %s, version %lld", rows[n].patch, sk_code_name(code), (long long)version);
        assert_string_equal(told(f), rows[n].told);
        assert_string_equal(text_of(f, "SELECT reported FROM twin"), rows[n].reported);
    }
    assert_int_equal(number(f, "SELECT etag FROM twin"), 1); /* that is of tags and desired */
    assert_int_equal(number(f, "SELECT count(*) FROM audit WHERE action LIKE 'twin%'"), 0);
    assert_int_equal(report(f->d, i.id + 1, "{}", &code), 0);
    assert_int_equal(code, SK_NOT_FOUND);
}

/* ---- threads ---- */

enum {
    THREADS = 4,
    ROUNDS = 60
};

struct hammer {
    struct fixture *f;
    int64_t identity;
    unsigned wrong;
};

/* Reports, changes and reads; versions as a reader sees them never go back. */
static void *hammer(void *arg)
{
    struct hammer *h = arg;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *patch = parse("{\"properties\":{\"desired\":{\"n\":1}}}");
    int64_t last = 0, seen = 0;
    for (int n = 0; n < ROUNDS; n++) {
        enum sk_code code;
        int64_t version = report(h->f->d, h->identity, "{\"n\":1}", &code);
        SK_AUTO(sk_twin_done) struct sk_twin t = { .tags = NULL };
        h->wrong += code != SK_OK || version <= last;
        last = version;
        h->wrong += sk_twin_get(h->f->d, "d", NULL, &t, &err) < 0 || t.reported_version < version ||
                    t.desired_version < seen;
        seen = t.desired_version;
        if (n % 4 == 0)
            h->wrong += sk_twin_change(h->f->d, NULL, "d", NULL, patch, false, NULL, NULL, &err) <
                        0;
        sk_identity_seen(h->f->d, h->identity, n % 2 == 0, n + 1);
    }
    return NULL;
}

static void threads(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    pthread_t ids[THREADS];
    struct hammer h[THREADS];
    struct sk_identity i = make_device(f, "d");
    for (size_t n = 0; n < THREADS; n++) {
        h[n] = (struct hammer){ f, i.id, 0 };
        DONE(sk_thread_start(&ids[n], "hammer", hammer, &h[n], &err));
    }
    for (size_t n = 0; n < THREADS; n++) {
        (void)pthread_join(ids[n], NULL);
        assert_int_equal(h[n].wrong, 0);
    }
    assert_int_equal(number(f, "SELECT reported_version FROM twin"), 1 + THREADS * ROUNDS);
    assert_int_equal(number(f, "SELECT desired_version FROM twin"), 1 + THREADS * ROUNDS / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(by_the_service), ROW(refused),    ROW(sizes),
                                        ROW(by_deployments), ROW(by_clients), ROW(threads) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
