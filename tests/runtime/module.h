/*
 * module.h - a test as its own module: started by the native runtime with the word "serve", it does
 * what MODULE_DOES says instead of its tests.
 *
 *     exit:N        ends with N
 *     sleep         waits; SIGTERM ends it, and SIGSEGV, also with a sanitizer
 *     stubborn      waits; SIGTERM does not
 *     children      forks: one stays, one has a session of its own; both outlive it when it ends
 *                   (these three make HOME/ready when they are so far)
 *     eat           takes memory until something happens
 *     spin:N        computes for N ms, then writes into HOME/cpu how many ms of a core it got
 *     fork          forks until it fails, and ends with the number of children
 *     lines:N       writes N lines, each with a date and its number, to standard error
 *     probe         writes into HOME/report what it may do, a line each
 */
#ifndef SK_TESTS_RUNTIME_MODULE_H
#define SK_TESTS_RUNTIME_MODULE_H

/* Returns when this process is no module. */
void module_main(int argc, char **argv);

#endif
