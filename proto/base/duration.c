/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lengths of time as people write them; see duration.h. */
#include "proto/base/duration.h"

#include <string.h>

#include "proto/base/cleanup.h"

static const struct {
    const char *name;
    int64_t us;
} units[] = {
    {"us", 1}, {"ms", 1000}, {"s", 1000000}, {"m", 60000000}, {"h", INT64_C(3600000000)},
};

static size_t span_of_letters(const char *text)
{
    return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

size_t duration_parse(const char *text, int64_t *ret_us)
{
    size_t digits = strspn(text, "0123456789");
    size_t letters = span_of_letters(text + digits);
    int64_t number = 0;

    if (digits == 0)
        return 0;
    for (size_t n = 0; n < digits && number <= DURATION_MAX_US; n++)
        number = number * 10 + (text[n] - '0');
    for (size_t n = 0; n < ARRAY_SIZE(units); n++) {
        if (strlen(units[n].name) != letters ||
            strncmp(text + digits, units[n].name, letters) != 0 ||
            number > DURATION_MAX_US / units[n].us)
            continue;
        *ret_us = number * units[n].us;
        return digits + letters;
    }
    if (letters > 0 || number != 0)
        return 0;
    *ret_us = 0;
    return digits;
}
