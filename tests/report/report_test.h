/* report_test.h - figures from a few pictures, and a look at what a function writes. */
#ifndef SK_TESTS_REPORT_REPORT_TEST_H
#define SK_TESTS_REPORT_REPORT_TEST_H

#include "report/report_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum {
    PAGE_BYTES = 16 << 20
};

/* `classes` classes named "c0", "c1", ...; picture i is of class truth[i] and called said[i] with
 * probability 0.75. */
static inline struct sk_figures *figures_of(size_t classes, const uint32_t *truth,
                                            const uint32_t *said, size_t count)
{
    SK_OWN(free) float *p = calloc(count * classes, sizeof *p);
    SK_OWN(free) char **labels = calloc(classes, sizeof *labels);
    struct sk_figures *f = NULL;
    struct sk_err err = SK_ERR_INIT;

    assert_non_null(p);
    assert_non_null(labels);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < classes; k++)
            p[i * classes + k] = k == said[i] ? 0.75f : 0.25f / (float)(classes - 1);
    for (size_t k = 0; k < classes; k++) {
        labels[k] = calloc(1, 32);
        assert_non_null(labels[k]);
        (void)snprintf(labels[k], 32, "c%zu", k);
    }
    if (sk_figures_new((const char *const *)labels, classes, truth, p, count, NULL, &f, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t k = 0; k < classes; k++)
        free(labels[k]);
    return f;
}

/* Fails unless text holds (or, behind '!', does not hold) each of the words up to NULL. */
static inline void check_words(const char *name, const struct sk_buf *text,
                               const char *const *words)
{
    assert_true(sk_buf_ok(text));
    for (; *words; words++) {
        bool must = **words != '!';
        const char *word = *words + !must;
        if ((text->data && strstr(text->data, word)) != must)
            fail_msg("%s: %s '%s' in\n%s", name, must ? "no" : "there is", word,
                     text->data ? text->data : "");
    }
}

#endif
