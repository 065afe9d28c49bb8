/* fixture.h - the routes of http_tool.c in miniature, for the tests of this folder. */
#ifndef SK_TESTS_HTTP_FIXTURE_H
#define SK_TESTS_HTTP_FIXTURE_H

#include "http/http.h"

/*
 *     GET  /open    no key          POST /echo  the body back     POST /later  its length, from
 * another thread GET  /quiet   204             POST /form  "name=bytes;"...  GET  /items/ rest, ?q=
 *     GET  /static  static bytes    GET  /fail  SK_BUSY           GET  /big    16 MiB
 *
 * /later answers after ?ms=, or with ?held=1 when fixture_release() was called.
 */
struct fixture {
    struct sk_http_server *server;
    uint16_t port;
};

/* Starts with these options (routes, listen_fd and finished are filled in unless set); fails the
 * test when it cannot. */
void fixture_start(struct fixture *f, struct sk_http_options options);
/* Drains and stops; the server must have ended all connections by itself then. */
void fixture_stop(struct fixture *f);
/* Calls of finished() since the start, and the status of the last. */
unsigned fixture_finished(void);
int fixture_last_status(void);
/* Waits until finished() was called n times. */
void fixture_wait_finished(unsigned n);
/* Waits until n requests are held by their handler; lets all go, also those that come later. */
void fixture_wait_held(unsigned n);
void fixture_release(void);
void fixture_wait_connections(struct fixture *f, unsigned n);
/* How many connections are in a stage (enum sk_stage); waits until n are. With it and
 * sk_table_sweep() at a time in the future a test sees long deadlines pass without waiting. */
unsigned fixture_in_stage(struct fixture *f, int stage);
void fixture_wait_stage(struct fixture *f, int stage, unsigned n);

#endif
