/* test_log.c - lines as text and JSON; no argument can add a field or a line. */
#include "base/log.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "test_util.h"

#include <inttypes.h>
#include <pthread.h>

/* The log goes into a pipe; got() returns what was written since, without the time of day. */
static int ends[2];

static int set_up(void **state)
{
    (void)state;
    return pipe(ends);
}

static int tear_down(void **state)
{
    (void)state;
    sk_log_setup(SK_INFO, SK_LOG_TEXT, STDERR_FILENO);
    sk_log_request(NULL);
    return close(ends[0]) | close(ends[1]);
}

static const char *got(void)
{
    static char text[20000];
    const char *mark = "\x01";

    assert_int_equal(write(ends[1], mark, 1), 1); /* so that a read of nothing does not block */
    ssize_t n = read(ends[0], text, sizeof text - 1);
    assert_true(n > 0);
    text[n - 1] = '\0';
    return text;
}

static const char *text_line(void)
{
    const char *line = got();
    return strlen(line) > 25 ? line + 25 : line; /* behind the date */
}

static const char *json_line(void)
{
    const char *line = got();
    return strlen(line) > 35 ? line + 35 : line; /* behind {"time":"...", */
}

static void test_text(void **state)
{
    (void)state;
    sk_log_setup(SK_INFO, SK_LOG_TEXT, ends[1]);
    sk_log(SK_INFO, "model_loaded", "name=%s ms=%u", "digits", 12u);
    assert_string_equal(text_line(), "info  model_loaded name=digits ms=12\n");
    sk_log(SK_WARN, "odd", "error=\"%s\" path=%s", "a \"b\" c", "x y");
    assert_string_equal(text_line(), "warn  odd error=\"a \\\"b\\\" c\" path=\"x y\"\n");
    sk_log(SK_ERROR, "empty", "a=%s b=\"%s\"", "", "");
    assert_string_equal(text_line(), "error empty a=\"\" b=\"\"\n");
    sk_log(SK_INFO, "bare", "%s", "some words");
    assert_string_equal(text_line(), "info  bare text=\"some words\"\n");
    sk_log(SK_INFO, "nothing", "%s", "");
    assert_string_equal(text_line(), "info  nothing\n");
    sk_log_request("r-1");
    sk_log(SK_INFO, "done", "code=%d", 200);
    assert_string_equal(text_line(), "info  done req=\"r-1\" code=200\n");
    sk_log(SK_INFO, "done", "req=%s code=%d", "r-1", 200);
    assert_string_equal(text_line(), "info  done req=r-1 code=200\n");
}

static void test_conversions(void **state)
{
    (void)state;
    sk_log_setup(SK_INFO, SK_LOG_TEXT, ends[1]);
    sk_log(SK_INFO, "c", "a=%d b=%u c=%lu d=%lld e=%zu f=%" PRIu64 " g=%x h=%c i=%%", -1, 2u, 3ul,
           -4ll, (size_t)5, (uint64_t)6, 255u, 'h');
    assert_string_equal(text_line(), "info  c a=-1 b=2 c=3 d=-4 e=5 f=6 g=ff h=h i=%\n");
    sk_log(SK_INFO, "c", "a=%.2f b=%.*s c=%*d d=%-4s e=%5.1f f=%hhu g=%jd h=%g", 1.005, 2, "xyz", 3,
           7, "ab", 2.25, (unsigned char)44, (intmax_t)-9, 0.5);
    assert_string_equal(text_line(),
                        "info  c a=1.00 b=xy c=\"  7\" d=\"ab  \" e=\"  2.2\" f=44 g=-9 h=0.5\n");
    const char *volatile none = NULL; /* the compiler must not see it */
    sk_log(SK_INFO, "c", "a=%s-%d/%s b=%s", "x", 1, "y", none);
    assert_string_equal(text_line(), "info  c a=x-1/y b=(none)\n");
}

