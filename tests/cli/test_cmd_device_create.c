/* test_cmd_device_create.c - `skerry device create` with a hub. */
#include "hub_test.h"

#include "cli_test.h"

#define PRINT "A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0"

static void rows(void **state)
{
    static const struct hub_row table[] = {
        { "skerry device create d-1", 0, "HostName=127.0.0.1;DeviceId=d-1;SharedAccessKey=",
          "device d-1 is created; its connection string:" },
        { "skerry device create d-1", 1, "", "there is a device 'd-1'" },
        { "skerry device create d-1 -m filter", 0,
          "HostName=127.0.0.1;DeviceId=d-1;ModuleId=filter;SharedAccessKey=",
          "module d-1/filter is created" },
        { "skerry device create none -m filter", 1, "", "none" },
        { "skerry device create edge --edge-enabled -t site=north -t line=2", 0, "DeviceId=edge;",
          "" },
        { "skerry device create leaf --parent edge", 0, "DeviceId=leaf;", "" },
        { "skerry device show leaf", 0, "ms-azure-iot-edge://edge-", "" },
        { "skerry device create lower --edge-enabled --parent edge", 0, "DeviceId=lower;", "" },
        { "skerry device show lower", 0, "ms-azure-iot-edge://edge-", "" },
        { "skerry device create leaf-2 --parent d-1", 1, "", "'d-1' is no edge device" },
        { "skerry device create leaf-2 --parent none", 1, "", "--parent: " },
        { "skerry device create d-1 -m a --parent edge", 2, "", "of devices" },
        { "skerry twin show edge", 0, "tags.line                           2\n", "" },
        { "skerry device show edge", 0, "capabilities.iotEdge                true\n", "" },
        { "skerry device create x-1 --auth x509-ca --disabled", 0,
          "HostName=127.0.0.1;DeviceId=x-1;x509=true\n", "" },
        { "skerry device show x-1", 0, "disabled", "" },
        { "skerry device create x-2 --auth x509-thumbprint --thumbprint " PRINT, 0,
          "DeviceId=x-2;x509=true\n", "" },
        { "skerry device create j --json", 0,
          "{\"deviceId\":\"j\",\"moduleId\":\"\",\"auth\":\"sas\",\"connectionString\":\"HostName=",
          "" },
        { "skerry device create x-3 --auth x509-thumbprint", 2, "", "--thumbprint is missing" },
        { "skerry device create x-3 --thumbprint " PRINT, 2, "", "--auth x509-thumbprint" },
        { "skerry device create d-1 -m a --disabled", 2, "", "of devices" },
        { "skerry device create d-2 --tag site", 2, "", "'site' is not KEY=VALUE" },
        { "skerry device show d-2", 1, "", "there is no device 'd-2'" },
        { "skerry device create a/b", 1, "", "a/b" },
        { "skerry device create", 2, "", "DEVICE" },
    };

    (void)state;
    hub_test_run(table, COUNT(table));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rows) };
    return cmocka_run_group_tests_name("cmd_device_create", tests, NULL, NULL);
}
