/* SPDX-License-Identifier: GPL-2.0-or-later */
/* No image of a process's memory where others, or backups, find it. */
#ifndef CBSNAP_BASE_NODUMP_H
#define CBSNAP_BASE_NODUMP_H

/*
 * First of all in main(): passwords and API keys pass through memory. The limit of core files
 * becomes 0, for this process and what it starts; and it is not dumpable, which counts where the
 * kernel pipes dumps to a program that minds no limit, and keeps other processes of the same user
 * from reading its memory and environment. Source: core(5), PR_SET_DUMPABLE in prctl(2).
 */
void no_dumps(void);

#endif
