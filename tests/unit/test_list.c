#include "tests/support/check.h"

#include "common/list.h"

struct item {
	int number;
	struct list node;
};

static int sum(struct list *head)
{
	int n = 0;
	list_each (it, head)
		n = n * 10 + LIST_OBJECT(it, struct item, node)->number;
	return n;
}

static void test_order_and_removal(void **state)
{
	(void)state;
	struct list head;
	struct item items[4];
	list_init(&head);
	EXPECT_TRUE(list_is_empty(&head));
	for (int i = 0; i < 4; i++) {
		items[i].number = i + 1;
		list_add_tail(&head, &items[i].node);
	}
	EXPECT_INT(sum(&head), 1234);
	list_del(&items[1].node);
	EXPECT_INT(sum(&head), 134);
	list_del(&items[1].node); /* an unlinked node may be unlinked again */
	EXPECT_TRUE(list_is_empty(&items[1].node));
	list_add_tail(&head, &items[1].node);
	EXPECT_INT(sum(&head), 1342);
	list_each_safe (it, &head)
		list_del(it);
	EXPECT_TRUE(list_is_empty(&head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_removal),
	};
	return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
