#include "sbc/core/media_event.h"

#include "common/check.h"

static const struct {
	struct str word, name;
	bool party; /* it is of no use without knowing whom it is about */
} types[MEDIA_EVENT_TYPE_COUNT] = {
	[MEDIA_EVENT_ENDED] = {{"onCallEnded", 11}, {"ended", 5}, false},
	[MEDIA_EVENT_KEY] = {{"onDTMF", 6}, {"key", 3}, true},
	[MEDIA_EVENT_LOST] = {{"onMediaLost", 11}, {"lost", 4}, true},
	[MEDIA_EVENT_BACK] = {{"onMediaBack", 11}, {"back", 4}, true},
	[MEDIA_EVENT_ONE_WAY] = {{"onOneWay", 8}, {"one_way", 7}, true},
};

struct str media_event_name(enum media_event_type t)
{
	CHECK(t < MEDIA_EVENT_TYPE_COUNT);
	return types[t].name;
}

/* The relay calls our parties what we have called them (media.c). */
static unsigned side_of(struct str tag)
{
	return str_eq(tag, STR("caller"))   ? 0
	       : str_eq(tag, STR("callee")) ? 1
					    : MEDIA_EVENT_NO_SIDE;
}

/* Clamped: what is too long is long. */
static uint32_t read_ms(const struct dict *data)
{
	int64_t ms = dict_get_int(data, STR("duration"), 0);
	return ms < 0 ? 0 : ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

enum err media_event_read(const struct dict *d, struct media_event *out)
{
	const struct dict *data = dict_get(d, STR("data"));
	struct str word = dict_get_str(d, STR("notify"));
	struct media_event e = {.session = dict_get_str(data, STR("callid")),
				.side = side_of(dict_get_str(data, STR("source_tag"))),
				.ms = read_ms(data),
				.reason = dict_get_str(data, STR("reason"))};
	struct str kind = dict_get_str(data, STR("kind"));
	int64_t number = dict_get_int(data, STR("seq"), -1);
	int64_t key = dict_get_int(data, STR("event"), -1);
	int type = 0;

	CHECK(out);
	while (type < MEDIA_EVENT_TYPE_COUNT && !str_eq(word, types[type].word))
		type++;
	if (type == MEDIA_EVENT_TYPE_COUNT || e.session.len == 0 || number < 0 ||
	    number > UINT32_MAX || (types[type].party && e.side == MEDIA_EVENT_NO_SIDE))
		return ERR_BAD;
	e.type = (enum media_event_type)type;
	e.number = (uint32_t)number;
	e.other_kind = kind.len > 0 && !str_ieq(kind, STR("audio"));
	if (e.type == MEDIA_EVENT_KEY) {
		if (key < 0 || key >= MEDIA_KEY_COUNT)
			return ERR_BAD;
		e.key = (uint8_t)key;
		e.ms = e.ms > MEDIA_KEY_MS_MAX ? MEDIA_KEY_MS_MAX : e.ms;
	}
	*out = e;
	return OK;
}
