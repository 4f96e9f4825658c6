#include "rtpproxy/core/subscriber.h"

struct subscriber *subscriber_find(const struct call *c, struct str tag)
{
	struct subscriber *s = c->subscribers;
	while (s && !leg_has_tag(&s->d->legs[1], tag)) {
		s = s->next;
	}
	return s;
}

void subscriber_add(struct call *c, struct subscriber *s)
{
	s->next = c->subscribers;
	c->subscribers = s;
}

void subscriber_del(struct call *c, struct subscriber *s)
{
	struct subscriber **at = &c->subscribers;
	while (*at != s) {
		CHECK(*at != NULL);
		at = &(*at)->next;
	}
	*at = s->next;
	s->next = NULL;
}

unsigned subscriber_count(const struct call *c)
{
	unsigned n = 0;
	for (const struct subscriber *s = c->subscribers; s; s = s->next) {
		n++;
	}
	return n;
}
