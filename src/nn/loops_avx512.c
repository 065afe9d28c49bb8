/*
 * loops_avx512.c - the loops for AVX-512 (F, BW, VL, DQ).
 */
#define LOOPS_TABLE sk_loops_avx512
#define LOOPS_NAME  "avx512"
#define LOOPS_WIDTH 16
#include "nn/loops_body.h"
