/* surroundings.c - setenv and unsetenv. */
#include "hf/surroundings.h"

#include "harness/golden.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
    "HF_ENDPOINT",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HUGGINGFACE_HUB_CACHE",
    "HF_TOKEN",
    "HF_TOKEN_PATH",
    "HF_HUB_OFFLINE",
    "HUGGING_FACE_HUB_TOKEN",
    "TRANSFORMERS_OFFLINE",
    "XDG_CACHE_HOME",
    "CURL_CA_BUNDLE",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN",
    "HF_HUB_ETAG_TIMEOUT",
    "SSL_CERT_FILE",
    "http_proxy",
    "HF_HUB_DOWNLOAD_TIMEOUT",
    "all_proxy",
    "ALL_PROXY",
};

int sk_hf_surround(void **state)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)unsetenv(names[i]);
    *state = sk_test_dir();
    return setenv("HOME", *state, 1);
}

int sk_hf_unsurround(void **state)
{
    sk_test_dir_free(*state);
    *state = NULL;
    return 0;
}

void sk_hf_set(const char *assignment)
{
    char name[64];
    size_t len = strcspn(assignment, "=");

    if (len >= sizeof name || assignment[len] == '\0')
        abort();
    memcpy(name, assignment, len);
    name[len] = '\0';
    (void)(assignment[len + 1] ? setenv(name, assignment + len + 1, 1) : unsetenv(name));
}
