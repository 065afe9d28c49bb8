#!/usr/bin/env bash
# Compiles tests/it/c/azure_module.c with Azure's device SDK for C, for tests/it/test_iot_c.py, which then runs it too.
#
#   git clone --recurse-submodules https://github.com/Azure/azure-iot-sdk-c ~/azure-iot-sdk-c
#   tools/azure-c-sdk.sh ~/azure-iot-sdk-c
#
# No distribution has the SDK, so `make deps` does not fetch it. Only what a module over MQTT needs is compiled (half a
# minute); it takes the compiler, OpenSSL's and libuuid's headers. Tested with 1.15.0.
set -euo pipefail
[ $# = 1 ] && [ -d "$1/iothub_client/src" ] || { echo "usage: tools/azure-c-sdk.sh FOLDER-OF-THE-SDK" >&2; exit 2; }
sdk=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
out=build/azure-c
mkdir -p "$out/include/azure_macro_utils"
echo '#include "macro_utils/macro_utils.h"' >"$out/include/azure_macro_utils/macro_utils.h"

util=$sdk/c-utility
flags=(-O1 -w -std=gnu11 -DUSE_OPENSSL -DUSE_MQTT -DDONT_USE_UPLOADTOBLOB -I"$out/include")
for folder in "$util/inc" "$util/pal/inc" "$util/pal/linux" "$util/pal/generic" "$sdk/umqtt/inc" "$sdk/iothub_client/inc" \
    "$sdk/iothub_client/inc/internal" "$sdk/deps/parson" "$sdk/deps/azure-macro-utils-c/inc" "$sdk/deps/umock-c/inc" \
    "$sdk/deps/c-logging/v2/inc" "$sdk/deps/c-logging/inc"; do
    flags+=(-I"$folder")
done

sources=("$sdk"/umqtt/src/*.c "$sdk/deps/parson/parson.c")
for name in azure_base64 buffer connection_string_parser consolelogger constbuffer constmap crt_abstractions dns_resolver_sync \
    doublylinkedlist gb_rand gb_stdio gb_time hmac hmacsha256 map memory_data optionhandler sastoken sha1 sha224 sha384-512 \
    singlylinkedlist string_token string_tokenizer strings urlencode usha utf8_checker vector xio xlogging; do
    sources+=("$util/src/$name.c")
done
for name in agenttime condition_pthreads linux_time lock_pthreads socketio_berkeley threadapi_pthreads tlsio_openssl uniqueid_linux \
    x509_openssl; do
    sources+=("$util/adapters/$name.c")
done
sources+=("$util/adapters/platform_linux.c" "$util/adapters/tickcounter_linux.c" "$util/pal/tlsio_options.c")
for name in iothub iothub_client_authorization iothub_client_core iothub_client_core_ll iothub_client_diagnostic \
    iothub_client_properties iothub_client_retry_control iothub_message iothub_module_client iothub_module_client_ll \
    iothub_transport_ll_private iothubtransport iothubtransport_mqtt_common iothubtransportmqtt message_queue version; do
    sources+=("$sdk/iothub_client/src/$name.c")
done
[ ! -d "$sdk/deps/c-logging/v2/src" ] || flags+=(-DHAS_C_LOGGING)
[ ! -d "$sdk/deps/c-logging/v2/src" ] || for name in get_thread_stack log_context \
    log_context_property_basic_types log_context_property_bool_type log_context_property_to_string \
    log_context_property_type_ascii_char_ptr log_context_property_type_struct log_context_property_type_wchar_t_ptr log_errno_linux \
    log_internal_error log_sink_console logger logger_sinks_config; do
    sources+=("$sdk/deps/c-logging/v2/src/$name.c")
done
rm -f "$out"/*.o
have=()
for source in "${sources[@]}"; do
    [ ! -e "$source" ] || have+=("$source")
done
printf '%s\n' "${have[@]}" | while read -r source; do
    "${CC:-cc}" "${flags[@]}" -c "$source" -o "$out/$(basename "$source" .c).o"
done
"${CC:-cc}" "${flags[@]}" tests/it/c/azure_module.c "$out"/*.o -lssl -lcrypto -luuid -lpthread -lm -o "$out/azure_module"
echo "$out/azure_module"
