/* hub_door.c - opens a hub's folder, or asks the hub. */
#include "cli/hub_door_priv.h"

#include "base/cleanup.h"

#include <string.h>

int sk_hub_door_open(struct sk_hub_door *d, const char *data_dir, const char *hub,
                     struct sk_err *err)
{
    *d = (struct sk_hub_door){ 0 };
    if (!data_dir)
        return sk_cli_remote(hub, &d->remote, err);
    sk_who_local(&d->who);
    if (sk_store_open(data_dir, &d->store, err) < 0)
        return -1;
    return sk_accounts_new(d->store, &d->accounts, err);
}

void sk_hub_door_close(struct sk_hub_door *d)
{
    sk_remote_free(d->remote);
    sk_accounts_free(d->accounts);
    sk_store_close(d->store);
    *d = (struct sk_hub_door){ 0 };
}

int sk_hub_door_parse(const struct sk_buf *text, struct sk_json **out, struct sk_err *err)
{
    if (!sk_buf_ok(text))
        return sk_buf_fail(text, err);
    return sk_json_parse(text->data, text->len, NULL, out, err);
}
