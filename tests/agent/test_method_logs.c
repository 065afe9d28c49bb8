/* test_method_logs.c - GetModuleLogs: what passes its filters, in which form. */
#include "agent/agent_util.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static int call(struct rig *r, const char *payload, struct sk_buf *out)
{
    SK_OWN(sk_json_free) struct sk_json *p = json_of(payload);
    sk_buf_clear(out);
    int status = sk_agent_method(&r->a, "GetModuleLogs", p, out);
    sk_buf_chr(out, '\0');
    return status;
}

/* The program packs with gzip itself; the real one does in tests/it. */
static void install_gzip(struct rig *r)
{
    write_text(at(r->dir, "program"),
               "#!/bin/sh\n[ \"$1\" = edge-gzip ] || exit 9\nexec gzip -nc\n");
    assert_int_equal(chmod(at(r->dir, "program"), 0700), 0);
    free(r->a.program);
    r->a.program = strdup(at(r->dir, "program"));
}

/* What the first payloadBytes of an answer is, unpacked. */
static void unpack(struct rig *r, const char *answer, struct sk_buf *out)
{
    SK_AUTO(sk_buf_done) struct sk_buf packed = SK_BUF_INIT(1 << 20);
    struct sk_err err = SK_ERR_INIT;
    char command[600], piece[1000];
    const char *begin = strstr(answer, "\"payloadBytes\":\"");
    assert_non_null(begin);
    begin += strlen("\"payloadBytes\":\"");
    DONE(sk_base64_decode(begin, strcspn(begin, "\""), &packed, &err));
    DONE(sk_file_write(at(r->dir, "packed"), packed.data, packed.len, 0600, &err));
    (void)snprintf(command, sizeof command, "gzip -dc < '%s'", at(r->dir, "packed"));
    FILE *f = popen(command, "r"); /* NOLINT(cert-env33-c) */
    assert_non_null(f);
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;)
        sk_buf_add(out, piece, n);
    assert_int_equal(pclose(f), 0);
    sk_buf_chr(out, '\0');
}

static void test_gzip(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(1 << 20);
    (void)rig_module(r, "cats", spec_of("cats", "{\"settings\":{\"image\":\"i\"}}"));
    install_gzip(r);
    DONE(sk_mkdirs(at(r->dir, "logs"), 0700, &err));
    write_text(at(r->dir, "logs/cats.log"), "one\ntwo\n<4> three\n");
    assert_int_equal(call(r,
                          "{\"items\":[{\"id\":\"cats\",\"filter\":{\"tail\":2}}],"
                          "\"encoding\":\"gzip\"}",
                          &out),
                     200);
    unpack(r, out.data, &text);
    assert_string_equal(text.data, "two\n<4> three\n");
    assert_int_equal(call(r,
                          "{\"items\":[{\"id\":\"cats\",\"filter\":{\"loglevel\":4}}],"
                          "\"encoding\":\"gzip\",\"contentType\":\"json\"}",
                          &out),
                     200);
    unpack(r, out.data, &json);
    assert_non_null(strstr(json.data, "\"loglevel\":4,\"text\":\"three\"}]"));
    text.len = 0;
    assert_int_equal(call(r,
                          "{\"items\":[{\"id\":\"cats\",\"filter\":{\"loglevel\":0}}],"
                          "\"encoding\":\"gzip\"}",
                          &out),
                     200);
    unpack(r, out.data, &text);
    assert_string_equal(text.data, "");
    write_text(at(r->dir, "program"), "#!/bin/sh\nexit 3\n");
    assert_int_equal(call(r, "{\"items\":[{\"id\":\"cats\"}],\"encoding\":\"gzip\"}", &out), 500);
    free(SK_TAKE(r->a.program));
}

/* Of too much the end is kept, from the first whole line on. */
static void test_begins_with_a_line(void **state)
{
    static char many[100 << 10];

    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    (void)rig_module(r, "cats", spec_of("cats", "{\"settings\":{\"image\":\"i\"}}"));
    DONE(sk_mkdirs(at(r->dir, "logs"), 0700, &err));
    size_t len = 0;
    while (len + 110 < sizeof many)
        len += (size_t)snprintf(many + len, sizeof many - len, "<3> %095zu\n", len);
    write_text(at(r->dir, "logs/cats.log"), many);
    assert_int_equal(call(r, "{\"items\":[{\"id\":\"cats\"}]}", &out), 200);
    assert_non_null(strstr(out.data, "\"payload\":\"<3> 0"));
    assert_int_equal(call(r, "{\"items\":[{\"id\":\"cats\",\"filter\":{\"loglevel\":6}}]}", &out),
                     200);
    assert_non_null(strstr(out.data, "\"payload\":\"\""));
}

