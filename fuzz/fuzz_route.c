/* fuzz_route.c - routes: whatever is read can be asked about messages, and reads again as the same.
 */
#include "manifest/manifest.h"

#include <string.h>

static const char body[] = "{\"a\":1,\"b\":[1,{\"c\":\"x\"}],\"t\":\"text\",\"n\":null,\"y\":true}";
/* UTF-16 of {"a":1} */
static const char wide[] = "{\0\"\0a\0\"\0:\0001\0}";

static const char *property(void *ctx, const char *name)
{
    (void)ctx;
    return strcmp(name, "p") == 0 ? "12" : strcmp(name, "$q") == 0 ? "wins" : NULL;
}

static const char *utf8_system(void *ctx, const char *name)
{
    (void)ctx;
    return strcmp(name, "contentType") == 0 ? "application/json" : NULL;
}

static const char *utf16_system(void *ctx, const char *name)
{
    return strcmp(name, "contentEncoding") == 0 ? "utf-16" : utf8_system(ctx, name);
}

/* A message with the input itself as body, too. */
static unsigned ask(const struct sk_route *r, const char *text)
{
    const struct sk_route_message messages[] = {
        { "/messages/modules/m/outputs/o", SK_VIEW(body), property, utf8_system, NULL },
        { "/messages/modules/m", { wide, sizeof(wide) - 1 }, property, utf16_system, NULL },
        { "/messages", sk_view_of(text), property, utf8_system, NULL },
        { "/twinChangeNotifications", SK_VIEW(""), property, utf16_system, NULL },
    };
    unsigned answers = 0;

    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
        answers |= (unsigned)sk_route_matches(r, &messages[i]) << i;
    return answers;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SK_OWN(sk_route_free) struct sk_route *r = NULL;
    SK_OWN(sk_route_free) struct sk_route *again = NULL;
    SK_OWN(free) char *text = strndup((const char *)data, size);
    struct sk_err err = SK_ERR_INIT;

    if (!text)
        return 0;
    if (sk_route_parse(text, &r, &err) < 0) {
        if (err.text[0] == 0 || !sk_utf8_valid(err.text, strlen(err.text)))
            abort();
        return 0;
    }
    if (strcmp(sk_route_source(r), text) != 0 || sk_route_is_upstream(r) == !!sk_route_input(r) ||
        !sk_route_module(r) || sk_route_parse(text, &again, &err) < 0 ||
        ask(r, text) != ask(again, text))
        abort();
    return 0;
}
