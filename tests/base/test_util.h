/* test_util.h - the includes of every test of base. */
#ifndef SK_TESTS_BASE_TEST_UTIL_H
#define SK_TESTS_BASE_TEST_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#endif
