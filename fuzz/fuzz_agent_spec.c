/*
 * fuzz_agent_spec.c - desired properties of $edgeAgent, and a module's object alone.
 *
 * A spec that is read has an image and a hash, and its text reads as the same spec; ports and
 * logins of it can be looked at.
 */
#include "agent/agent_priv.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_spec(const struct sk_agent_spec *s)
{
    SK_OWN(sk_agent_spec_unref) struct sk_agent_spec *again = NULL;
    struct sk_agent_port ports[4];
    struct sk_err err = SK_ERR_INIT;
    size_t count = 0;
    char value[64];
    if (!*s->image || strlen(s->hash) != 64)
        abort();
    if (sk_agent_spec_parse(s->text, strlen(s->text), &again, &err) < 0)
        abort();
    if (strcmp(again->hash, s->hash) != 0 || strcmp(again->tag, s->tag) != 0 ||
        strcmp(again->create_options, s->create_options) != 0 || again->policy != s->policy ||
        again->auths.count != s->auths.count)
        abort();
    (void)sk_agent_spec_auth(s);
    (void)sk_agent_spec_env(s, "a", value, sizeof value);
    if (sk_agent_ports(s->name, s->create_options, "0.0.0.0", ports, 4, &count, &err) < 0)
        return;
    for (size_t i = 0; i < count; i++)
        if (ports[i].port == 0 || !*ports[i].host || !strchr(ports[i].container, '/'))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    SK_OWN(sk_agent_spec_unref) struct sk_agent_spec *s = NULL;
    struct sk_agent_plan plan;
    struct sk_err err = SK_ERR_INIT;
    if (sk_json_parse((const char *)data, size, NULL, &doc, &err) < 0)
        return 0;
    if (sk_agent_spec_new("cats", doc, sk_json_get(doc, "auth"), &s, &err) == 0)
        check_spec(s);
    if (sk_agent_plan_parse(doc, &plan, &err) < 0)
        return 0;
    for (size_t i = 0; i < plan.count; i++)
        check_spec(plan.specs[i]);
    sk_agent_plan_done(&plan);
    return 0;
}
