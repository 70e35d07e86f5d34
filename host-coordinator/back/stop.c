/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VM that goes back is stopped: its guest is asked, twice, and with force it is ended. See
 * back.h, vm.h. */
#include "host-coordinator/back/vm.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"

#define LOOK_EVERY_MS 300

static int call_shutdown(struct domain_call *c, struct err *e)
{
    return c->ops->shutdown(c->domain, c->how, e);
}

int vm_taken_by_others(struct back *b, enum domain_state state, struct err *e)
{
    b->stopped = b->started_vm = false;
    if (state == DOMAIN_AWAY)
        return err_set(e, ERR_REFUSED,
                       "domain '%s' was migrated away: restore it on the host that has it; if none "
                       "has, make its definition anew here (virsh undefine, virsh define) and try "
                       "again",
                       b->run.domain_name);
    if (state == DOMAIN_SAVED)
        return err_set(e, ERR_REFUSED,
                       "the memory of domain '%s' was saved meanwhile and goes with its old "
                       "volumes: virsh start goes on with it, virsh managedsave-remove throws it "
                       "away; then try again",
                       b->run.domain_name);
    return err_set(e, ERR_LIBVIRT,
                   "somebody else started domain '%s' from its old volumes meanwhile; keep HA "
                   "managers and people from it, and try again",
                   b->run.domain_name);
}

static int call_forget_saved(struct domain_call *c, struct err *e)
{
    return c->ops->forget_saved(c->domain, e);
}

/* Whoever starts it, now or after a restore without a start, would have the old memory write onto
 * disks that it does not know. As with a guest that is ended, an undo does not bring it back. */
static int forget_saved(struct back *b, struct err *e)
{
    if (loop_check(b->run.loop, e) < 0)
        return -1;
    run_note(&b->run, "the saved memory of the guest was thrown away");
    return vm_call(b, call_forget_saved, NULL, 0, VM_LIFE_MS(b), "throw the saved memory away", e);
}

/* True when it is off; b->clean says how it went. */
static bool wait_off(struct back *b, int64_t end_us, struct err *e)
{
    enum domain_state state = DOMAIN_RUNS;
    bool never = false;

    for (;;) {
        int64_t again = mono_in_ms(LOOK_EVERY_MS);

        if (vm_read_state(b, &state, &b->clean, e) < 0)
            return false;
        if (state == DOMAIN_OFF)
            return true;
        if (state == DOMAIN_AWAY || state == DOMAIN_SAVED) {
            (void)vm_taken_by_others(b, state, e);
            return false;
        }
        if (mono_us() >= end_us || loop_check(b->run.loop, NULL) < 0)
            return false;
        (void)loop_wait(b->run.loop, &never, again < end_us ? again : end_us, NULL);
    }
}

/* Before it is asked, and, as 0, when it has gone off: in between it may go off when we are gone.
 */
static int note_asked(struct back *b, int64_t wall_us, struct err *e)
{
    struct record *note = record_new();

    record_set_int(note, "asked_wall_us", wall_us);
    return back_write(b, note, e);
}

static bool shut_down(struct back *b, enum domain_shutdown how, struct err *e)
{
    struct err why = ERR_INIT;
    int64_t end = mono_in_ms(b->run.conf->stop_ms);
    int rc;

    if (note_asked(b, wall_us(), e) < 0)
        return false;
    rc = vm_call(b, call_shutdown, NULL, how, b->run.conf->libvirt_ms, "shut down", &why);
    if (rc == 0 || why.code == ERR_TIMEOUT || why.code == ERR_CANCELLED)
        b->off_by_us = end; /* it was asked, or may have been */
    if (rc == 0)
        return wait_off(b, end, e);
    run_note(&b->run, "%s could not be asked to shut the guest down: %s",
             how == DOMAIN_BY_AGENT ? "qemu-ga" : "ACPI", why.msg);
    /* it may have been asked all the same, or have gone off by itself */
    return wait_off(b, 0, e);
}

