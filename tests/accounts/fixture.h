/* fixture.h - an empty hub's folder with its accounts, for one test. */
#ifndef SK_TESTS_ACCOUNTS_FIXTURE_H
#define SK_TESTS_ACCOUNTS_FIXTURE_H

#include "accounts/accounts_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct fixture {
    char dir[64];
    struct sk_store *store;
    struct sk_accounts *accounts;
    struct sk_who owner; /* token_id is "": it works on the folder */
};

/* cmocka setup and teardown; *state is the fixture. */
int fixture_make(void **state);
int fixture_remove(void **state);
/* Opens the accounts anew, as another process would: nothing is remembered. */
void fixture_reopen(struct fixture *f);

/* Makes a token that must succeed; id may be NULL. */
void make_token(struct fixture *f, const char *user, enum sk_role role, uint64_t life_ms,
                char secret[SK_TOKEN_TEXT], char id[20]);
/* The newest audit row as "action object who". */
void last_audit(struct fixture *f, char *out, size_t cap);
/* One number from the database. */
int64_t number(struct fixture *f, const char *sql);

#endif
