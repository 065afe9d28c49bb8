/* priority_priv.h - a process that was started at low priority returns to the normal one. */
#ifndef SK_SERVE_PRIORITY_PRIV_H
#define SK_SERVE_PRIORITY_PRIV_H

/* All threads whose nice value is above 0 get 0. Returns how many may not (RLIMIT_NICE of 20 or
 * CAP_SYS_NICE allow it) and stay as they are. */
unsigned sk_priority_restore(void);

#endif
