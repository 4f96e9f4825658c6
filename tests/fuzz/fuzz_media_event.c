/* A datagram that a media relay sends of its own accord: the word in front, bencode, the event in it. */
#include <stddef.h>
#include <stdint.h>

#include "common/bencode.h"
#include "sbc/core/media_event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char mem[256 * 1024];
	struct str s = {(const char *)data, size};
	size_t space = str_index(s, ' ');
	struct media_event e = {.type = MEDIA_EVENT_TYPE_COUNT};
	struct dict *d = NULL;
	struct arena a;

	arena_init(&a, mem, sizeof(mem));
	if (space < s.len)
		s = str_from_offset(s, space + 1);
	if (bencode_parse(s, &a, &d) < 0 || media_event_read(d, &e) != OK)
		return 0;
	CHECK(e.type < MEDIA_EVENT_TYPE_COUNT && e.side <= MEDIA_EVENT_NO_SIDE);
	CHECK(e.key < MEDIA_KEY_COUNT && e.session.len > 0 && media_event_name(e.type).len > 0);
	return 0;
}
