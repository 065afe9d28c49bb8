/* env.c - the environment that the edge gives a module, as the SDKs read it. */
#include "reporter/reporter_priv.h"

#include "iot/iot.h"

static const char scheme[] = "unix://";

bool sk_reporter_is_module(void)
{
    return getenv("IOTEDGE_WORKLOADURI") && getenv("IOTEDGE_MODULEID") &&
           getenv("IOTEDGE_DEVICEID");
}

int sk_rep_env_read(struct sk_rep_env *e, struct sk_err *err)
{
    const struct {
        const char *name;
        char **out;
    } variables[] = {
        { "IOTEDGE_IOTHUBHOSTNAME", &e->hub },
        { "IOTEDGE_DEVICEID", &e->device },
        { "IOTEDGE_MODULEID", &e->module },
        { "IOTEDGE_GATEWAYHOSTNAME", &e->gateway },
        { "IOTEDGE_MODULEGENERATIONID", &e->generation },
        { "IOTEDGE_WORKLOADURI", &e->workload },
        { "IOTEDGE_APIVERSION", &e->api_version },
    };

    *e = (struct sk_rep_env){ .port = 8883, .ttl_s = SK_REP_TTL_S };
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *value = getenv(variables[i].name);
        if (!value || !value[0])
            return sk_fail(err, SK_INVALID,
                           "%s is not set: a module gets it from its edge, see IOTEDGE_WORKLOADURI "
                           "and its like",
                           variables[i].name);
        *variables[i].out = strdup(value);
        if (!*variables[i].out)
            return sk_nomem(err);
    }
    if (!sk_iot_id_valid(sk_view_of(e->device)) || !sk_iot_id_valid(sk_view_of(e->module)))
        return sk_fail(err, SK_INVALID, "IOTEDGE_DEVICEID or IOTEDGE_MODULEID is no id");
    if (!sk_starts_with(e->workload, scheme))
        return sk_fail(err, SK_INVALID, "IOTEDGE_WORKLOADURI: '%s' does not begin with %s",
                       e->workload, scheme);
    return 0;
}

void sk_rep_env_done(struct sk_rep_env *e)
{
    free(e->hub);
    free(e->device);
    free(e->module);
    free(e->gateway);
    free(e->generation);
    free(e->workload);
    free(e->api_version);
    *e = (struct sk_rep_env){ .port = 0 };
}
