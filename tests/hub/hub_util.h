/* hub_util.h - a hub in a temporary folder, served over plain HTTP within the test. */
#ifndef SK_TESTS_HUB_HUB_UTIL_H
#define SK_TESTS_HUB_HUB_UTIL_H

#include "http/client.h"
#include "hub/iot_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* base64 of 32 bytes */
#define HUB_KEY "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum {
    HUB_PATIENCE_MS = 20000 /* nothing takes so long */
};

struct hub_fixture {
    char folder[64]; /* the hub's is below */
    char dir[80];
    struct sk_hub_made made;
    struct sk_hub *hub;
    uint16_t port;
};

/* cmocka setups and teardown; *state is the fixture. The first only makes an empty folder. */
int hub_folder(void **state);
int hub_running(void **state);
int hub_gone(void **state);
void hub_start(struct hub_fixture *f, unsigned workers);
void hub_stop(struct hub_fixture *f);

/* One request; token NULL: none; body NULL: none. */
void hub_ask(struct hub_fixture *f, const char *method, const char *path, const char *token,
             const char *body, struct answer *out);
/* The same with these header lines, each ended by CRLF, and a body of any bytes. */
void hub_ask_with(struct hub_fixture *f, const char *method, const char *path, const char *headers,
                  const char *body, size_t len, struct answer *out);
/* As hub_ask, by the owner; fails the test unless the answer is as hub_expect wants it. */
void hub_do(struct hub_fixture *f, const char *method, const char *path, const char *body,
            int status, const char *words);
/* "Authorization: SharedAccessSignature ..\r\n" over "hub.example[/RESOURCE]" with a key; policy ""
 * or NULL: none. */
void hub_sas(const char *resource, const char *key, const char *policy, char out[512]);
/* The same of a policy of the hub, and of a device or module ("d", "d/m") that has the key
 * HUB_KEY. */
void hub_sas_policy(struct hub_fixture *f, const char *policy, char out[512]);
void hub_sas_device(const char *name, char out[512]);
/* A device or module with the key HUB_KEY; more: members of the body, with a comma in front. */
void hub_identity(struct hub_fixture *f, const char *name, const char *more);
/* A new token of a role. */
void hub_token(struct hub_fixture *f, enum sk_role role, char secret[SK_TOKEN_TEXT]);
/* A message of a device, as if it had come over MQTT; it is there when this returns. bag: as on the
 * wire, or NULL. */
void hub_message(struct hub_fixture *f, const char *device, const char *module, const char *bag,
                 struct sk_view body);
/* Waits until so many requests wait for messages. */
void hub_await_readers(struct hub_fixture *f, unsigned count);
/* Whether the answer has this status and these words in its body, else the test fails. */
void hub_expect(const struct answer *a, int status, const char *words);

#endif
