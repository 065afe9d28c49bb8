/* id.c - what a device or a module may be called. */
#include "iot/iot_priv.h"

#include <string.h>

bool sk_iot_id_valid(struct sk_view id)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-.+%_#*?!(),:=@$'";
    if (id.len == 0 || id.len > SK_IOT_ID_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++)
        if (!memchr(allowed, id.ptr[i], sizeof allowed - 1))
            return false;
    return true;
}
