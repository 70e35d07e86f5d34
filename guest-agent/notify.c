/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The datagram to $NOTIFY_SOCKET; see notify.h. */
#include "guest-agent/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/base/cleanup.h"

static void notify(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    AUTO_CLOSE int fd = -1;
    size_t len;

    if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(addr.sun_path))
        return;
    len = strlen(path);
    memcpy(addr.sun_path, path, len);
    if (path[0] == '@') /* an abstract socket */
        addr.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        (void)sendto(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&addr,
                     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
}

bool notify_wanted(void)
{
    return getenv("NOTIFY_SOCKET") != NULL;
}

void notify_ready(void)
{
    notify("READY=1");
}

void notify_stopping(void)
{
    notify("STOPPING=1");
}

void notify_alive(void)
{
    notify("WATCHDOG=1");
}

uint64_t notify_alive_ms(void)
{
    const char *told = getenv("WATCHDOG_USEC"), *whose = getenv("WATCHDOG_PID");
    char *end = NULL;
    unsigned long long us = told ? strtoull(told, &end, 10) : 0;

    if (!us || *end || (whose && strtol(whose, NULL, 10) != (long)getpid()))
        return 0;
    return us / 3000 ?: 1;
}
