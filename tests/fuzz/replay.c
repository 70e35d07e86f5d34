/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Gives a fuzz target the inputs that are kept, without libFuzzer: what `make check` runs of it.
 *
 * Without arguments those of tests/fuzz/{seeds,corpus,found}/NAME, where NAME is the program's own
 * without "fuzz-", and TAP lines: one each for seeds and corpus, one for each input that once found
 * something. With arguments these files and folders. An input that breaks the target, or keeps it
 * busy for longer than TIMEOUT_S, ends the program and is named.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#define TIMEOUT_S 30 /* a busy machine, and sanitizers */

static char current[512];
static unsigned line, inputs;

/* So that our handler is told of what a sanitizer finds. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "abort_on_error=1:handle_abort=0";
}

static void say(const char *text)
{
    (void)!write(STDOUT_FILENO, text, strlen(text));
}

static void on_signal(int signum)
{
    say(signum == SIGALRM ? "# takes too long: " : "# breaks: ");
    say(current);
    say("\n");
    (void)signal(signum, SIG_DFL);
    if (signum == SIGALRM)
        abort();
    (void)raise(signum);
}

static void give(const char *path)
{
    AUTO_FREE uint8_t *data = NULL;
    AUTO_FCLOSE FILE *f = fopen(path, "re");
    struct stat st;

    if (!f || fstat(fileno(f), &st) < 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(2);
    }
    /* as large as the input, so that a byte read beyond it is seen */
    data = malloc(st.st_size > 0 ? (size_t)st.st_size : 1);
    if (!data || fread(data, 1, (size_t)st.st_size, f) != (size_t)st.st_size)
        exit(2);
    (void)snprintf(current, sizeof(current), "%s", path);
    (void)alarm(TIMEOUT_S);
    (void)LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
    (void)alarm(0);
    inputs++;
}

static int no_dot(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* All files of a folder, in the order of their names; `each` is called after each. */
static void give_all(const char *folder, void (*each)(const char *name))
{
    struct dirent **names;
    int count = scandir(folder, &names, no_dot, alphasort);

    for (int n = 0; n < count; n++) {
        AUTO_FREE char *path = xasprintf("%s/%s", folder, names[n]->d_name);

        give(path);
        if (each)
            each(names[n]->d_name);
        free(names[n]);
    }
    if (count >= 0)
        free(names);
}

static void tell_one(const char *name)
{
    printf("ok %u - once found, and mended: %s\n", ++line, name);
}

static void tell_folder(const char *kind, const char *name)
{
    AUTO_FREE char *folder = xasprintf("tests/fuzz/%s/%s", kind, name);

    inputs = 0;
    give_all(folder, NULL);
    if (inputs > 0)
        printf("ok %u - the %u inputs of %s\n", ++line, inputs, folder);
}

static int give_kept(const char *name)
{
    AUTO_FREE char *found = xasprintf("tests/fuzz/found/%s", name);

    (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    tell_folder("seeds", name);
    tell_folder("corpus", name);
    give_all(found, tell_one);
    printf("1..%u\n", line);
    return line > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const int signals[] = {SIGABRT, SIGALRM, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    const char *slash = strrchr(argv[0], '/'), *base = slash ? slash + 1 : argv[0];

    for (size_t n = 0; n < ARRAY_SIZE(signals); n++)
        (void)signal(signals[n], on_signal);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 1)
        return give_kept(strncmp(base, "fuzz-", 5) == 0 ? base + 5 : base);
    for (int n = 1; n < argc; n++) {
        struct stat st;

        if (stat(argv[n], &st) == 0 && S_ISDIR(st.st_mode))
            give_all(argv[n], NULL);
        else
            give(argv[n]);
    }
    printf("%u inputs\n", inputs);
    return 0;
}
