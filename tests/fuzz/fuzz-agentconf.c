/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent.conf (guest-agent/options.c). What was read lies within the ranges by which the locks are
 * safe, and what is refused leaves options that can be used.
 */
#include <string.h>

#include "guest-agent/options.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    AUTO_FREE char *path = xasprintf("%s/agent.conf", fuzz_dir());
    struct agent_options o;
    struct err e = ERR_INIT;
    int rc;

    fuzz_begin();
    fuzz_file(path, &in);
    rc = options_read(&o, path, &e);
    FUZZ_MUST((rc < 0) == err_is_set(&e));
    FUZZ_MUST(rc == 0 || (e.code == ERR_CONFIG && strstr(e.msg, path)));
    FUZZ_MUST(o.mysql_socket && o.mysql_user && o.mysql_password_file && o.manifest_dir &&
              o.asset_file && o.verify_unit && o.port && o.socket && o.run_dir);
    FUZZ_MUST(o.connect_timeout_ms > 0 && o.try_ms > 0 && o.tries > 0 && o.lease_run_ms > 0 &&
              o.lease_hook_ms > 0 && o.interval_ms > 0 && o.history_s > 0);
    FUZZ_MUST(memchr(o.mark_table, 0, sizeof(o.mark_table)));
    options_release(&o);
    return 0;
}
