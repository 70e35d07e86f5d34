/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Would qemu-ga call the hook? Every way in which it would not, in a directory that plays the
 * guest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest-agent/hookfacts.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#define RUNNER                                                                                     \
    "#!/bin/sh\n# cbsnap-fsfreeze-runner\nHOOK_DIR=${CBSNAP_HOOK_DIR:-/etc/qemu/hooks.d}\n"
#define STOCK "#!/bin/sh\nFSFREEZE_D=$(dirname -- \"$0\")/fsfreeze-hook.d\n"
#define HOOK  "#!/bin/sh\nexec /usr/sbin/cbsnap-agent hook \"$1\"\n"

static char root[] = "/tmp/cbsnap-hookfacts.XXXXXX";

static void put(const char *path, const char *data, size_t len, mode_t mode)
{
    AUTO_FREE char *full = xasprintf("%s%s", root, path);

    for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        (void)mkdir(full, 0755);
        *p = '/';
    }
    (void)unlink(full); /* it may be one that only root could write to */
    {
        AUTO_FCLOSE FILE *f = fopen(full, "w");

        assert_non_null(f);
        assert_int_equal(fwrite(data, 1, len, f), len);
    }
    assert_int_equal(chmod(full, mode), 0);
}

static void text(const char *path, const char *content, mode_t mode)
{
    put(path, content, strlen(content), mode);
}

#define GA(args) put("/proc/42/cmdline", args, sizeof(args), 0444)

static int setup(void **state)
{
    (void)state;
    strcpy(root + strlen(root) - 6, "XXXXXX");
    assert_non_null(mkdtemp(root));
    put("/proc/1/cmdline", "/sbin/init\0", 11, 0444);
    put("/proc/7/cmdline", "", 0, 0444); /* a kernel thread */
    return 0;
}

static int teardown(void **state)
{
    AUTO_FREE char *command = xasprintf("rm -rf '%s'", root);

    (void)state;
    return system(command);
}

/* All as it should be; each test spoils one thing. */
static void good(void)
{
    GA("/usr/sbin/qemu-ga\0--daemonize\0-F/usr/libexec/cbsnap/fsfreeze-hook");
    text("/usr/libexec/cbsnap/fsfreeze-hook", RUNNER, 0755);
    text("/etc/qemu/hooks.d/cbsnap", HOOK, 0755);
}

static void assert_problem(const char *words)
{
    struct hook_facts f;

    hookfacts_read(&f, root);
    if (!strstr(f.problem, words))
        fail_msg("wanted '%s' in '%s'", words, f.problem);
}

static void test_good(void **state)
{
    struct hook_facts f;

    (void)state;
    good();
    hookfacts_read(&f, root);
    assert_string_equal(f.problem, "");
    assert_true(f.ga_running);
    assert_int_equal(f.runner, RUNNER_CBSNAP);
    assert_string_equal(f.dir, "/etc/qemu/hooks.d");
    assert_string_equal(f.hook_path, "/etc/qemu/hooks.d/cbsnap");
    assert_string_equal(hook_runner_name(f.runner), "cbsnap");
}

static void test_not_running(void **state)
{
    (void)state;
    good();
    GA("/usr/bin/qemu-gadget");
    assert_problem("not running");
}

static void test_no_hook_enabled(void **state)
{
    (void)state;
    good();
    GA("qemu-ga\0-m\0virtio-serial\0-p\0/dev/F");
    assert_problem("no hook is enabled");
}

static void test_long_option_and_default_path(void **state)
{
    struct hook_facts f;

    (void)state;
    good();
    GA("qemu-ga\0--fsfreeze-hook=/usr/libexec/cbsnap/fsfreeze-hook\0-v");
    assert_problem("");
    GA("qemu-ga\0-F\0-v");
    text("/etc/qemu/fsfreeze-hook", STOCK, 0755);
    text("/etc/qemu/fsfreeze-hook.d/cbsnap", HOOK, 0755);
    hookfacts_read(&f, root);
    assert_string_equal(f.problem, "");
    assert_string_equal(f.runner_path, "/etc/qemu/fsfreeze-hook");
    assert_int_equal(f.runner, RUNNER_STOCK);
    assert_string_equal(hook_runner_name(f.runner), "stock");
}

static void test_runner_missing_or_dead(void **state)
{
    (void)state;
    good();
    GA("qemu-ga\0-F/nowhere/hook");
    assert_problem("'/nowhere/hook' does not exist");
    good();
    text("/usr/libexec/cbsnap/fsfreeze-hook", RUNNER, 0644);
    assert_problem("not executable");
    text("/usr/libexec/cbsnap/fsfreeze-hook", "#!/bin/sh\nexit 0\n", 0755);
    assert_problem("neither cbsnap's nor QEMU's");
}