int vm_check_off(struct back *b, struct err *e)
{
    enum domain_state state;

    if (vm_read_state(b, &state, NULL, e) < 0)
        return -1;
    return state == DOMAIN_OFF ? 0 : vm_taken_by_others(b, state, e);
}

/* Asked by an earlier restore, it may have gone off since. */
static bool asked_off(struct back *b, struct err *e)
{
    return wait_off(b, 0, e) || (!err_is_set(e) && shut_down(b, DOMAIN_BY_AGENT, e)) ||
           (!err_is_set(e) && loop_check(b->run.loop, e) == 0 && shut_down(b, DOMAIN_BY_ACPI, e));
}

static int end_by_force(struct back *b, struct err *e)
{
    if (loop_check(b->run.loop, e) < 0)
        return -1;
    if (!b->force)
        return err_set(e, ERR_LIBVIRT,
                       "the guest of domain '%s' did not shut down in %d ms; look at its console, "
                       "or end it with --force",
                       b->run.domain_name, b->run.conf->stop_ms);
    run_note(&b->run, "the guest did not shut down and was ended");
    return vm_call(b, vm_call_destroy, NULL, 0, VM_LIFE_MS(b), "end the domain", e);
}

/* Our own journal says by now that the VM ran, and here that it was asked: the other is no more
 * needed. */
static int take_left_over(struct back *b, struct err *e)
{
    struct journal *journal;
    struct record *left;
    int64_t asked = 0;
    int rc;

    if (!b->left)
        return 0;
    if (journal_take_over(&journal, &left, b->run.conf->state_dir, b->left, e) < 0)
        return -1;
    (void)record_int(left, "asked_wall_us", &asked);
    record_free(left);
    rc = note_asked(b, asked, e);
    journal_close(journal, rc == 0);
    b->off_by_us = b->down_us;
    return rc;
}

int step_stop(void *back, struct err *e)
{
    struct back *b = back;

    b->down_us = mono_us();
    if (b->saved && forget_saved(b, e) < 0)
        return -1;
    if (!b->ran)
        return 0;
    if (loop_check(b->run.loop, e) < 0 || take_left_over(b, e) < 0)
        return -1;
    b->stopped = true;
    if (!asked_off(b, e) && (err_is_set(e) || end_by_force(b, e) < 0))
        return -1;
    return note_asked(b, 0, e);
}

/* As it was: with its old definition, which the newer steps' undo has put back, and with volumes
 * that it may use; where that failed recover starts it. A guest that was asked and not waited for
 * to the end is on its way down, and would be off a moment after we said that it runs: so it is
 * waited for here, and by recover. */
int step_stop_undo(void *back, struct err *e)
{
    struct back *b = back;
    struct err why = ERR_INIT;

    if (!b->stopped || b->committed || b->defined || b->fenced)
        return 0;
    if (!wait_off(b, b->off_by_us, e)) {
        if (!b->stopped) /* it is somebody else's now */
            return 0;
        if (err_is_set(e))
            return err_set(e, ERR_LOOK,
                           "domain '%s' was asked to shut down, and libvirt does not tell whether "
                           "it has: cbsnap-coord recover looks again (%.200s)",
                           b->run.domain_name, e->msg);
        if (b->off_by_us == 0)
            return 0;
        return err_set(e, ERR_LOOK,
                       "domain '%s' was asked to shut down and may still do so: once it is off, "
                       "cbsnap-coord recover starts it again, or another restore goes on with it",
                       b->run.domain_name);
    }
    if (note_asked(b, 0, &why) < 0)
        log_warn("%s", why.msg); /* recover waits for it in vain, no more */
    if (vm_call(b, vm_call_start, NULL, 0, VM_LIFE_MS(b), "start again", e) < 0)
        return err_set(e, ERR_LOOK,
                       "domain '%s' is as before, but off: start it with virsh start %s (%.200s)",
                       b->run.domain_name, b->run.domain_name, e->msg);
    b->stopped = false;
    return 0;
}
