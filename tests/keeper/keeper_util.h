/* keeper_util.h - a keeper in a process of its own, servers behind it, clients in front. */
#ifndef SK_TESTS_KEEPER_UTIL_H
#define SK_TESTS_KEEPER_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "keeper/keeper_priv.h"

#include <sys/resource.h>
#include <sys/types.h>

/* A folder, the keeper's process, the agent's connection to it. */
struct rig {
    char dir[64], socket[96];
    pid_t pid;
    rlim_t descriptors; /* that the keeper may have; 0: as many as the test */
    struct sk_keeper *agent;
};

void rig_begin(struct rig *r);
void rig_begin_few(struct rig *r, rlim_t descriptors);
void rig_start(struct rig *r); /* another keeper, after one was killed */
void rig_kill(struct rig *r);
void rig_end(struct rig *r);
/* A forward on 127.0.0.1 with no target; its port. */
uint16_t rig_forward(struct rig *r, const char *name);
void rig_target(struct rig *r, const char *name, uint16_t port); /* 0: none */
struct sk_keeper_port rig_port(struct rig *r, const char *name);
void rig_wait_connections(struct rig *r, const char *name, uint64_t wanted);

/* A server in a process of its own: for each line it sends "<tag> <line>", and ends when the client
 * does. *port 0: one is chosen. */
pid_t server_start(char tag, uint16_t *port);
void child_end(pid_t pid);
/* A listening socket on 127.0.0.1 of this process. */
int listener(uint16_t *port);
int take_one(int listener); /* waits at most 20 s */
uint16_t free_port(void);   /* nobody listens there */

/* Waits at most 20 s for all. */
int dial(uint16_t port);
void say(int fd, const char *text);
/* Reads until n bytes, the end or an error: what came, NUL-terminated; errno of the last read. */
size_t hear(int fd, char *out, size_t n);
void expect_answer(int fd, const char *line, char tag);
void expect_end(int fd);
void expect_reset(int fd);

#endif
