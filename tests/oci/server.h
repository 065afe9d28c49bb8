/* server.h - a registry client of a loopback server, and a home without logins. */
#ifndef SK_OCI_SERVER_H
#define SK_OCI_SERVER_H

#include "fetch/loopback.h"
#include "oci/oci_priv.h"

#define HEAD(status) "HTTP/1.1 " status "\r\nConnection: close\r\n"
#define OK           HEAD("200 OK") "Content-Length: 0\r\n\r\n"
#define NO           HEAD("404 Not Found") "Content-Length: 0\r\n\r\n"

struct oci_server {
    struct sk_loopback *s;
    struct sk_oci_registry *r;
    char host[64], url[96];
};

/* A cmocka setup and teardown: *state is a fresh folder, HOME and DOCKER_CONFIG; no proxies. */
int oci_surround(void **state);
int oci_unsurround(void **state);

/* The n-th connection gets the n-th reply. opts may be NULL; host and plain_http are set here. */
void oci_server_start(struct oci_server *o, const char *const *replies,
                      const struct sk_oci_options *opts);
/* The requests can be read then. */
void oci_server_stop(struct oci_server *o);
void oci_server_done(struct oci_server *o);

/* "FOLDER/NAME" of a file with this text; a static buffer of the last four. */
const char *oci_file(const char *folder, const char *name, const char *text);
/* sha256: of a text; a static buffer of the last four. */
const char *oci_digest(const char *text);
/* sha512: likewise. */
const char *oci_digest_512(const char *text);

#endif
