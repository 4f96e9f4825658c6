/* Intrusive double list. The head is a node too; an unlinked node points at itself. */
#ifndef SALLYPORT_LIST_H
#define SALLYPORT_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "check.h"

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}
static inline bool list_is_empty(const struct list *l)
{
	return l->next == l;
}
static inline void list_add_tail(struct list *head, struct list *n)
{
	n->prev = head->prev;
	n->next = head;
	head->prev->next = n;
	head->prev = n;
}
static inline void list_del(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}
/* The object that embeds node `n` as member `m`. */
#define LIST_OBJECT(n, type, m) CONTAINER_OF(n, type, m)
/* `it` is a struct list *. The safe form allows list_del(it) in the body. */
#define list_each(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)
#define list_each_safe(it, head)                                                                   \
	for (struct list *it = (head)->next, *it##_next = it->next; it != (head);                  \
	     it = it##_next, it##_next = it->next)

#endif
