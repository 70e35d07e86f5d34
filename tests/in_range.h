/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmocka 2 deprecates assert_in_range() for a name that cmocka 1 does not know. Included after
 * cmocka.h. */
#ifndef CBSNAP_TESTS_IN_RANGE_H
#define CBSNAP_TESTS_IN_RANGE_H

#ifndef assert_int_in_range
#define assert_int_in_range(value, least, most) assert_in_range(value, least, most)
#endif

#endif
