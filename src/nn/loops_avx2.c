/*
 * loops_avx2.c - the loops for AVX2.
 */
#define LOOPS_TABLE sk_loops_avx2
#define LOOPS_NAME  "avx2"
#define LOOPS_WIDTH 8
#include "nn/loops_body.h"
