/*
 * hub_door_priv.h - one way in for commands that change a hub's accounts: its folder, or the hub
 * itself.
 *
 * With --data-dir, which goes before --hub, the folder is opened, and who may do so is an owner.
 * Otherwise the hub of --hub or of the current context is asked. Answers are the API's JSON in both
 * cases.
 */
#ifndef SK_CLI_HUB_DOOR_PRIV_H
#define SK_CLI_HUB_DOOR_PRIV_H

#include "accounts/accounts.h"
#include "cli/hub_dir_priv.h"
#include "cli/remote_priv.h"

/* Either remote, or store, accounts and who. */
struct sk_hub_door {
    struct sk_remote *remote;
    struct sk_store *store;
    struct sk_accounts *accounts;
    struct sk_who who;
};

int sk_hub_door_open(struct sk_hub_door *d, const char *data_dir, const char *hub,
                     struct sk_err *err) SK_CHECK;
void sk_hub_door_close(struct sk_hub_door *d);
/* The buffer's text as a document; its failure is err. */
int sk_hub_door_parse(const struct sk_buf *text, struct sk_json **out, struct sk_err *err) SK_CHECK;

#endif
