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
/* What is remembered of a token, however long ago it was read; NULL: nothing. */
struct sk_token_entry *remembered(struct fixture *f, const char *id);
/* The newest audit row as "action object who". */
void last_audit(struct fixture *f, char *out, size_t cap);
/* One number from the database. */
int64_t number(struct fixture *f, const char *sql);
/* Changes the database as another module would. */
void change(struct fixture *f, const char *sql);

#define KEY_1 "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define KEY_2 "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWc="

/* An identity with KEY_1 and KEY_2; module "": a device. auth "sas", ...; thumbprints may be "". */
void add_identity(struct fixture *f, const char *device, const char *module, const char *auth,
                  const char *primary_thumbprint, const char *secondary_thumbprint);
/* A token; sr as it goes on the wire; tail follows the fields, such as "&skn=device". */
void make_sas(const char *sr, const char *key, int64_t expires_s, const char *tail, char *out,
              size_t cap);

struct cert {
    struct sk_buf pem, der;
    struct sk_key *key;
    struct sk_cert_info info;
};

/* issuer NULL: signed by itself. */
void make_cert(const char *common_name, int64_t from, int64_t to, bool is_ca,
               const struct cert *issuer, struct cert *out);
void drop_cert(struct cert *c);

#endif
