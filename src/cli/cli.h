/*
 * cli.h - the program `skerry`: finds the command that the words name, reads its options, runs it.
 *
 * Exit status: 0; 1 after a failure, with one line on standard error; 2 when a word was wrong,
 * naming it.
 */
#ifndef SK_CLI_CLI_H
#define SK_CLI_CLI_H

#include "base/opt.h"

/* Every command, ended by NULL; commands.c is the list. */
extern const struct sk_cmd *const sk_commands[];

/* The whole program; returns the exit status. */
int sk_cli_main(int argc, char **argv);

#endif
