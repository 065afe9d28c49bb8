/*
 * paho_module.c - a module on Eclipse Paho's MQTT library for C, which sends what Azure's device
 * SDK for C sends: five filters in one SUBSCRIBE, decimal request ids, lower-case hex in the token
 * and in properties, a session that is kept.
 *
 *     paho_module CONNECTION-STRING CA-FILE
 *
 * Commands come on stdin, what the hub sends goes to stdout, a line each: see test_iot_c.py. When
 * the connection ends, it makes a new one.
 */
#include <MQTTClient.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

enum {
    TEXT = 512,
    TRIES = 300
};

static char host[TEXT], device[TEXT], module[TEXT], key[TEXT];
static MQTTClient client;
static int request = 1;

/* The value of `name` in a connection string. */
static void field(const char *text, const char *name, char *out)
{
    const char *at = strstr(text, name);

    if (!at)
        exit(2);
    at += strlen(name);
    (void)snprintf(out, TEXT, "%.*s", (int)strcspn(at, ";"), at);
}

static void escape(const char *text, char *out)
{
    for (; *text; text++)
        out += sprintf(out, strchr("+/=", *text) ? "%%%02x" : "%c", (unsigned char)*text);
}

/* SharedAccessSignature sr=HOST%2fdevices%2fD%2fmodules%2fM&sig=...&se=... */
static void sign(char *out, size_t size)
{
    unsigned char secret[TEXT], digest[EVP_MAX_MD_SIZE];
    char resource[4 * TEXT], text[5 * TEXT], base64[TEXT], escaped[3 * TEXT];
    unsigned len = 0;
    long until = (long)time(NULL) + 3600;
    int secret_len = EVP_DecodeBlock(secret, (const unsigned char *)key, (int)strlen(key));

    for (size_t i = strlen(key); i > 0 && key[i - 1] == '='; i--)
        secret_len--;
    (void)snprintf(resource, sizeof resource, "%s%%2fdevices%%2f%s%%2fmodules%%2f%s", host, device,
                   module);
    (void)snprintf(text, sizeof text, "%s\n%ld", resource, until);
    HMAC(EVP_sha256(), secret, secret_len, (const unsigned char *)text, strlen(text), digest, &len);
    EVP_EncodeBlock((unsigned char *)base64, digest, (int)len);
    escape(base64, escaped);
    (void)snprintf(out, size, "SharedAccessSignature sr=%s&sig=%s&se=%ld", resource, escaped,
                   until);
}

static int publish(const char *topic, const char *body, int qos)
{
    MQTTClient_deliveryToken token = 0;
    int rc = MQTTClient_publish(client, topic, (int)strlen(body), body, qos, 0, &token);

    return rc == MQTTCLIENT_SUCCESS && qos ? MQTTClient_waitForCompletion(client, token, 10000)
                                           : rc;
}

static int open_session(void)
{
    static const int qos[5] = { 0, 0, 0, 1, 0 };
    char inputs[3 * TEXT], topic[TEXT];
    char *filters[5] = { "$iothub/twin/res/#", "$iothub/twin/PATCH/properties/desired/#",
                         "$iothub/methods/POST/#", inputs, "$iothub/twin/res/#" };
    int granted[5];

    memcpy(granted, qos, sizeof granted);
    (void)snprintf(inputs, sizeof inputs, "devices/%s/modules/%s/#", device, module);
    if (MQTTClient_subscribeMany(client, 5, filters, granted) != MQTTCLIENT_SUCCESS ||
        memcmp(granted, qos, sizeof qos) != 0)
        return -1;
    (void)snprintf(topic, sizeof topic, "$iothub/twin/GET/?$rid=%d", ++request);
    return publish(topic, "", 0);
}

static int connect_once(const char *ca)
{
    MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer;
    MQTTClient_SSLOptions tls = MQTTClient_SSLOptions_initializer;
    char user[4 * TEXT], token[8 * TEXT];

    (void)snprintf(user, sizeof user,
                   "%s/%s/%s/?api-version=2020-09-30&DeviceClientType=iothubclient%%2f1.15.0%%20("
                   "native%%3b%%20Linux%%3b%%20x86_64)",
                   host, device, module);
    sign(token, sizeof token);
    tls.trustStore = ca;
    tls.verify = 1;
    tls.enableServerCertAuth = 1;
    options.ssl = &tls;
    options.username = user;
    options.password = token;
    options.cleansession = 0;
    options.keepAliveInterval = 240;
    options.MQTTVersion = MQTTVERSION_3_1_1;
    options.connectTimeout = 10;
    return MQTTClient_connect(client, &options);
}

