/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose the files are that root makes in a directory of another user. */
#ifndef CBSNAP_BASE_OWNER_H
#define CBSNAP_BASE_OWNER_H

/*
 * As root: gives the open file (or directory) `fd` that lies at `path` to the owner and group of
 * the directory that it lies in. Else, a program that runs now as root and now as a user of its own
 * would shut that user out of its own files. Does nothing as anybody else, where nothing differs,
 * and for a file with a second name; that it may not is no error, for the file is right but for
 * that.
 */
void owner_as_directory(int fd, const char *path);

#endif
