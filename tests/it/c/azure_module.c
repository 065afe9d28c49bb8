/*
 * azure_module.c - a module on Azure's device SDK for C; tools/azure-c-sdk.sh compiles it.
 *
 *     azure_module CONNECTION-STRING CA-FILE
 *
 * Commands come on stdin, what the SDK says goes to stdout, a line each: see test_iot_c.py.
 */
#include "azure_c_shared_utility/shared_util_options.h"
#include "iothub.h"
#include "iothub_client_options.h"
#include "iothub_message.h"
#include "iothub_module_client.h"
#include "iothubtransportmqtt.h"
#ifdef HAS_C_LOGGING
#include "c_logging/logger.h"
#endif

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_state(IOTHUB_CLIENT_CONNECTION_STATUS status,
                     IOTHUB_CLIENT_CONNECTION_STATUS_REASON reason, void *ctx)
{
    (void)reason;
    (void)ctx;
    puts(status == IOTHUB_CLIENT_CONNECTION_AUTHENTICATED ? "connected" : "disconnected");
}

static void on_sent(IOTHUB_CLIENT_CONFIRMATION_RESULT result, void *ctx)
{
    (void)ctx;
    printf("sent %s\n", result == IOTHUB_CLIENT_CONFIRMATION_OK ? "ok" : "failed");
}

static void on_twin(DEVICE_TWIN_UPDATE_STATE state, const unsigned char *body, size_t len,
                    void *ctx)
{
    (void)ctx;
    printf("%s %.*s\n", state == DEVICE_TWIN_UPDATE_COMPLETE ? "twin" : "desired", (int)len, body);
}

static void on_reported(int status, void *ctx)
{
    (void)ctx;
    printf("reported %d\n", status);
}

static int on_method(const char *name, const unsigned char *body, size_t len,
                     unsigned char **answer, size_t *answer_len, void *ctx)
{
    (void)ctx;
    printf("method %s %.*s\n", name, (int)len, body);
    *answer = (unsigned char *)strdup("{\"ok\":true}");
    *answer_len = *answer ? strlen((const char *)*answer) : 0;
    return 200;
}

static IOTHUBMESSAGE_DISPOSITION_RESULT on_input(IOTHUB_MESSAGE_HANDLE message, void *ctx)
{
    const unsigned char *body = NULL;
    const char *k = IoTHubMessage_GetProperty(message, "k");
    size_t len = 0;

    (void)ctx;
    if (IoTHubMessage_GetByteArray(message, &body, &len) == IOTHUB_MESSAGE_OK)
        printf("input %s %.*s %s\n", IoTHubMessage_GetInputName(message), (int)len, body,
               k ? k : "");
    return IOTHUBMESSAGE_ACCEPTED;
}

static void send(IOTHUB_MODULE_CLIENT_HANDLE client, const char *body)
{
    IOTHUB_MESSAGE_HANDLE message = IoTHubMessage_CreateFromString(body);

    (void)IoTHubMessage_SetContentTypeSystemProperty(message, "application/json");
    (void)IoTHubMessage_SetContentEncodingSystemProperty(message, "utf-8");
    (void)IoTHubMessage_SetMessageId(message, "id 1");
    (void)IoTHubMessage_SetProperty(message, "odd", "a/b=c");
    (void)IoTHubModuleClient_SendEventToOutputAsync(client, message, "out", on_sent, NULL);
    IoTHubMessage_Destroy(message);
}

static void obey(IOTHUB_MODULE_CLIENT_HANDLE client, const char *line)
{
    if (strncmp(line, "send ", 5) == 0)
        send(client, line + 5);
    else if (strncmp(line, "report ", 7) == 0)
        (void)IoTHubModuleClient_SendReportedState(client, (const unsigned char *)line + 7,
                                                   strlen(line + 7), on_reported, NULL);
}

/* All of a small text file, or NULL. */
static char *read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *text = calloc(1, 1 << 16);

    if (f && text && fread(text, 1, (1 << 16) - 1, f) > 0) {
        (void)fclose(f);
        return text;
    }
    if (f)
        (void)fclose(f);
    free(text);
    return NULL;
}

int main(int argc, char **argv)
{
    const bool is_encoding = true;
    char line[8192];
    char *ca = argc == 3 ? read_file(argv[2]) : NULL;

    (void)setvbuf(stdout, NULL, _IOLBF, 0);
#ifdef HAS_C_LOGGING
    (void)logger_init(); /* the SDK's lines would go to stdout */
    logger_set_config((LOGGER_CONFIG){ .log_sink_count = 0 });
#endif
    if (!ca || IoTHub_Init() != 0)
        return 2;
    IOTHUB_MODULE_CLIENT_HANDLE client = IoTHubModuleClient_CreateFromConnectionString(
        argv[1], MQTT_Protocol);
    if (!client)
        return 2;
    (void)IoTHubModuleClient_SetOption(client, OPTION_TRUSTED_CERT, ca);
    (void)IoTHubModuleClient_SetOption(client, OPTION_AUTO_URL_ENCODE_DECODE, &is_encoding);
    (void)IoTHubModuleClient_SetConnectionStatusCallback(client, on_state, NULL);
    (void)IoTHubModuleClient_SetModuleTwinCallback(client, on_twin, NULL);
    (void)IoTHubModuleClient_SetModuleMethodCallback(client, on_method, NULL);
    (void)IoTHubModuleClient_SetInputMessageCallback(client, "in", on_input, NULL);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        obey(client, line);
    }
    IoTHubModuleClient_Destroy(client);
    IoTHub_Deinit();
    free(ca);
    return 0;
}