static void connect_again(const char *ca)
{
    for (int i = 0; i < TRIES; i++, usleep(100000))
        if (connect_once(ca) == MQTTCLIENT_SUCCESS && open_session() == MQTTCLIENT_SUCCESS) {
            puts("connected");
            return;
        }
    exit(1);
}

static void answer_method(const char *topic, const char *body, int len)
{
    const char *name = topic + strlen("$iothub/methods/POST/"), *rid = strstr(topic, "?$rid=");
    char answer[TEXT];

    printf("method %.*s %.*s\n", (int)strcspn(name, "/"), name, len, body);
    (void)snprintf(answer, sizeof answer, "$iothub/methods/res/200/%s", rid ? rid : "");
    (void)publish(answer, "{\"ok\":true}", 0);
}

/* devices/D/modules/M/inputs/NAME/PROPERTIES */
static void show_input(const char *topic, const char *body, int len)
{
    const char *name = strstr(topic, "/inputs/") + strlen("/inputs/");
    const char *k = strstr(name, "&k=");

    printf("input %.*s %.*s %.*s\n", (int)strcspn(name, "/"), name, len, body,
           k ? (int)strcspn(k + 3, "&") : 0, k ? k + 3 : "");
}

/* On the main thread: the library has one for what comes only with callbacks. */
static void show(const char *topic, const char *body, int len)
{
    static const char result[] = "$iothub/twin/res/";

    if (strncmp(topic, result, sizeof result - 1) == 0) {
        int status = atoi(topic + sizeof result - 1);
        /* Of the answers only that to a get has a body. */
        if (len > 0 && status == 200)
            printf("twin %.*s\n", len, body);
        else
            printf("reported %d\n", status);
    } else if (strncmp(topic, "$iothub/twin/PATCH/", 19) == 0) {
        printf("desired %.*s\n", len, body);
    } else if (strncmp(topic, "$iothub/methods/", 16) == 0) {
        answer_method(topic, body, len);
    } else if (strstr(topic, "/inputs/")) {
        show_input(topic, body, len);
    } else {
        printf("unexpected %s\n", topic);
    }
}

static int take(void)
{
    MQTTClient_message *message = NULL;
    char *topic = NULL;
    int len = 0;
    int rc = MQTTClient_receive(client, &topic, &len, &message, 50);

    if (message) {
        show(topic, message->payload, message->payloadlen);
        MQTTClient_freeMessage(&message);
        MQTTClient_free(topic);
    }
    return rc == MQTTCLIENT_SUCCESS || rc == MQTTCLIENT_TOPICNAME_TRUNCATED ? 0 : -1;
}

static void obey(const char *line)
{
    char topic[4 * TEXT];

    if (strncmp(line, "send ", 5) == 0) {
        (void)snprintf(topic, sizeof topic,
                       "devices/%s/modules/%s/messages/events/odd=a%%2fb%%3dc&%%24.mid=id%%201&"
                       "%%24.ct=application%%2fjson&%%24.ce=utf-8&%%24.on=out",
                       device, module);
        printf("sent %s\n", publish(topic, line + 5, 1) == MQTTCLIENT_SUCCESS ? "ok" : "failed");
    } else if (strncmp(line, "report ", 7) == 0) {
        (void)snprintf(topic, sizeof topic, "$iothub/twin/PATCH/properties/reported/?$rid=%d",
                       ++request);
        (void)publish(topic, line + 7, 0);
    }
}

/* Whether stdin has a line, or has ended. */
static bool has_command(void)
{
    fd_set set;
    struct timeval none = { 0, 0 };

    FD_ZERO(&set);
    FD_SET(STDIN_FILENO, &set);
    return select(STDIN_FILENO + 1, &set, NULL, NULL, &none) > 0;
}

int main(int argc, char **argv)
{
    char id[2 * TEXT], uri[2 * TEXT], line[8192] = "";

    if (argc != 3)
        return 2;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)setvbuf(stdin, NULL, _IONBF, 0); /* nothing waits where select does not see it */
    field(argv[1], "HostName=", host);
    field(argv[1], "DeviceId=", device);
    field(argv[1], "ModuleId=", module);
    field(argv[1], "SharedAccessKey=", key);
    (void)snprintf(id, sizeof id, "%s/%s", device, module);
    (void)snprintf(uri, sizeof uri, "ssl://%s:8883", host);
    if (MQTTClient_create(&client, uri, id, MQTTCLIENT_PERSISTENCE_NONE, NULL) !=
        MQTTCLIENT_SUCCESS)
        return 2;
    connect_again(argv[2]);
    while (!has_command() || fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        obey(line);
        line[0] = '\0';
        if (take() < 0 || !MQTTClient_isConnected(client)) {
            puts("disconnected");
            connect_again(argv[2]);
        }
    }
    (void)MQTTClient_disconnect(client, 1000);
    MQTTClient_destroy(&client);
    return 0;
}
