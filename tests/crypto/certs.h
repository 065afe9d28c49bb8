/* certs.h - throw-away keys and certificates for the TLS tests, and a client's context. */
#ifndef SK_TESTS_CRYPTO_CERTS_H
#define SK_TESTS_CRYPTO_CERTS_H

#include <openssl/ssl.h>

struct certs {
    char folder[64];
    char cert[128], key[128]; /* belong together */
    char other_key[128];      /* to another certificate */
    char locked_key[128];     /* with a passphrase */
    char garbage[128];        /* not PEM */
};

/* Writes the files into a new temporary folder; all fail the cmocka test on errors. */
void certs_make(struct certs *c);
void certs_remove(struct certs *c);
/* A context that takes any certificate. */
SSL_CTX *certs_client(void);

#endif
