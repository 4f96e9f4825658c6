#include "sdnotify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/str.h"

void sdnotify(const char *state)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	if (!path || (path[0] != '/' && path[0] != '@') ||
	    str_copy(str_from(path), sa.sun_path, sizeof(sa.sun_path)) != OK)
		return;
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (path[0] == '@')
		sa.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&sa, len);
	close(fd);
}

uint64_t sdnotify_watchdog_ms(void)
{
	uint64_t usec = 0, pid = 0;
	const char *text = getenv("WATCHDOG_USEC"), *who = getenv("WATCHDOG_PID");
	if (!text || str_to_u64(str_from(text), UINT64_MAX / 2, &usec) != OK)
		return 0;
	if (who && (str_to_u64(str_from(who), UINT32_MAX, &pid) != OK || pid != (uint64_t)getpid()))
		return 0;
	return usec / 1000;
}
