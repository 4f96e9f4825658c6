#include "tests/support/check.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs `f` in a child whose stderr goes nowhere; its wait status. */
static int in_child(void (*f)(void))
{
	fflush(stdout);
	fflush(stderr);
	pid_t pid = fork();
	if (pid == 0) {
		fclose(stderr);
		f();
		_exit(0);
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void fail_check(void)
{
	volatile int two = 2;
	CHECK(two == 3);
}

static void pass_check(void)
{
	volatile int two = 2;
	CHECK(two == 2);
}

static void test_check_aborts(void **state)
{
	(void)state;
	int status = in_child(fail_check);
	EXPECT_TRUE(!(WIFEXITED(status) && WEXITSTATUS(status) == 0));
	EXPECT_INT(in_child(pass_check), 0);
}

static void test_never_counts_and_goes_on(void **state)
{
	(void)state;
	unsigned long before = check_never_count();
	for (int i = 0; i < 3; i++)
		EXPECT_TRUE(NEVER(i >= 0));
	EXPECT_TRUE(!NEVER(before == before + 1));
	EXPECT_U64(check_never_count(), before + 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check_aborts),
		cmocka_unit_test(test_never_counts_and_goes_on),
	};
	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