static void test_json(void **state)
{
    (void)state;
    sk_log_setup(SK_INFO, SK_LOG_JSON, ends[1]);
    sk_log(SK_INFO, "e", "name=%s ms=%u ok=%s x=%.3f", "digits", 12u, "true", 0.5);
    assert_string_equal(json_line(), "\"level\":\"info\",\"event\":\"e\",\"name\":\"digits\","
                                     "\"ms\":12,\"ok\":true,\"x\":0.500}\n");
    sk_log(SK_INFO, "e", "a=%s b=%s c=%s d=%s e=%s f=\"%s\"", "007", "1.2.3", "-1", "1.", "nan",
           "5");
    assert_string_equal(
        json_line(),
        "\"level\":\"info\",\"event\":\"e\",\"a\":\"007\",\"b\":\"1.2.3\",\"c\":-1,\"d\":\"1.\","
        "\"e\":\"nan\",\"f\":\"5\"}\n");
}

static void test_injection(void **state)
{
    static const char *const evil[] = {
        "x\n2026 error fake",   "x\" level=\"error", "x level=error", "\xff\xfe", "a=b",
        "\",\"level\":\"error",
    };
    static const char *const as_text[] = {
        "info  e path=\"x\\n2026 error fake\" n=1\n",
        "info  e path=\"x\\\" level=\\\"error\" n=1\n",
        "info  e path=\"x level=error\" n=1\n",
        "info  e path=\"\xef\xbf\xbd\xef\xbf\xbd\" n=1\n",
        "info  e path=\"a=b\" n=1\n",
        "info  e path=\"\\\",\\\"level\\\":\\\"error\" n=1\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(evil); i++) {
        sk_log_setup(SK_INFO, SK_LOG_TEXT, ends[1]);
        sk_log(SK_INFO, "e", "path=%s n=1", evil[i]);
        assert_string_equal(text_line(), as_text[i]);
        sk_log_setup(SK_INFO, SK_LOG_JSON, ends[1]);
        sk_log(SK_INFO, "e", "path=\"%s\" n=1", evil[i]);
        const char *line = json_line();
        assert_null(strstr(line, "\"level\":\"error\""));
        assert_ptr_equal(strchr(line, '\n') + 1, line + strlen(line));
        assert_non_null(strstr(line, ",\"n\":1}"));
    }
}

static void test_levels(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    enum sk_level level = SK_INFO;

    (void)state;
    sk_log_setup(SK_WARN, SK_LOG_TEXT, ends[1]);
    assert_false(sk_log_enabled(SK_INFO));
    sk_log(SK_INFO, "e", "a=%d", 1);
    assert_string_equal(got(), "");
    assert_int_equal(sk_log_level_parse("debug", &level, &err), 0);
    assert_int_equal(level, SK_DEBUG);
    assert_int_equal(sk_log_level_parse("loud", &level, &err), -1);
    assert_string_equal(err.text, "log level 'loud' is not one of debug, info, warn, error");
}

static void test_long_values(void **state)
{
    SK_OWN(free) char *text = malloc(50001);

    (void)state;
    memset(text, 'x', 50000);
    text[50000] = '\0';
    sk_log_setup(SK_INFO, SK_LOG_TEXT, ends[1]);
    sk_log(SK_INFO, "e", "a=%s b=%d", text, 7);
    const char *line = text_line();
    assert_true(strlen(line) < 4000);
    assert_non_null(strstr(line, " b=7\n"));
}

static void *shout(void *arg)
{
    sk_log_request(arg);
    for (int i = 0; i < 50; i++)
        sk_log(SK_INFO, "e", "text=%s", "0123456789");
    sk_log_request(NULL);
    return NULL;
}

/* Lines of several threads do not mix. */
static void test_threads(void **state)
{
    pthread_t threads[4];
    char names[4][4];
    int lines = 0;

    (void)state;
    sk_log_setup(SK_INFO, SK_LOG_TEXT, ends[1]);
    for (int i = 0; i < 4; i++) {
        (void)snprintf(names[i], sizeof names[i], "t%d", i);
        assert_int_equal(pthread_create(&threads[i], NULL, shout, names[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (const char *p = got(); *p; lines++) {
        const char *end = strchr(p, '\n');
        assert_non_null(end);
        assert_int_equal(end - p, 25 + (int)strlen("info  e req=\"t0\" text=0123456789"));
        p = end + 1;
    }
    assert_int_equal(lines, 200);
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_text),   ROW(test_conversions), ROW(test_json),    ROW(test_injection),
        ROW(test_levels), ROW(test_long_values), ROW(test_threads),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
