/* Which rule the environment leaves out: see base/flaw.h. Empty without the build option. */
#include "base/flaw.h"

#ifdef PGRECALL_FLAWS

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLAW_NAME(name, text) text,
static const char *const names[] = {FLAWS(FLAW_NAME)};

static enum flaw chosen = FLAW_NONE;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void choose(void)
{
    const char *wanted = getenv("PGRECALL_FLAW");
    if (!wanted || !*wanted)
        return;
    for (unsigned i = 0; i < FLAW_NONE; i++)
        if (strcmp(names[i], wanted) == 0)
            chosen = (enum flaw)i;
    if (chosen == FLAW_NONE) {
        (void)fprintf(stderr, "PGRECALL_FLAW: no rule is called %s\n", wanted);
        abort();
    }
    (void)fprintf(stderr, "this process is broken on purpose: %s\n", wanted);
}

bool flaw_is_on(enum flaw flaw)
{
    (void)pthread_once(&once, choose);
    return chosen == flaw;
}

#else

/* A file may not be empty. */
_Static_assert(FLAW_NONE > 0, "there are rules");

#endif
