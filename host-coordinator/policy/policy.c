/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of rules; see policy.h. */
#include "host-coordinator/policy/policy_internal.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"

struct policy {
    struct policy_rule *rules;
    size_t count;
};

struct policy *policy_new(void)
{
    return xcalloc(1, sizeof(struct policy));
}

static void rule_release(struct policy_rule *r)
{
    free(r->text);
    free(r->pattern);
    free(r->word);
}

void policy_free(struct policy *p)
{
    if (!p)
        return;
    for (size_t n = 0; n < p->count; n++)
        rule_release(&p->rules[n]);
    free(p->rules);
    free(p);
}

static int check_room(const struct policy *p, const char *text, struct err *e)
{
    if (p->count == POLICY_RULES_MAX)
        return err_set(e, ERR_CONFIG, "there are more than %d rules; remove some",
                       POLICY_RULES_MAX);
    if (strlen(text) > POLICY_TEXT_MAX)
        return err_set(e, ERR_CONFIG, "the rule is longer than %d characters", POLICY_TEXT_MAX);
    return 0;
}

int policy_add(struct policy *p, enum policy_action action, const char *text, unsigned line,
               size_t *ret_column, struct err *e)
{
    struct policy_rule r = {.action = action, .line = line};
    size_t at = 0;

    if (check_room(p, text, e) < 0 || policy_parse(&r, text, &at, e) < 0) {
        rule_release(&r);
        if (ret_column)
            *ret_column = at + 1;
        return -1;
    }
    r.text = xstrdup(text);
    p->rules = xrealloc(p->rules, (p->count + 1) * sizeof(*p->rules));
    p->rules[p->count++] = r;
    return 0;
}

size_t policy_count(const struct policy *p)
{
    return p ? p->count : 0;
}

const struct policy_rule *policy_rule_at(const struct policy *p, size_t n)
{
    return &p->rules[n];
}

const char *policy_rule_text(const struct policy_rule *r)
{
    return r->text;
}

enum policy_action policy_rule_action(const struct policy_rule *r)
{
    return r->action;
}

unsigned policy_rule_line(const struct policy_rule *r)
{
    return r->line;
}

const char *policy_action_name(enum policy_action a)
{
    return a == POLICY_REFUSE ? "refuse" : "warn";
}

int64_t policy_longest_us(const struct policy *p)
{
    int64_t longest = 0;

    for (size_t n = 0; n < policy_count(p); n++) {
        if (p->rules[n].for_us > longest)
            longest = p->rules[n].for_us;
    }
    return longest;
}
