/* banned.h - functions that fail to compile, each with its replacement. Included before every file.
 */
#ifndef SK_BASE_BANNED_H
#define SK_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Macros in some modes; their macro forms go too. */
#undef sprintf
#undef vsprintf
#undef alloca

#pragma GCC poison strcpy strcat strncpy stpcpy /* sk_buf, snprintf, memcpy */
#pragma GCC poison sprintf vsprintf             /* snprintf, sk_buf_fmt */
#pragma GCC poison gets                         /* sk_file_read */
#pragma GCC poison atoi atol atof               /* sk_parse_u64, sk_parse_f64 */
#pragma GCC poison strtok                       /* struct sk_view */
#pragma GCC poison gmtime localtime             /* sk_time_text */
#pragma GCC poison alloca                       /* an arena */

#endif
