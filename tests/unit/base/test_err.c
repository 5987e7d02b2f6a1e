#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"

static void has_a_text_of_its_own_for_every_error(void **state)
{
    (void)state;
    for (int i = 0; i < ERR_COUNT; i++) {
        const char *text = err_text((enum err)i);
        assert_non_null(text);
        assert_true(*text);
        for (int other = 0; other < i; other++)
            assert_string_not_equal(text, err_text((enum err)other));
    }
}

static void has_a_text_for_what_is_no_error(void **state)
{
    (void)state;
    assert_string_equal(err_text(ERR_COUNT), "unknown error");
    assert_string_equal(err_text((enum err) - 1), "unknown error");
}

static void success_is_zero(void **state)
{
    (void)state;
    assert_int_equal(ERR_OK, 0);
}

/* How a child ends that runs `run`. */
static int status_of(void (*run)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        run();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void assert_one_is_two(void)
{
    volatile int one = 1;
    ASSERT(one == 2);
}

static void assert_one_is_one(void)
{
    volatile int one = 1;
    ASSERT(one == 1);
}

static void broken_invariants_end_the_process(void **state)
{
    (void)state;
    int status = status_of(assert_one_is_two);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_int_equal(status_of(assert_one_is_one), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_a_text_of_its_own_for_every_error),
        cmocka_unit_test(has_a_text_for_what_is_no_error),
        cmocka_unit_test(success_is_zero),
        cmocka_unit_test(broken_invariants_end_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
