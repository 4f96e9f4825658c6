#include "policy/admissions.h"

#include <stdlib.h>

#include "common/check.h"

enum err admissions_init(struct admissions *a, const struct siphash_key *key)
{
	CHECK(a && key);
	*a = (struct admissions){.count = 0};
	a->list = calloc(ADMISSION_MAX, sizeof(*a->list));
	return a->list ? table_init(&a->by_name, ADMISSION_MAX, key) : ERR_NOMEM;
}

void admissions_release(struct admissions *a)
{
	if (a->list)
		table_release(&a->by_name);
	free(a->list);
	a->list = NULL;
}

static struct str key_of(struct str trunk)
{
	trunk.len = trunk.len < ADMISSION_NAME_MAX - 1 ? trunk.len : ADMISSION_NAME_MAX - 1;
	return trunk;
}

struct admission *admissions_find(const struct admissions *a, struct str trunk)
{
	const struct str name = key_of(trunk);
	const uint64_t hash = table_hash(&a->by_name, name.p, name.len);

	for (struct table_node *n = table_first(&a->by_name, hash); n; n = table_next(n)) {
		struct admission *x = TABLE_OBJECT(n, struct admission, node);
		if (str_eq(str_from(x->name), name))
			return x;
	}
	return NULL;
}

enum err admissions_add(struct admissions *a, struct str trunk)
{
	if (admissions_find(a, trunk))
		return OK;
	if (a->count == ADMISSION_MAX)
		return ERR_FULL;
	struct admission *x = &a->list[a->count];
	enum err e = str_copy(key_of(trunk), x->name, sizeof(x->name));
	if (e == OK)
		e = table_add(&a->by_name, &x->node,
			      table_hash(&a->by_name, x->name, key_of(trunk).len));
	a->count += e == OK;
	return e;
}
