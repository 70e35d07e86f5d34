/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Capabilities by the kernel's own calls, no library in between; see confine.h. */
#include "guest-agent/confine/confine.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proto/base/cleanup.h"

#ifndef PR_CAP_AMBIENT /* Linux 4.3 */
#define PR_CAP_AMBIENT           47
#define PR_CAP_AMBIENT_CLEAR_ALL 4
#endif

static const int always[] = {CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH};

static uint64_t kept(const struct confine_needs *needs)
{
    uint64_t mask = needs->ipc_lock ? UINT64_C(1) << CAP_IPC_LOCK : 0;

    for (size_t n = 0; n < ARRAY_SIZE(always); n++)
        mask |= UINT64_C(1) << always[n];
    return mask;
}

struct caps {
    struct __user_cap_data_struct half[2];
};

static uint64_t permitted(const struct caps *c)
{
    return (uint64_t)c->half[1].permitted << 32 | c->half[0].permitted;
}

static int caps_read(struct caps *c, struct err *e)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};

    if (syscall(SYS_capget, &head, c->half) < 0)
        return err_set_sys(e, ERR_INTERNAL, errno, "cannot read the capabilities");
    return 0;
}

static int caps_set(uint64_t mask, struct err *e)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct caps c = {
        .half = {{.permitted = (uint32_t)mask, .effective = (uint32_t)mask},
                 {.permitted = (uint32_t)(mask >> 32), .effective = (uint32_t)(mask >> 32)}}};

    if (syscall(SYS_capset, &head, c.half) < 0)
        return err_set_sys(e, ERR_INTERNAL, errno, "cannot drop capabilities");
    return 0;
}

/* What is not in it already needs no right to be taken out: systemd may have done so before. */
static int drop_bounds(uint64_t keep, struct err *e)
{
    for (int cap = 0; cap < 64; cap++) {
        int there = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

        if (there < 0)
            break; /* past the last that this kernel knows */
        if (there && !(keep >> cap & 1) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
            return err_set_sys(e, ERR_INTERNAL, errno,
                               "cannot take capability %d out of the bounding set", cap);
    }
    return 0;
}

static int drop_capabilities(uint64_t keep, struct err *e)
{
    struct caps now;
    int rc;

    /* none that a program inherits: on a kernel that knows no ambient ones there are none */
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (caps_read(&now, e) < 0)
        return -1;
    /* who has none can gain none, since programs give no privileges */
    rc = permitted(&now) ? drop_bounds(keep, e) : 0;
    if (caps_set(permitted(&now) & keep, rc < 0 ? NULL : e) < 0)
        rc = -1;
    return rc;
}

int confine(const struct confine_needs *needs, struct err *e)
{
    int rc = 0;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        rc = err_set_sys(e, ERR_INTERNAL, errno, "cannot renounce new privileges");
    if (drop_capabilities(kept(needs), rc < 0 ? NULL : e) < 0)
        rc = -1;
    if (filter_load(needs->programs, rc < 0 ? NULL : e) < 0)
        rc = -1;
    return rc;
}
