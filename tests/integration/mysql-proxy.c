/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Passes bytes between clients and the server, but for one stalled connection; see mysql-proxy.h.
 */
#include "tests/integration/mysql-proxy.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un address(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    (void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    return a;
}

static void accept_one(struct proxy *p)
{
    struct sockaddr_un to = address(p->target);
    int n = atomic_load(&p->accepted);
    int client = accept(p->listener, NULL, NULL);
    int server = socket(AF_UNIX, SOCK_STREAM, 0);

    if (n >= PROXY_MAX || client < 0 || connect(server, (struct sockaddr *)&to, sizeof(to)) < 0) {
        close(client);
        close(server);
        return;
    }
    p->client[n] = client;
    p->server[n] = server;
    atomic_store(&p->accepted, n + 1);
}

/* False at the end of either side. */
static bool pass(int from, int to)
{
    char data[16384];
    ssize_t len = read(from, data, sizeof(data));

    return len > 0 && write(to, data, (size_t)len) == len;
}

static void hang_up(struct proxy *p, int n)
{
    close(p->client[n]);
    close(p->server[n]);
    p->client[n] = p->server[n] = -1;
}

static void *proxy_main(void *arg)
{
    struct proxy *p = arg;

    while (!atomic_load(&p->stop)) {
        struct pollfd fds[1 + 2 * PROXY_MAX];
        int count = atomic_load(&p->accepted);

        fds[0] = (struct pollfd){.fd = p->listener, .events = POLLIN};
        for (int n = 0; n < count; n++) {
            bool stalled = atomic_load(&p->stalled) == n;

            fds[1 + 2 * n] = (struct pollfd){.fd = p->client[n], .events = POLLIN};
            fds[2 + 2 * n] = (struct pollfd){.fd = stalled ? -1 : p->server[n], .events = POLLIN};
        }
        if (poll(fds, (nfds_t)(1 + 2 * count), 20) <= 0)
            continue;
        for (int n = 0; n < count; n++) {
            if ((fds[1 + 2 * n].revents && !pass(p->client[n], p->server[n])) ||
                (fds[2 + 2 * n].revents && !pass(p->server[n], p->client[n])))
                hang_up(p, n);
        }
        if (fds[0].revents)
            accept_one(p);
    }
    return NULL;
}

int proxy_start(struct proxy *p, const char *path, const char *target)
{
    struct sockaddr_un a = address(path);

    memset(p, 0, sizeof(*p));
    p->target = target;
    atomic_store(&p->stalled, -1);
    for (int n = 0; n < PROXY_MAX; n++)
        p->client[n] = p->server[n] = -1;
    p->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (p->listener < 0 || bind(p->listener, (struct sockaddr *)&a, sizeof(a)) < 0 ||
        listen(p->listener, 8) < 0)
        return -1;
    return pthread_create(&p->thread, NULL, proxy_main, p) == 0 ? 0 : -1;
}

void proxy_stop(struct proxy *p)
{
    atomic_store(&p->stop, true);
    (void)pthread_join(p->thread, NULL);
    for (int n = 0; n < PROXY_MAX; n++) {
        if (p->client[n] >= 0)
            hang_up(p, n);
    }
    close(p->listener);
}
