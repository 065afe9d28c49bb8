/* cli_priv.h - what the commands share. */
#ifndef SK_CLI_CLI_PRIV_H
#define SK_CLI_CLI_PRIV_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/opt.h"
#include "bundle/bundle.h"
#include "engine/engine.h"
#include "pipeline/pipeline.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const struct sk_cmd sk_cli_serve;
extern const struct sk_cmd sk_cli_predict;
extern const struct sk_cmd sk_cli_train;
extern const struct sk_cmd sk_cli_evaluate;
extern const struct sk_cmd sk_cli_bench;
extern const struct sk_cmd sk_cli_inspect;
extern const struct sk_cmd sk_cli_check;
extern const struct sk_cmd sk_cli_sample;
extern const struct sk_cmd sk_cli_model_register;
extern const struct sk_cmd sk_cli_model_list;
extern const struct sk_cmd sk_cli_model_versions;
extern const struct sk_cmd sk_cli_model_show;
extern const struct sk_cmd sk_cli_model_download;
extern const struct sk_cmd sk_cli_model_diff;
extern const struct sk_cmd sk_cli_model_tag;
extern const struct sk_cmd sk_cli_model_alias;
extern const struct sk_cmd sk_cli_model_describe;
extern const struct sk_cmd sk_cli_model_archive;
extern const struct sk_cmd sk_cli_model_restore;
extern const struct sk_cmd sk_cli_model_delete;
extern const struct sk_cmd sk_cli_push;
extern const struct sk_cmd sk_cli_pull;
extern const struct sk_cmd sk_cli_image_list;
extern const struct sk_cmd sk_cli_image_inspect;
extern const struct sk_cmd sk_cli_image_tag;
extern const struct sk_cmd sk_cli_image_delete;
extern const struct sk_cmd sk_cli_image_sign;
extern const struct sk_cmd sk_cli_image_verify;
extern const struct sk_cmd sk_cli_image_keygen;
extern const struct sk_cmd sk_cli_device_create;
extern const struct sk_cmd sk_cli_device_list;
extern const struct sk_cmd sk_cli_device_show;
extern const struct sk_cmd sk_cli_device_modules;
extern const struct sk_cmd sk_cli_device_key;
extern const struct sk_cmd sk_cli_device_sas;
extern const struct sk_cmd sk_cli_device_enable;
extern const struct sk_cmd sk_cli_device_disable;
extern const struct sk_cmd sk_cli_device_delete;
extern const struct sk_cmd sk_cli_device_allow;
extern const struct sk_cmd sk_cli_edge_init;
extern const struct sk_cmd sk_cli_edge_run;
extern const struct sk_cmd sk_cli_edge_list;
extern const struct sk_cmd sk_cli_edge_status;
extern const struct sk_cmd sk_cli_edge_logs;
extern const struct sk_cmd sk_cli_edge_restart;
extern const struct sk_cmd sk_cli_edge_stop;
extern const struct sk_cmd sk_cli_edge_exec;
extern const struct sk_cmd sk_cli_edge_check;
extern const struct sk_cmd sk_cli_edge_support_bundle;
extern const struct sk_cmd sk_cli_edge_call;
extern const struct sk_cmd sk_cli_edge_gzip;
extern const struct sk_cmd sk_cli_edge_hub;
extern const struct sk_cmd sk_cli_edge_keeper;
extern const struct sk_cmd sk_cli_edge_fetch;
extern const struct sk_cmd sk_cli_twin_show;
extern const struct sk_cmd sk_cli_twin_update;
extern const struct sk_cmd sk_cli_query;
extern const struct sk_cmd sk_cli_method_invoke;
extern const struct sk_cmd sk_cli_message_send;
extern const struct sk_cmd sk_cli_monitor;
extern const struct sk_cmd sk_cli_set_modules;
extern const struct sk_cmd sk_cli_deployment_create;
extern const struct sk_cmd sk_cli_deployment_list;
extern const struct sk_cmd sk_cli_deployment_show;
extern const struct sk_cmd sk_cli_deployment_metrics;
extern const struct sk_cmd sk_cli_deployment_status;
extern const struct sk_cmd sk_cli_deployment_update;
extern const struct sk_cmd sk_cli_deployment_delete;
extern const struct sk_cmd sk_cli_hub_policy_list;
extern const struct sk_cmd sk_cli_hub_policy_show;
extern const struct sk_cmd sk_cli_hub_policy_renew;
extern const struct sk_cmd sk_cli_hub_device_ca_add;
extern const struct sk_cmd sk_cli_hub_device_ca_list;
extern const struct sk_cmd sk_cli_hub_device_ca_remove;
extern const struct sk_cmd sk_cli_hub_init;
extern const struct sk_cmd sk_cli_hub_run;
extern const struct sk_cmd sk_cli_hub_backup;
extern const struct sk_cmd sk_cli_hub_restore;
extern const struct sk_cmd sk_cli_hub_verify;
extern const struct sk_cmd sk_cli_hub_gc;
extern const struct sk_cmd sk_cli_hub_token_create;
extern const struct sk_cmd sk_cli_hub_token_list;
extern const struct sk_cmd sk_cli_hub_token_revoke;
extern const struct sk_cmd sk_cli_hub_audit;
extern const struct sk_cmd sk_cli_package;
extern const struct sk_cmd sk_cli_image_base;
extern const struct sk_cmd sk_cli_health;
extern const struct sk_cmd sk_cli_login;
extern const struct sk_cmd sk_cli_logout;
extern const struct sk_cmd sk_cli_context_list;
extern const struct sk_cmd sk_cli_context_use;
extern const struct sk_cmd sk_cli_context_show;
extern const struct sk_cmd sk_cli_context_delete;
extern const struct sk_cmd sk_cli_version;
extern const struct sk_cmd sk_cli_help;
extern const struct sk_cmd sk_cli_man;
extern const struct sk_cmd sk_cli_completion;

