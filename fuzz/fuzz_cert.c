/* fuzz_cert.c - a client's certificate: whatever it is, its names are text and the verdict is yes,
 * no, or that it is none. */
#include "crypto/crypto.h"

#include <string.h>

/* The CAs of the corpus: a root, and one below it. */
static const char cas[] = "-----BEGIN CERTIFICATE-----\n"
                          "MIIBYzCCAQqgAwIBAgIUeJRmHhIVT+ucHGK+fdHCafFGeYcwCgYIKoZIzj0EAwIw\n"
                          "DzENMAsGA1UEAwwEcm9vdDAgFw0yNjExMjkwNTU3MzNaGA8yMTI2MTEwNTA1NTcz\n"
                          "M1owDzENMAsGA1UEAwwEcm9vdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMVA\n"
                          "PloWkx8qQn+kS8VZRCGa5sn9VSIHcJE788UTkIakRp2DMGg79SyAJflj6vt1ta2P\n"
                          "PenH0jAPbt7HhfQZPRijQjBAMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQD\n"
                          "AgEGMB0GA1UdDgQWBBRBJeRBrkDlf0sZ1PKG0JQ7LdGRsTAKBggqhkjOPQQDAgNH\n"
                          "ADBEAiBzG4XFYnwaj8XIB7hOdAKHwVNkki1yezgItGrTCCMd0AIgO61hEl+VxEa2\n"
                          "DMEqF+Bp9Voikx81+ZilC4vzV4HpPVQ=\n"
                          "-----END CERTIFICATE-----\n"
                          "-----BEGIN CERTIFICATE-----\n"
                          "MIIBcTCCARegAwIBAgIBBzAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARyb290MCAX\n"
                          "DTI2MTEyOTA1NTczM1oYDzIxMjYxMTA1MDU1NzMzWjAOMQwwCgYDVQQDDANtaWQw\n"
                          "WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQSRQS0s5y30rruRJWNcD03RJ4Pmukc\n"
                          "am1El8lKLryk3804zBYP+LLJcEtweGOdsk/t7IKSi6RufIxgxZ6CDsqIo2MwYTAP\n"
                          "BgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwIBBjAdBgNVHQ4EFgQUzOBZ0hZN\n"
                          "cecPBHCwuqrB2tNuLS0wHwYDVR0jBBgwFoAUQSXkQa5A5X9LGdTyhtCUOy3RkbEw\n"
                          "CgYIKoZIzj0EAwIDSAAwRQIhAPAvFu0B6ai6kAEVZN+2PBqQMDsQqCt0urlCxwCr\n"
                          "gD65AiBGG/OKlXJ80aP5IuTvZkg56u+XZsTX+NUttTaKyynOJw==\n"
                          "-----END CERTIFICATE-----\n";

enum {
    NOW_S = 2000000000
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_cert_info info;
    int reads = sk_cert_info_der(data, size, &info, &err);
    if (reads == 0 && (!sk_utf8_valid(info.common_name, strlen(info.common_name)) ||
                       strlen(info.sha1) != 40 || strlen(info.sha256) != 64))
        abort();
    int vouches = sk_cert_verify(data, size, cas, sizeof cas - 1, NOW_S, &err);
    if (vouches < 0 && err.code != SK_DENIED && err.code != SK_INVALID)
        abort();
    return 0;
}
