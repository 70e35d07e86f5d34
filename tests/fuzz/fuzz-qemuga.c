/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What qemu-ga answers when it is asked whether it froze (host-coordinator/domain/agent.c): the one
 * answer of it that reaches us as it is, for libvirt reads the others.
 */
#include <string.h>

#include "host-coordinator/domain/domain_internal.h"
#include "proto/base/cleanup.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    AUTO_FREE char *answer = fuzz_text(&in);
    enum agent_freeze status = AGENT_FROZEN;

    fuzz_begin();
    if (freeze_status_from(answer, &status) == 0)
        FUZZ_MUST(strstr(answer, status == AGENT_FROZEN ? "\"frozen\"" : "\"thawed\""));
    return 0;
}
