/* iot_test.h - what the tests of this module share. */
#ifndef SK_TESTS_IOT_TEST_H
#define SK_TESTS_IOT_TEST_H

#include "iot/iot_priv.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static inline void expect_view(const char *row, struct sk_view v, const char *expected)
{
    if (!sk_view_eq(v, expected))
        fail_msg("%s: '%.*s' instead of '%s'", row, (int)v.len, v.len ? v.ptr : "", expected);
}

static inline void expect_text(const char *row, const char *got, const char *expected)
{
    if (!got || strcmp(got, expected) != 0)
        fail_msg("%s: '%s' instead of '%s'", row, got ? got : "(none)", expected);
}

static inline void expect_refused(const char *row, int rc, const struct sk_err *err,
                                  enum sk_code code, const char *says)
{
    if (rc == 0 || err->code != code || !strstr(err->text, says))
        fail_msg("%s: rc %d, %s: '%s' instead of '%s'", row, rc, sk_code_name(err->code), err->text,
                 says);
}

static inline struct sk_json *parse_json(const char *text)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_json *doc = NULL;
    if (sk_json_parse(text, strlen(text), NULL, &doc, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return doc;
}

/* c, n times; free() it. */
static inline char *many(char c, size_t n)
{
    char *text = malloc(n + 1);
    assert_non_null(text);
    memset(text, c, n);
    text[n] = '\0';
    return text;
}

#endif
