#include "rtpproxy/io/caps.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CAPS_MAX = 64 };

/* Two system calls need no library. */
static long get(struct __user_cap_data_struct *data)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	return syscall(SYS_capget, &h, data);
}

enum err caps_drop(void)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}}, left[2] = {{0}};
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (unsigned long c = 0; c < CAPS_MAX; c++)
		(void)prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
	/* Where the unit's filter refuses the call there was nothing to drop. */
	(void)syscall(SYS_capset, &h, none);
	if (get(left) != 0)
		return ERR_IO;
	for (int i = 0; i < 2; i++)
		if (left[i].effective != 0 || left[i].permitted != 0 || left[i].inheritable != 0)
			return ERR_IO;
	return OK;
}