static void test_hook_missing_or_dead(void **state)
{
    (void)state;
    good();
    text("/etc/qemu/hooks.d/cbsnap", HOOK, 0644);
    assert_problem("not executable");
    text("/etc/qemu/hooks.d/cbsnap", "#!/bin/sh\nlogger hello\n", 0755);
    assert_problem("is not in '/etc/qemu/hooks.d'");
    /* what the runner skips does not count */
    text("/etc/qemu/hooks.d/cbsnap.rpmsave", HOOK, 0755);
    text("/etc/qemu/hooks.d/cbsnap.dpkg-old", HOOK, 0755);
    text("/etc/qemu/hooks.d/cbsnap~", HOOK, 0755);
    assert_problem("is not in '/etc/qemu/hooks.d'");
    text("/etc/qemu/hooks.d/50-cbsnap", HOOK, 0755);
    assert_problem("");
}

static void test_hook_called_directly(void **state)
{
    struct hook_facts f;

    (void)state;
    good();
    GA("qemu-ga\0-F/usr/lib/cbsnap-hook");
    text("/usr/lib/cbsnap-hook", HOOK, 0755);
    hookfacts_read(&f, root);
    assert_string_equal(f.problem, "");
    assert_int_equal(f.runner, RUNNER_DIRECT);
}

static void test_calls_refused(void **state)
{
    (void)state;
    good();
    GA("qemu-ga\0-F/usr/libexec/cbsnap/"
       "fsfreeze-hook\0--blacklist=guest-exec,guest-fsfreeze-freeze");
    assert_problem("refuses the call guest-fsfreeze-freeze");
    GA("qemu-ga\0-F/usr/libexec/cbsnap/fsfreeze-hook\0-b\0guest-exec, guest-fsfreeze-thaw");
    assert_problem("refuses the call guest-fsfreeze-thaw");
    GA("qemu-ga\0-F/usr/libexec/cbsnap/fsfreeze-hook\0--blacklist=guest-fsfreeze-freeze-list");
    assert_problem("");
    GA("qemu-ga\0-F/usr/libexec/cbsnap/fsfreeze-hook\0-aguest-ping,guest-fsfreeze-freeze");
    assert_problem("allow-rpcs lacks the call guest-fsfreeze-thaw");
}

static void test_config_file(void **state)
{
    (void)state;
    good();
    GA("qemu-ga\0--daemonize");
    text("/etc/qemu/qemu-ga.conf",
         "[general]\n# fsfreeze-hook=/other\n fsfreeze-hook = /usr/libexec/cbsnap/fsfreeze-hook\n",
         0644);
    assert_problem("");
    text("/etc/ga.conf", "[general]\nblock-rpcs=guest-fsfreeze-status\n", 0644);
    GA("qemu-ga\0-c/etc/ga.conf\0-F/usr/libexec/cbsnap/fsfreeze-hook");
    assert_problem("refuses the call guest-fsfreeze-status");
}

/* Enterprise Linux, before qemu-ga was started. */
static void test_sysconfig(void **state)
{
    struct hook_facts f;

    (void)state;
    good();
    GA("bash");
    text("/etc/sysconfig/qemu-ga",
         "# FSFREEZE_HOOK_PATHNAME=/x\nBLACKLIST_RPC=guest-exec\n"
         "FSFREEZE_HOOK_PATHNAME=\"/usr/libexec/cbsnap/fsfreeze-hook\"\n",
         0644);
    hookfacts_read(&f, root);
    assert_string_equal(f.runner_path, "/usr/libexec/cbsnap/fsfreeze-hook");
    assert_string_equal(f.hook_path, "/etc/qemu/hooks.d/cbsnap");
    assert_non_null(strstr(f.problem, "not running"));
}

/* What an update of qemu-ga leaves when the hook stands in the file. */
static void test_update_aside(void **state)
{
    struct hook_facts f;

    (void)state;
    good();
    text("/etc/sysconfig/qemu-ga", "BLACKLIST_RPC=guest-exec\n", 0644);
    hookfacts_read(&f, root);
    assert_false(f.update_aside);
    text("/etc/sysconfig/qemu-ga.rpmnew", "BLOCK_RPCS=guest-exec\n", 0644);
    hookfacts_read(&f, root);
    assert_true(f.update_aside);
    assert_string_equal(f.problem, ""); /* a freeze is not in its way */
}

static void test_empty_guest(void **state)
{
    struct hook_facts f;

    (void)state;
    hookfacts_read(&f, "/nonexistent");
    assert_int_equal(f.runner, RUNNER_NONE);
    assert_null(hook_runner_name(f.runner));
    assert_string_not_equal(f.problem, "");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_good),
        T(test_not_running),
        T(test_no_hook_enabled),
        T(test_long_option_and_default_path),
        T(test_runner_missing_or_dead),
        T(test_hook_missing_or_dead),
        T(test_hook_called_directly),
        T(test_calls_refused),
        T(test_config_file),
        T(test_sysconfig),
        T(test_update_aside),
        T(test_empty_guest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
