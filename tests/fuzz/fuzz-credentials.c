/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The credentials file beside a coord.conf that is in order. Whatever is wrong with it, no message
 * quotes a key.
 */
#include <string.h>

#include "host-coordinator/config/config.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "tests/fuzz/fuzz.h"

#define KEY "k3y-that-must-not-show-42"

static void write_conf(const char *path, const char *credentials)
{
    AUTO_FREE char *text = xasprintf("[coordinator]\ncredentials = %s\n[appliance east]\n"
                                     "url = https://192.0.2.1/client/api\n[appliance west]\n"
                                     "url = https://192.0.2.2/client/api\n",
                                     credentials);
    struct fuzz_input in = {(const uint8_t *)text, strlen(text)};

    fuzz_file(path, &in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool written;
    struct fuzz_input in = {data, size};
    AUTO_FREE char *conf = xasprintf("%s/coord.conf", fuzz_dir());
    AUTO_FREE char *path = xasprintf("%s/credentials", fuzz_dir());
    struct err e = ERR_INIT;
    struct config c;

    fuzz_begin();
    if (!written)
        write_conf(conf, path);
    written = true;
    fuzz_file(path, &in);
    if (config_load(&c, conf, true, &e) < 0) {
        FUZZ_MUST(e.code == ERR_CONFIG && !strstr(e.msg, KEY));
        return 0;
    }
    FUZZ_MUST(c.appliance_count == 2 && *c.appliances[0].api_key && *c.appliances[1].api_key);
    config_release(&c);
    return 0;
}
