/*
 * loops_c.c - the loops for any CPU: vectors of 4, which compilers know everywhere.
 */
#define LOOPS_TABLE sk_loops_c
#define LOOPS_NAME  "c"
#define LOOPS_WIDTH 4
#include "nn/loops_body.h"
