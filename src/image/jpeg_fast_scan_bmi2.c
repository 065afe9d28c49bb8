/*
 * jpeg_fast_scan_bmi2.c - Huffman codes to coefficients, compiled for AVX2 and BMI2. The loop is in
 * jpeg_fast_scan_body.h.
 */
#include "image/jpeg_fast_scan_body.h"

bool sk_jf_scan_bmi2(struct sk_jf_scan *scan, struct sk_jf_block *block)
{
    return scan_body(scan, block);
}
