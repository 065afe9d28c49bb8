/*
 * ort_device.c - CPU or CUDA, decided once when the engine is opened, with a sentence that says
 * why.
 *
 * CUDA is used when the library was built with it, the NVIDIA driver sees a GPU, and a session of a
 * one-node model really starts on it: that loads the provider's library and all that it needs
 * (cuDNN, cuBLAS). The library itself would fall back to the CPU in silence; here each missing part
 * has its own reason.
 */
#include "base/buf.h"
#include "base/dl.h"
#include "engine/ort_priv.h"

#define CUDA_PROVIDER "CUDAExecutionProvider"

/* y = x + x: IR 8, opset 13, x and y FP32 [1]. */
static const unsigned char probe_model[] = {
    0x08, 0x08, 0x3a, 0x35, 0x0a, 0x0e, 0x0a, 0x01, 0x78, 0x0a, 0x01, 0x78, 0x12, 0x01, 0x79, 0x22,
    0x03, 0x41, 0x64, 0x64, 0x12, 0x01, 0x70, 0x5a, 0x0f, 0x0a, 0x01, 0x78, 0x12, 0x0a, 0x0a, 0x08,
    0x08, 0x01, 0x12, 0x04, 0x0a, 0x02, 0x08, 0x01, 0x62, 0x0f, 0x0a, 0x01, 0x79, 0x12, 0x0a, 0x0a,
    0x08, 0x08, 0x01, 0x12, 0x04, 0x0a, 0x02, 0x08, 0x01, 0x42, 0x04, 0x0a, 0x00, 0x10, 0x0d,
};

static int check_provider(const struct sk_ort_engine *e, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf names = SK_BUF_INIT(1024);
    char **list = NULL;
    int count = 0;
    bool has_cuda = false;

    if (sk_ort_check(e, e->api.GetAvailableProviders(&list, &count), SK_BUG, err) < 0)
        return -1;
    for (int i = 0; i < count; i++) {
        has_cuda = has_cuda || strcmp(list[i], CUDA_PROVIDER) == 0;
        sk_buf_fmt(&names, "%s%s", i > 0 ? ", " : "", list[i]);
    }
    if (sk_ort_check(e, e->api.ReleaseAvailableProviders(list, count), SK_BUG, err) < 0)
        return -1;
    if (!has_cuda)
        return sk_fail(err, SK_UNSUPPORTED,
                       "%s was built without CUDA (it has %s); onnxruntime-gpu has it", e->name,
                       names.data ? names.data : "no provider");
    return 0;
}

/* The driver's own interface: cuInit(0), cuDeviceGetCount(&n); 0 is success. */
static int check_gpu(struct sk_err *err)
{
    struct sk_err why = SK_ERR_INIT;
    void *driver = sk_dl_open("libcuda.so.1", &why); /* stays loaded, as CUDA wants it */
    int (*init)(unsigned flags);
    int (*get_count)(int *count);
    int count = 0, rc;

    if (!driver)
        return sk_fail(err, SK_UNSUPPORTED, "no NVIDIA driver is installed (libcuda.so.1)");
    if (!sk_dl_find(driver, "cuInit", &init) || !sk_dl_find(driver, "cuDeviceGetCount", &get_count))
        return sk_fail(err, SK_UNSUPPORTED, "libcuda.so.1 is not NVIDIA's driver");
    rc = init(0);
    if (rc == 0)
        rc = get_count(&count);
    if (rc != 0)
        return sk_fail(err, SK_UNSUPPORTED, "the NVIDIA driver does not start (CUDA error %d)", rc);
    if (count == 0)
        return sk_fail(err, SK_UNSUPPORTED, "the NVIDIA driver sees no GPU");
    return 0;
}

int sk_ort_device_use_cuda(const struct sk_ort_engine *e, struct OrtSessionOptions *options,
                           struct sk_err *err)
{
    struct OrtCUDAProviderOptionsV2 *cuda = NULL;
    int rc;

    if (sk_ort_check(e, e->api.CreateCUDAProviderOptions(&cuda), SK_UNSUPPORTED, err) < 0)
        return -1;
    rc = sk_ort_check(e, e->api.SessionOptionsAppendExecutionProvider_CUDA_V2(options, cuda),
                      SK_UNSUPPORTED, err);
    e->api.ReleaseCUDAProviderOptions(cuda);
    return rc;
}

static int check_session(const struct sk_ort_engine *e, struct sk_err *err)
{
    struct OrtSessionOptions *options = NULL;
    struct OrtSession *session = NULL;
    int rc;

    if (sk_ort_check(e, e->api.CreateSessionOptions(&options), SK_BUG, err) < 0)
        return -1;
    rc = sk_ort_device_use_cuda(e, options, err);
    if (rc == 0)
        rc = sk_ort_check(e,
                          e->api.CreateSessionFromArray(e->env, probe_model, sizeof(probe_model),
                                                        options, &session),
                          SK_UNSUPPORTED, err);
    if (rc == 0)
        e->api.ReleaseSession(session);
    e->api.ReleaseSessionOptions(options);
    return rc < 0 ? sk_wrap(err, "CUDA does not start") : 0;
}

void sk_ort_device_pick(struct sk_ort_engine *e, enum sk_device asked)
{
    struct sk_err why = SK_ERR_INIT;

    e->base.device = "cpu";
    if (asked == SK_DEVICE_CPU)
        return;
    if (check_provider(e, &why) == 0 && check_gpu(&why) == 0 && check_session(e, &why) == 0) {
        e->base.device = "cuda";
        return;
    }
    e->base.is_degraded = asked == SK_DEVICE_CUDA;
    (void)snprintf(e->base.reason, sizeof(e->base.reason), "%s", why.text);
}
