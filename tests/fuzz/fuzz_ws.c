/* ws: a stream gives the same whether it comes whole or in pieces, and nothing is read beyond it. */
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "sbc/shell/ws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TOLD_MAX = 1024, LIMIT = 4096 };

struct told {
	size_t count;
	struct {
		enum ws_out_kind kind;
		size_t len;
	} list[TOLD_MAX];
	size_t sent;
};

static void note(struct told *t, const struct ws_out *o, size_t sent)
{
	t->sent += sent;
	if ((o->kind != WS_OUT_MESSAGE && o->kind != WS_OUT_END) || t->count == TOLD_MAX)
		return;
	t->list[t->count].kind = o->kind;
	t->list[t->count++].len = o->message.len;
}

/* Each time in memory that ends where the octets end. */
static void run(const uint8_t *data, size_t size, size_t piece, bool open, struct told *out)
{
	static const struct listener l = {.transport = TRANSPORT_WS, .path = {"/", 1}};
	struct ws w = {.state = open ? WS_OPEN : WS_UPGRADE};
	struct bytes_store store;
	size_t front = 0, have = 0;
	bytes_store_init(&store);
	*out = (struct told){0};
	while (have < size && w.state != WS_OVER) {
		have = size - have < piece ? size : have + piece;
		struct ws_out o;
		do {
			char mem[WS_REPLY_MAX];
			struct buf reply;
			size_t n = have - front;
			char *copy = malloc(n ? n : 1);
			CHECK(copy);
			memcpy(copy, data + front, n);
			buf_init(&reply, mem, sizeof(mem));
			o = ws_step(&w, &store, &l, copy, n, LIMIT, &reply);
			CHECK(!reply.overflow && o.consumed <= n && o.message.len <= LIMIT);
			CHECK(o.kind != WS_OUT_NEXT || o.consumed > 0);
			note(out, &o, reply.len);
			free(copy);
			front += o.consumed;
		} while (o.kind == WS_OUT_NEXT || o.kind == WS_OUT_MESSAGE);
	}
	ws_release(&w, &store);
	bytes_store_release(&store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct told whole, cut;
	if (size < 1 || size > 20000)
		return 0;
	bool open = data[0] & 1;
	run(data + 1, size - 1, size, open, &whole);
	for (size_t piece = 1; piece <= 64; piece *= 8) {
		if (piece == 1 && size > 2000)
			continue;
		run(data + 1, size - 1, piece, open, &cut);
		CHECK(cut.count == whole.count && cut.sent == whole.sent);
		for (size_t i = 0; i < whole.count; i++)
			CHECK(cut.list[i].kind == whole.list[i].kind &&
			      cut.list[i].len == whole.list[i].len);
	}
	return 0;
}
