/* routes.c - every address that the server answers; those of the control socket come first. */
#include "serve/api_priv.h"

enum {
    CONTROL_ROWS = 5
};

static const struct sk_http_route rows[] = {
    { "GET", "/control/state", SK_HTTP_OPEN | SK_HTTP_QUIET, sk_api_control_state, NULL, 0 },
    { "POST", "/control/state", SK_HTTP_OPEN | SK_HTTP_QUIET, sk_api_control_state, NULL, 0 },
    { "POST", "/control/accept", SK_HTTP_OPEN | SK_HTTP_QUIET, sk_api_control_accept, NULL, 0 },
    { "POST", "/control/retire", SK_HTTP_OPEN | SK_HTTP_QUIET, sk_api_control_retire, NULL, 0 },
    { "POST", "/control/test", SK_HTTP_OPEN | SK_HTTP_QUIET, sk_api_control_test, NULL, 0 },
    { "GET", "/", SK_HTTP_OPEN | SK_HTTP_QUIET, sk_api_page, NULL, 0 },
    { "POST", "/predict", SK_HTTP_MULTIPART, sk_api_predict, NULL, 0 },
    { "GET", "/healthz", SK_HTTP_OPEN | SK_HTTP_QUIET, sk_api_healthz, NULL, 0 },
    { "GET", "/readyz", SK_HTTP_OPEN | SK_HTTP_QUIET, sk_api_readyz, NULL, 0 },
    { "GET", "/metrics", SK_HTTP_QUIET, sk_api_metrics, NULL, 0 },
    { "GET", "/v2", 0, sk_api_v2_server, NULL, 0 },
    { "GET", "/v2/health/live", SK_HTTP_OPEN | SK_HTTP_QUIET, sk_api_v2_live, NULL, 0 },
    { "GET", "/v2/health/ready", SK_HTTP_OPEN | SK_HTTP_QUIET, sk_api_v2_ready, NULL, 0 },
    { "GET", "/v2/models/stats", SK_HTTP_QUIET, sk_api_v2_stats, NULL, 0 },
    { "GET", "/v2/models/", SK_HTTP_PREFIX, sk_api_v2_model_get, NULL, 0 },
    { "POST", "/v2/models/", SK_HTTP_PREFIX, sk_api_v2_model_post, NULL, 0 },
    { "POST", "/v2/repository/index", 0, sk_api_repository_index, NULL, 0 },
    { "POST", "/v2/repository/models/", SK_HTTP_PREFIX, sk_api_repository_model, NULL, 0 },
    { 0 },
};

const struct sk_http_route *sk_serve_routes(bool is_control)
{
    return is_control ? rows : rows + CONTROL_ROWS;
}
