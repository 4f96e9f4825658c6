/* frame: a stream gives the same whether it comes whole or in pieces; each message that it cuts is one for msg_index too. */
#include "sbc/core/frame.h"
#include "sbc/core/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TOLD_MAX = 4096 };

/* What was told, in order. */
struct told {
	size_t count;
	struct {
		enum frame_kind kind;
		size_t len;
	} list[TOLD_MAX];
};

static const struct frame_limits limits = {.header_bytes = 4096, .message_bytes = 8192};
static struct msg m;

/* `piece` octets at a time; the front moves as messages are taken. */
static void run(struct str bytes, size_t piece, struct told *out)
{
	struct frame f;
	size_t front = 0, have = 0;
	frame_init(&f);
	out->count = 0;
	while (have < bytes.len) {
		have = bytes.len - have < piece ? bytes.len : have + piece;
		for (;;) {
			struct str window = {bytes.p + front, have - front};
			struct frame_out o = frame_step(&f, window, &limits);
			if (o.kind == FRAME_MORE)
				break;
			if (out->count == TOLD_MAX)
				return;
			out->list[out->count].kind = o.kind;
			out->list[out->count++].len = o.message.len;
			CHECK(o.message.len <= window.len && o.consumed <= window.len);
			if (o.kind != FRAME_MESSAGE && o.kind != FRAME_PING && o.kind != FRAME_PONG)
				return;
			CHECK(o.consumed > 0);
			/* Both must see the same end, or one could be shown a message that the other does not see. */
			if (o.kind == FRAME_MESSAGE && msg_index(&m, o.message, MSG_STREAM) == OK)
				CHECK(m.bytes.len == o.message.len);
			front += o.consumed;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct told whole, cut;
	struct str s = {(const char *)data, size};
	run(s, size > 0 ? size : 1, &whole);
	for (size_t piece = 1; piece <= 64; piece *= 4) {
		run(s, piece, &cut);
		CHECK(cut.count == whole.count);
		for (size_t i = 0; i < whole.count; i++)
			CHECK(cut.list[i].kind == whole.list[i].kind &&
			      cut.list[i].len == whole.list[i].len);
	}
	return 0;
}
