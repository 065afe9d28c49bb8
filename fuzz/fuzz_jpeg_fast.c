/*
 * fuzz_jpeg_fast.c - the baseline JPEG decoder beside libjpeg: whatever it accepts, libjpeg decodes
 * to the same bytes without a warning. The kernels take turns by the input's length; its parity
 * chooses one thread or two.
 */
#include "../tests/image/jpeg_util.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sk_jpeg_fast *f; /* reused, as a worker does */
    const struct sk_jf_kernels *kernels[3];
    size_t count = jpeg_kernels(kernels);
    enum sk_fast result;
    if (!f && !(f = sk_jpeg_fast_new()))
        abort();
    sk_jpeg_fast_use(f, kernels[size % count]);
    const char *complaint = jpeg_disagree(f, data, size, size & 1, &result);
    if (complaint) {
        (void)fprintf(stderr, "%s: %s\n", kernels[size % count]->name, complaint);
        abort();
    }
    return 0;
}
