/*
 * iot_answer.c - errors as IoT Hub gives them: a name, and the status that goes with it.
 *
 * Who knows IoT Hub's name of an error puts it in front of the text: "DeviceNotFound: there is no
 * device 'x'". Names that are not in the table are ordinary words; then the code decides. Who may
 * not do a thing is answered 401 and not 403: the service SDKs take 403 for an exhausted quota.
 */
#include "hub/iot_priv.h"

#include <string.h>

struct name {
    const char *name;
    int status;
};

static const struct name names[] = {
    { "InvalidProtocolVersion", 400 },
    { "InvalidOperation", 400 },
    { "ArgumentInvalid", 400 },
    { "ArgumentNull", 400 },
    { "IotHubFormatError", 400 },
    { "DeviceDefinedMultipleTimes", 400 },
    { "BulkRegistryOperationFailure", 400 },
    { "InvalidContentEncodingOrType", 400 },
    { "InvalidConfigurationContent", 400 },
    { "InvalidConfigurationTargetCondition", 400 },
    { "InvalidConfigurationCustomMetricsQuery", 400 },
    { "CannotModifyImmutableConfigurationContent", 400 },
    { "IotHubUnauthorizedAccess", 401 },
    { "IotHubUnauthorized", 401 },
    { "SystemModuleModifyUnauthorizedAccess", 401 },
    { "IotHubQuotaExceeded", 403 },
    { "DeviceMaximumQueueDepthExceeded", 403 },
    { "DeviceMaximumActiveFileUploadLimitExceeded", 403 },
    { "OperationNotAvailableInCurrentTier", 403 },
    { "DeviceModelMaxPropertiesExceeded", 403 },
    { "DeviceNotFound", 404 },
    { "ModuleNotFound", 404 },
    { "DeviceNotOnline", 404 },
    { "DeviceConnectionClosedRemotely", 404 },
    { "ConfigurationNotFound", 404 },
    { "DeviceAlreadyExists", 409 },
    { "LinkCreationConflict", 409 },
    { "ModuleAlreadyExistsOnDevice", 409 },
    { "ConfigurationAlreadyExists", 409 },
    { "ApplyConfigurationAlreadyInProgressOnDevice", 409 },
    { "PreconditionFailed", 412 },
    { "DeviceMessageLockLost", 412 },
    { "MessageTooLarge", 413 },
    { "TooManyDevices", 413 },
    { "TooManyModulesOnDevice", 413 },
    { "ConfigurationCountLimitExceeded", 413 },
    { "ThrottlingException", 429 },
    { "ThrottleBacklogLimitExceeded", 429 },
    { "ServerError", 500 },
    { "ServiceUnavailable", 503 },
    { "GatewayTimeout", 504 },
};

static const struct {
    enum sk_code code;
    struct name name;
} by_code[] = {
    { SK_INVALID, { "ArgumentInvalid", 400 } },
    { SK_USAGE, { "ArgumentInvalid", 400 } },
    { SK_LIMIT, { "ArgumentInvalid", 400 } },
    { SK_NOT_FOUND, { "NotFound", 404 } },
    { SK_METHOD, { "InvalidOperation", 405 } },
    { SK_EXISTS, { "AlreadyExists", 409 } },
    { SK_MISMATCH, { "PreconditionFailed", 412 } },
    { SK_DENIED, { "IotHubUnauthorizedAccess", 401 } },
    { SK_UNAUTHENTICATED, { "IotHubUnauthorized", 401 } },
    { SK_TOO_LARGE, { "MessageTooLarge", 413 } },
    { SK_UNSUPPORTED_MEDIA, { "InvalidContentEncodingOrType", 415 } },
    { SK_UNSUPPORTED, { "NotImplemented", 501 } },
    { SK_BUSY, { "ServiceUnavailable", 503 } },
    { SK_CANCELLED, { "ServiceUnavailable", 503 } },
    { SK_TIMEOUT, { "GatewayTimeout", 504 } },
    { SK_FULL, { "ServerError", 507 } },
};

static const struct name *name_of_code(enum sk_code code)
{
    static const struct name other = { "ServerError", 500 };
    for (size_t i = 0; i < sizeof by_code / sizeof by_code[0]; i++)
        if (by_code[i].code == code)
            return &by_code[i].name;
    return &other;
}

/* The row of the name in front of the text, and what follows it; NULL: there is none. */
static const struct name *name_of_text(const char **text)
{
    const size_t len = strcspn(*text, ": ");
    if (strncmp(*text + len, ": ", 2) != 0)
        return NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i].name) == len && memcmp(names[i].name, *text, len) == 0) {
            *text += len + 2;
            return &names[i];
        }
    }
    return NULL;
}

void sk_hub_fail_iot(struct sk_hub_call *call, const struct sk_err *err)
{
    const char *text = err->text;
    const struct name *name = name_of_text(&text);
    if (!name)
        name = name_of_code(err->code);
    sk_hub_fail_as(call, name->status, name->name, text);
}