static void test_logs(void **state)
{
    struct rig *r = *state;

    static const char
        log[] = "<3> 2026-01-01 00:00:00.000 +00:00 [ERR] it broke\n"
                "plain\n"
                "2026-01-01T00:00:01.000Z warn  queue_long n=3\n"
                "{\"time\":\"2026-01-01T00:00:02.000Z\",\"level\":\"debug\",\"event\":\"e\"}\n"
                "warn nothing\n";

    static const struct {
        const char *filter, *more, *payload;
    } rows[] = {
        { "\"loglevel\":3", "",
          "\"payload\":\"<3> 2026-01-01 00:00:00.000 +00:00 [ERR] it broke\\n\"" },
        { "\"loglevel\":4", "",
          "\"payload\":\"2026-01-01T00:00:01.000Z warn  queue_long n=3\\n\"" },
        { "\"loglevel\":6", "", "\"payload\":\"plain\\nwarn nothing\\n\"" },
        { "\"loglevel\":7,\"regex\":\"event\"", "", "2.000Z" },
        { "\"loglevel\":0", "", "\"payload\":\"\"" },
        { "\"regex\":\"^plain$\"", "", "\"payload\":\"plain\\n\"" },
        { "\"regex\":\"n=\\\\d+$\"", "",
          "\"payload\":\"2026-01-01T00:00:01.000Z warn  queue_long n=3\\n\"" },
        { "\"regex\":\"\\\\[[\\\\dA-Z]+\\\\] it\"", "",
          "\"payload\":\"<3> 2026-01-01 00:00:00.000 +00:00 [ERR] it broke\\n\"" },
        { "\"regex\":\"^\\\\D+\\\\s?\\\\w+g$\"", "", "\"payload\":\"warn nothing\\n\"" },
        { "\"regex\":\"^[[:alpha:]\\\\d]+ nothing\"", "", "\"payload\":\"warn nothing\\n\"" },
        { "\"regex\":\"^[^]\\\\s{]+$\"", "", "\"payload\":\"plain\\n\"" },
        { "\"regex\":\"^[\\\\\\\\\\\\w]+$\"", "", "\"payload\":\"plain\\n\"" },
        { "\"tail\":1", "", "\"payload\":\"warn nothing\\n\"" },
        { "\"loglevel\":4", ",\"contentType\":\"json\"",
          "\"payload\":\"[{\\\"iothub\\\":\\\"hub.test\\\",\\\"device\\\":\\\"press-4\\\","
          "\\\"id\\\":"
          "\\\"cats\\\",\\\"stream\\\":\\\"stdout\\\",\\\"loglevel\\\":4,\\\"text\\\":"
          "\\\"queue_long n=3\\\",\\\"timestamp\\\":\\\"2026-01-01T00:00:01.000Z\\\"}]\"" },
        { "\"regex\":\"none\"", ",\"contentType\":\"json\"", "\"payload\":\"[]\"" },
    };

    (void)rig_module(r, "cats", spec_of("cats", "{\"settings\":{\"image\":\"i\"}}"));
    struct sk_err err = SK_ERR_INIT;
    DONE(sk_mkdirs(at(r->dir, "logs"), 0700, &err));
    write_text(at(r->dir, "logs/cats.log"), log);
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
        char payload[400];
        (void)snprintf(payload, sizeof payload, "{\"items\":[{\"id\":\"c.*\",\"filter\":{%s}}]%s}",
                       rows[i].filter, rows[i].more);
        int status = call(r, payload, &out);
        if (status != 200 || !strstr(out.data, rows[i].payload))
            fail_msg("%s: %d %s", payload, status, out.data);
    }
    static char many[90 << 10]; /* as JSON each line takes a hundred bytes more */
    for (size_t i = 0; i + 1 < sizeof many; i++)
        many[i] = i % 20 == 19 ? '\n' : 'x';
    write_text(at(r->dir, "logs/cats.log"), many);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    assert_int_equal(call(r, "{\"items\":[{\"id\":\"cats\"}],\"contentType\":\"json\"}", &out),
                     413);
    assert_non_null(strstr(out.data, "narrow it with tail"));
    assert_int_equal(call(r, "{\"items\":[{\"id\":\"cats\"}]}", &out), 200);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)
    const struct CMUnitTest tests[] = { ROW(test_logs), ROW(test_gzip),
                                        ROW(test_begins_with_a_line) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
