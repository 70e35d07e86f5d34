/* SPDX-License-Identifier: GPL-2.0-or-later */
#error "Enterprise Linux 7 has no sys/random.h: proto/base/compat.h"
