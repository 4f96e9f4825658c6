#include "sip_sdp.h"

#include <string.h>

static bool read_origin(struct str v, struct sdp_text *s)
{
	struct str user, version;
	if (!str_cut_word(&v, &user) || !str_cut_word(&v, &s->session) ||
	    !str_cut_word(&v, &version))
		return false;
	return str_to_u64(version, UINT64_MAX - 1, &s->version) == OK;
}

static bool read_place(struct str v, struct sdp_text *s)
{
	struct str net, family, host;
	struct addr a;
	if (!str_cut_word(&v, &net) || !str_cut_word(&v, &family) || !str_cut_word(&v, &host) ||
	    addr_parse_ip(host, &a) != OK)
		return false;
	if (s->where.family != ADDR_NONE && !addr_eq_ip(&s->where, &a))
		s->one_place = false;
	s->where = a;
	return true;
}

static bool read_media(struct str v, struct sdp_text *s, uint8_t dir)
{
	static const char *const kinds[] = {"audio", "video", "image"};
	struct str kind, port, proto;
	if (s->count == SDP_LINES || !str_cut_word(&v, &kind) || !str_cut_word(&v, &port) ||
	    !str_cut_word(&v, &proto))
		return false;
	struct sdp_line *l = &s->lines[s->count++];
	*l = (struct sdp_line){.kind = SDP_OTHER,
			       .on = !str_eq(port, STR("0")),
			       .secure = str_has_prefix(proto, STR("RTP/SAVP")),
			       .dir = dir};
	for (uint8_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (str_eq(kind, str_from(kinds[i])))
			l->kind = i;
	return true;
}

static void read_direction(struct str v, uint8_t *dir)
{
	static const struct {
		const char *name;
		uint8_t dir;
	} rows[] = {{"sendrecv", SDP_BOTH},
		    {"sendonly", SDP_SEND},
		    {"recvonly", SDP_RECV},
		    {"inactive", 0}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (str_eq(v, str_from(rows[i].name)))
			*dir = rows[i].dir;
}

bool sdp_text_read(struct str body, struct sdp_text *out)
{
	struct sdp_text s = {.one_place = true};
	struct str line;
	uint8_t session_dir = SDP_BOTH;
	bool origin = false;
	while (str_cut(&body, '\n', &line)) {
		line = str_trim(line);
		if (line.len < 2 || line.p[1] != '=')
			continue;
		struct str v = str_from_offset(line, 2);
		bool ok = true;
		switch (line.p[0]) {
		case 'o': ok = origin = read_origin(v, &s); break;
		case 'c': ok = read_place(v, &s); break;
		case 'm': ok = read_media(v, &s, session_dir); break;
		case 'a':
			read_direction(v, s.count ? &s.lines[s.count - 1].dir : &session_dir);
			break;
		default: break;
		}
		if (!ok)
			return false;
	}
	if (!origin)
		return false;
	*out = s;
	return true;
}
