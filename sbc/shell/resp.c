#include "sbc/shell/resp.h"

#include <hiredis/read.h>
#include <stdlib.h>
#include <string.h>

struct resp_reader {
	redisReader *hiredis;
	char *memory; /* of the reply that is being read */
	size_t used;
	bool is_broken;
};

enum { DIGITS = 24 };

size_t resp_size(const struct str *words, size_t count)
{
	size_t size = DIGITS;
	for (size_t i = 0; i < count; i++)
		size += DIGITS + words[i].len;
	return size;
}

void resp_write(struct buf *b, const struct str *words, size_t count)
{
	buf_char(b, '*');
	buf_u64(b, count);
	buf_lit(b, "\r\n");
	for (size_t i = 0; i < count; i++) {
		buf_char(b, '$');
		buf_u64(b, words[i].len);
		buf_lit(b, "\r\n");
		buf_str(b, words[i]);
		buf_lit(b, "\r\n");
	}
}

/* ---- what hiredis calls: NULL stops it ---- */

static void *take(struct resp_reader *r, size_t n)
{
	n = (n + 15) & ~(size_t)15;
	if (n > RESP_MEMORY - r->used)
		return NULL;
	void *p = r->memory + r->used;
	r->used += n;
	return p;
}

static struct resp_value *new_value(const redisReadTask *task)
{
	struct resp_value *in = task->parent ? task->parent->obj : NULL;
	/* `items` is const for those who read. */
	struct resp_value *v = in ? (struct resp_value *)(uintptr_t)&in->items[task->idx]
				  : take(task->privdata, sizeof(*v));
	if (v)
		*v = (struct resp_value){.type = RESP_NIL};
	return v;
}

static void *make_string(const redisReadTask *task, char *p, size_t n)
{
	struct resp_value *v = new_value(task);
	char *copy = v ? take(task->privdata, n) : NULL;
	if (!copy)
		return NULL;
	memcpy(copy, p, n);
	v->text = (struct str){copy, n};
	v->type = task->type == REDIS_REPLY_ERROR    ? RESP_ERROR
		  : task->type == REDIS_REPLY_STATUS ? RESP_STATUS
						     : RESP_TEXT;
	return v;
}

static void *make_array(const redisReadTask *task, int elements)
{
	struct resp_value *v = new_value(task);
	if (!v || elements < 0 || elements > RESP_ELEMENTS_MAX)
		return NULL;
	struct resp_value *items = take(task->privdata, (size_t)elements * sizeof(*items));
	if (!items)
		return NULL;
	memset(items, 0, (size_t)elements * sizeof(*items));
	v->type = RESP_ARRAY;
	v->items = items;
	v->count = (size_t)elements;
	return v;
}

static void *make_number(const redisReadTask *task, long long number)
{
	struct resp_value *v = new_value(task);
	if (!v)
		return NULL;
	v->type = RESP_NUMBER;
	v->number = number;
	return v;
}

static void *make_nil(const redisReadTask *task)
{
	return new_value(task);
}

static void free_nothing(void *p)
{
	(void)p; /* it all goes at once */
}

static redisReplyObjectFunctions functions = {make_string, make_array, make_number, make_nil,
					      free_nothing};

enum err resp_reader_new(struct resp_reader **out)
{
	struct resp_reader *r = calloc(1, sizeof(*r));
	if (!r)
		return ERR_NOMEM;
	r->memory = malloc(RESP_MEMORY);
	r->hiredis = redisReaderCreateWithFunctions(&functions);
	if (!r->memory || !r->hiredis) {
		resp_reader_free(&r);
		return ERR_NOMEM;
	}
	r->hiredis->privdata = r;
	*out = r;
	return OK;
}

void resp_reader_free(struct resp_reader **reader)
{
	struct resp_reader *r = *reader;
	if (!r)
		return;
	if (r->hiredis)
		redisReaderFree(r->hiredis);
	free(r->memory);
	free(r);
	*reader = NULL;
}

enum err resp_reader_feed(struct resp_reader *r, struct str bytes)
{
	if (r->is_broken || r->hiredis->len - r->hiredis->pos + bytes.len > RESP_REPLY_MAX ||
	    redisReaderFeed(r->hiredis, bytes.p, bytes.len) != REDIS_OK) {
		r->is_broken = true;
		return ERR_LIMIT;
	}
	return OK;
}

enum err resp_reader_next(struct resp_reader *r, const struct resp_value **out)
{
	void *reply = NULL;
	if (r->is_broken)
		return ERR_BAD;
	if (r->hiredis->ridx < 0) /* the one before is done with */
		r->used = 0;
	if (redisReaderGetReply(r->hiredis, &reply) != REDIS_OK) {
		r->is_broken = true;
		return ERR_BAD;
	}
	if (!reply)
		return ERR_MORE;
	*out = reply;
	return OK;
}
