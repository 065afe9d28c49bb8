/* prep_test.h - what the tests of this folder share: plans from texts, and cmocka with what it
 * needs. */
#ifndef SK_TESTS_PREP_TEST_H
#define SK_TESTS_PREP_TEST_H

#include "prep/prep_priv.h"
#include "json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* A model that takes pictures of any size. */
static const struct sk_prep_input any_size = { SK_DT_F32, false, 0, 0 };

static inline struct sk_json *parse_config(const char *text)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_json *doc = NULL;

    if (sk_json_parse(text, strlen(text), NULL, &doc, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return doc;
}

/* NULL with err when the configuration is refused. */
static inline struct sk_prep *plan_of(const char *text, const struct sk_prep_input *input,
                                      struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *config = parse_config(text);
    struct sk_prep *p = NULL;

    return sk_prep_new(config, input, NULL, &p, err) < 0 ? NULL : p;
}

struct refusal {
    const char *name, *config;
    enum sk_code code;
    const char *part; /* of the message */
};

static inline void check_refusals(const struct refusal *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_prep_free) struct sk_prep *p = plan_of(rows[i].config, &any_size, &err);

        if (p || err.code != rows[i].code || !strstr(err.text, rows[i].part))
            fail_msg("%s: plan %d, code %d, '%s'", rows[i].name, p != NULL, err.code, err.text);
    }
}

/* Runs a value through one step. */
static inline float value_after(const struct sk_step *step, const char *config, unsigned channel,
                                float v)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_prep_free) struct sk_prep *p = plan_of(config, &any_size, &err);

    if (!p)
        fail_msg("%s: %s", config, err.text);
    return step->value(p, channel, v);
}

#endif
