/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parameters of a request. Names are matched without regard to case, as clients that write
 * apikey and apiKey both work on the appliance; the first of several wins; unnamed ones (`&&`) are
 * skipped. One thread owns a struct params.
 */
#ifndef SIM_PARAMS_H
#define SIM_PARAMS_H

#include <stddef.h>

#define MAX_PARAMS 64

struct params {
    size_t n;
    struct {
        char *name, *value;
    } list[MAX_PARAMS];
};

void params_add(struct params *p, const char *name, const char *value);
/* From "a=1&b=2", undecoded: the configuration's own lines. */
void params_parse(struct params *p, const char *query);
/* NULL when absent. */
const char *params_get(const struct params *p, const char *name);
void params_release(struct params *p);

#endif