enum {
    SK_CLI_OUTPUT_BYTES = 64 << 20
};

/* Writes a buffer to standard output; a buffer that failed is an error. A closed pipe is an error
 * too, unless SIGPIPE ends the program first, as it does in a shell. */
int sk_cli_print(const struct sk_buf *out, struct sk_err *err) SK_CHECK;

/* The bundle's warnings on standard error, a line each. */
void sk_cli_report_warnings(const struct sk_bundle *b);

/* Before a bundle is registered or packed: its warnings, labels that do not fit, files that no
 * model needs, a line each on standard error. */
int sk_cli_report_bundle(const struct sk_bundle *b, struct sk_err *err) SK_CHECK;

/* Is --output a folder with nothing in it that would be mixed with what is written? A missing one
 * is fine; takes_layouts: so is an OCI layout. */
int sk_cli_output_check(const char *dir, bool takes_layouts, struct sk_err *err) SK_CHECK;
/* A path as a shell takes it, quoted where it must be. */
void sk_cli_path(struct sk_buf *out, const char *path);

/*
 * The configuration file of a command: /etc/skerry/<command>.json, or what SKERRY_CONFIG names. An
 * object with option names as keys. A key that is no option of any command is an error that names
 * the nearest one, for a misspelt limit must not go unnoticed.
 */
struct sk_config;
/* *out is NULL when there is no file (one named by SKERRY_CONFIG must exist). */
int sk_config_load(const struct sk_cmd *cmd, const struct sk_cmd *const *all,
                   struct sk_config **out, struct sk_err *err) SK_CHECK;
void sk_config_free(struct sk_config *c);
SK_DEFINE_OWN(struct sk_config, sk_config_free);
/* The value as text, NULL for none; a sk_opt_config_get. */
const char *sk_config_get(void *config, const char *key);

/* Rows of the options that every command with an engine has; type is its argument structure, with a
 * field `struct sk_cli_engine engine`. */
/* clang-format off */
#define SK_CLI_ENGINE_OPTIONS(type)                                                                \
    { "device", 0, SK_OPT_CHOICE, "DEVICE", "where models run; auto takes CUDA when it works",     \
      .def = "auto", .choices = "auto|cpu|cuda", .offset = offsetof(type, engine.device),          \
      .group = "Engine" },                                                                         \
    { "onnxruntime", 0, SK_OPT_TEXT, "FILE", "ONNX Runtime library to load",                       \
      .offset = offsetof(type, engine.onnxruntime), .group = "Engine" },                           \
    { "threads", 't', SK_OPT_U64, "N", "cores to use; 0: all that this process may use",           \
      .def = "0", .max = 1024, .offset = offsetof(type, engine.threads), .group = "Engine" },      \
    { "cache", 0, SK_OPT_FLAG, NULL, "keep optimised models in the cache folder",                  \
      .def = "true", .offset = offsetof(type, engine.cache), .group = "Engine" }

/* clang-format on */

struct sk_cli_engine {
    const char *device;
    const char *onnxruntime;
    uint64_t threads;
    bool cache;
};

enum sk_device sk_cli_device(const char *name);
/* The options as the engine wants them. */
struct sk_engine_options sk_cli_engine_options(const struct sk_cli_engine *e);

/* SK_USAGE when the second operand is a model and the first one is none. */
int sk_cli_model_first(char **operands, struct sk_err *err) SK_CHECK;
/* Engine and classifier of a command, with their warnings on standard error. The caller frees both,
 * *engine also after a failure. */
int sk_cli_open_classifier(const struct sk_cli_engine *opts, const char *path, const char *labels,
                           struct sk_engine **engine, struct sk_classifier **out,
                           struct sk_err *err) SK_CHECK;

#endif
