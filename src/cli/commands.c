/*
 * commands.c - the list of commands.
 *
 * A new one: src/cli/cmd_<name>.c with its row, one line here, one in cli_priv.h. Help, man page,
 * completion and docs/commands.md follow from the row.
 */
#include "cli/cli.h"

#include "cli/cli_priv.h"

/* clang-format off */
const struct sk_cmd *const sk_commands[] = {
    &sk_cli_train,
    &sk_cli_serve,
    &sk_cli_predict,
    &sk_cli_evaluate,
    &sk_cli_bench,
    &sk_cli_inspect,
    &sk_cli_check,
    &sk_cli_sample,
    &sk_cli_login,
    &sk_cli_logout,
    &sk_cli_context_list,
    &sk_cli_context_use,
    &sk_cli_context_show,
    &sk_cli_context_delete,
    &sk_cli_model_register,
    &sk_cli_model_list,
    &sk_cli_model_versions,
    &sk_cli_model_show,
    &sk_cli_model_download,
    &sk_cli_model_diff,
    &sk_cli_model_tag,
    &sk_cli_model_alias,
    &sk_cli_model_describe,
    &sk_cli_model_archive,
    &sk_cli_model_restore,
    &sk_cli_model_delete,
    &sk_cli_package,
    &sk_cli_push,
    &sk_cli_pull,
    &sk_cli_image_list,
    &sk_cli_image_inspect,
    &sk_cli_image_tag,
    &sk_cli_image_delete,
    &sk_cli_image_base,
    &sk_cli_image_sign,
    &sk_cli_image_verify,
    &sk_cli_image_keygen,
    &sk_cli_hub_init,
    &sk_cli_hub_run,
    &sk_cli_hub_backup,
    &sk_cli_hub_restore,
    &sk_cli_hub_verify,
    &sk_cli_hub_gc,
    &sk_cli_hub_token_create,
    &sk_cli_hub_token_list,
    &sk_cli_hub_token_revoke,
    &sk_cli_hub_audit,
    &sk_cli_hub_device_put,
    &sk_cli_hub_device_allow,
    &sk_cli_health,
    &sk_cli_version,
    &sk_cli_man,
    &sk_cli_completion,
    &sk_cli_help,
    NULL,
};
/* clang-format on */
