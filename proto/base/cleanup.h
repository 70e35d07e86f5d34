/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scope cleanup for memory, descriptors and mutexes, and nothing else: what the outside can see
 * (a MySQL lock, a frozen filesystem, a snapshot) is released by named steps, because releasing
 * it can fail and must be logged.
 *
 *     AUTO_FREE char *path = NULL;
 *     AUTO_CLOSE int fd = -1;
 *     ...
 *     *ret_fd = STEAL_FD(fd);     // ownership leaves, visibly
 */
#ifndef CBSNAP_BASE_CLEANUP_H
#define CBSNAP_BASE_CLEANUP_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *pp)
{
    free(*(void **)pp);
}

static inline void cleanup_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void cleanup_fclose(FILE **f)
{
    if (*f)
        fclose(*f);
}

static inline void cleanup_unlock(pthread_mutex_t **m)
{
    if (*m)
        pthread_mutex_unlock(*m);
}

#define AUTO_FREE   __attribute__((cleanup(cleanup_free)))
#define AUTO_CLOSE  __attribute__((cleanup(cleanup_close)))
#define AUTO_FCLOSE __attribute__((cleanup(cleanup_fclose)))

/* Holds the mutex until the end of the scope. */
#define AUTO_LOCK(name, mutex)                                                                     \
    __attribute__((cleanup(cleanup_unlock))) pthread_mutex_t *name =                               \
        (pthread_mutex_lock(mutex), (mutex))

#define STEAL_FD(fd)                                                                               \
    __extension__({                                                                                \
        int steal_fd_ = (fd);                                                                      \
        (fd) = -1;                                                                                 \
        steal_fd_;                                                                                 \
    })

#define STEAL_PTR(p)                                                                               \
    __extension__({                                                                                \
        __typeof__(p) steal_ptr_ = (p);                                                            \
        (p) = NULL;                                                                                \
        steal_ptr_;                                                                                \
    })

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
