#include "rtpproxy/core/sdp_ice.h"

enum {
	/* RFC 8445 §5.1.2.1: type preference 126 (host), local preference 65535, less the component. */
	PRIORITY_RTP = 2130706431,
	PRIORITY_RTCP = 2130706430,
	PORT_TRICKLE = 9 /* RFC 8840 §4.1.1: no address yet */
};

/* What one line of an SDP says. Views. */
struct said {
	bool ice, mismatch, lite, trickle;
	struct str ufrag, pwd;
};

struct candidate {
	unsigned component;
	uint32_t priority;
	struct addr addr;
};

/* ---- reading */

static bool has_word(struct str words, struct str word)
{
	struct str w;
	while (str_cut_word(&words, &w)) {
		if (str_eq(w, word)) {
			return true;
		}
	}
	return false;
}

static bool is_candidate_type(struct str t)
{
	return str_eq(t, STR("host")) || str_eq(t, STR("srflx")) || str_eq(t, STR("prflx")) ||
	       str_eq(t, STR("relay"));
}

/* False: TCP, a name (mDNS), an unknown type: of no use, and no error (RFC 8839 §5.1). */
static bool read_candidate(struct str v, struct candidate *out)
{
	struct str foundation, component, transport, priority, ip, port, typ, type;
	uint16_t number;
	if (!str_cut_word(&v, &foundation) || !str_cut_word(&v, &component) ||
	    !str_cut_word(&v, &transport) || !str_cut_word(&v, &priority) ||
	    !str_cut_word(&v, &ip) || !str_cut_word(&v, &port) || !str_cut_word(&v, &typ) ||
	    !str_cut_word(&v, &type) || !str_ieq(transport, STR("UDP")) ||
	    !str_eq(typ, STR("typ")) || !is_candidate_type(type)) {
		return false;
	}
	if (str_to_u16(component, ICE_COMPONENTS, &number) != OK || number == 0 ||
	    str_to_u32(priority, INT32_MAX, &out->priority) != OK ||
	    addr_parse_ip(ip, &out->addr) != OK || !addr_is_host(&out->addr)) {
		return false;
	}
	out->component = number - 1u;
	return str_to_u16(port, UINT16_MAX, &out->addr.port) == OK && out->addr.port != 0;
}

bool sdp_ice_find_candidate(const struct sdp_media *m, unsigned component, uint8_t family,
			    struct addr *out)
{
	struct candidate c, best = {0};
	unsigned lines = 0;
	bool found = false, fits = false;
	for (const struct sdp_attr *a = sdp_find_attr(&m->attrs, STR("candidate"));
	     a && lines < LIMIT_CANDIDATES;
	     a = sdp_next_attr(&m->attrs, STR("candidate"), a), lines++) {
		if (!read_candidate(a->value, &c) || c.component != component) {
			continue;
		}
		bool same = c.addr.family == family;
		if (!found || (same && !fits) || (same == fits && c.priority > best.priority)) {
			best = c;
			found = true;
			fits = same;
		}
	}
	if (found) {
		*out = best.addr;
	}
	return found;
}

/*
 * Is the default address none of the candidates (RFC 8839 §4.2.5)? Then something on the way has changed one and not the
 * other. Not said of addresses that are still to come, nor where a candidate cannot be read.
 */
static bool is_mismatch(const struct sdp *sdp, const struct sdp_media *m)
{
	const struct sdp_conn *conn = sdp_conn_of(sdp, m);
	struct candidate c;
	unsigned lines = 0;
	if (!conn || !addr_is_host(&conn->ip) || m->port == PORT_TRICKLE) {
		return false;
	}
	for (const struct sdp_attr *a = sdp_find_attr(&m->attrs, STR("candidate")); a;
	     a = sdp_next_attr(&m->attrs, STR("candidate"), a)) {
		if (++lines > LIMIT_CANDIDATES || !read_candidate(a->value, &c)) {
			return false;
		}
		if (addr_eq_ip(&c.addr, &conn->ip) && c.addr.port == m->port) {
			return false;
		}
	}
	return lines > 0;
}

static struct said read_said(const struct sdp *sdp, const struct sdp_media *m)
{
	const struct sdp_attr *ufrag = sdp_find_any(sdp, m, STR("ice-ufrag")),
			      *pwd = sdp_find_any(sdp, m, STR("ice-pwd")),
			      *options = sdp_find_any(sdp, m, STR("ice-options"));
	struct said s = {0};
	if (!ufrag || !pwd || !leg_is_rtp(m->proto) || !ice_words_check(ufrag->value, pwd->value) ||
	    sdp_find_attr(&m->attrs, STR("ice-mismatch"))) {
		return s;
	}
	s = (struct said){.ice = true, .ufrag = ufrag->value, .pwd = pwd->value};
	s.lite = sdp_find_attr(&sdp->attrs, STR("ice-lite")) != NULL;
	s.trickle = options && has_word(options->value, STR("trickle"));
	s.mismatch = is_mismatch(sdp, m);
	return s;
}

bool sdp_ice_is_said(const struct sdp *sdp, const struct sdp_media *m)
{
	return read_said(sdp, m).ice;
}

/* ---- offer and answer */

static bool may_take(const struct sdp_relay *x, const struct said *s)
{
	return s->ice && !s->mismatch && !(x->flags->words & FLAGS_REJECT_ICE);
}

/* Without a word ICE goes on where it was, and to whom the sender is one of its kind. */
static bool is_wanted(const struct sdp_relay *x, const struct said *s, const struct leg_media *to,
		      bool rtp)
{
	if (!rtp || x->flags->ice == FLAGS_ICE_REMOVE ||
	    (to && to->ice.declined && !(x->flags->words & FLAGS_RESET))) {
		return false;
	}
	return x->flags->ice == FLAGS_ICE_FORCE || s->ice || (to && to->ice.agreed);
}

unsigned sdp_ice_needs(const struct sdp_relay *x, size_t i)
{
	const struct sdp_media *m = &x->sdp->media[i];
	const struct said s = read_said(x->sdp, m);
	unsigned out = may_take(x, &s);
	if (is_wanted(x, &s, i < x->to->media_count ? x->to->media[i] : NULL,
		      leg_is_rtp(m->proto))) {
		out |= 2;
	}
	return out;
}

void sdp_ice_take_offer(const struct sdp_relay *x, size_t i)
{
	const struct said s = read_said(x->sdp, &x->sdp->media[i]);
	struct leg_ice *from = &x->from->media[i]->ice, *to = &x->to->media[i]->ice;
	const bool asked = (x->flags->words & FLAGS_TRICKLE_ICE) != 0;
	from->said = may_take(x, &s) && from->agent;
	from->mismatch = s.mismatch && !(x->flags->words & FLAGS_REJECT_ICE);
	from->lite = s.lite;
	from->trickle = s.trickle || asked;
	if (x->flags->words & FLAGS_RESET) {
		to->declined = false;
	}
	to->wanted =
		is_wanted(x, &s, x->to->media[i], leg_is_rtp(x->to->media[i]->proto)) && to->agent;
	to->trickle = asked;
	if (from->said) {
		struct ice_local fresh;
		ice_local_make(&fresh, x->rng);
		ice_signal(from->agent, s.ufrag, s.pwd, &fresh);
		secret_wipe(&fresh, sizeof(fresh));
	}
}

void sdp_ice_take_answer(const struct sdp_relay *x, size_t i)
{
	const struct said s = read_said(x->sdp, &x->sdp->media[i]);
	struct leg_ice *from = &x->from->media[i]->ice, *to = &x->to->media[i]->ice;
	from->said = from->wanted && s.ice && !s.mismatch;
	from->agreed = from->said;
	from->declined = from->wanted && !from->said;
	from->lite = s.lite;
	to->agreed = to->said && x->flags->ice != FLAGS_ICE_REMOVE;
	if (from->agreed) {
		ice_signal(from->agent, s.ufrag, s.pwd, NULL);
	}
}

/* ---- writing */

static bool is_shown(const struct sdp_relay *x, const struct leg_media *to)
{
	return to->active && (x->answer ? to->ice.agreed : to->ice.wanted);
}

void sdp_ice_write_session(const struct sdp_relay *x, struct buf *b)
{
	for (size_t i = 0; i < x->to->line_count; i++) {
		if (is_shown(x, x->to->media[i]) && x->from->media[i]->active) {
			buf_lit(b, "a=ice-lite\r\n");
			return;
		}
	}
}

static void write_candidate(struct buf *b, unsigned component, unsigned port,
			    const struct addr *shown)
{
	buf_printf(b, "a=candidate:1 %u UDP %u ", component + 1,
		   component == LEG_RTP ? (unsigned)PRIORITY_RTP : (unsigned)PRIORITY_RTCP);
	addr_write_ip(b, shown);
	buf_printf(b, " %u typ host\r\n", port);
}

void sdp_ice_write(const struct sdp_relay *x, struct buf *b, size_t i, const struct addr *shown)
{
	const struct leg_media *to = x->to->media[i];
	if (x->answer && to->ice.mismatch) {
		buf_lit(b, "a=ice-mismatch\r\n");
	}
	if (!is_shown(x, to)) {
		return;
	}
	const struct ice_local *l = &to->ice.agent->local[0];
	buf_lit(b, "a=ice-ufrag:");
	buf_bytes(b, l->ufrag, sizeof(l->ufrag));
	buf_lit(b, "\r\na=ice-pwd:");
	buf_bytes(b, l->pwd, sizeof(l->pwd));
	buf_z(b, to->ice.trickle ? "\r\na=ice-options:ice2 trickle\r\n"
				 : "\r\na=ice-options:ice2\r\n");
	write_candidate(b, LEG_RTP, to->port, shown);
	if (!(x->answer ? to->mux.agreed : to->mux.only)) {
		write_candidate(b, LEG_RTCP, to->port + 1u, shown);
	}
	if (to->ice.trickle) {
		buf_lit(b, "a=end-of-candidates\r\n");
	}
}

/* ---- trickle */

static struct leg_media *find_mid(const struct leg *l, struct str mid)
{
	for (unsigned i = 0; i < l->media_count; i++) {
		if (mid.len > 0 && str_eq(str_from(l->media[i]->name.mid), mid)) {
			return l->media[i];
		}
	}
	return NULL;
}

/*
 * Only an address that was not there yet is taken: of an agent of ICE we need none, and a fragment is no way to move
 * the media of another.
 */
unsigned sdp_ice_take_fragment(struct leg *l, struct str text)
{
	struct leg_media *m = l->media_count == 1 ? l->media[0] : NULL;
	struct str line;
	unsigned lines = 0, used = 0, index = 0;
	while (str_cut(&text, '\n', &line)) {
		struct candidate c;
		line = str_trim(line);
		if (str_has_prefix(line, STR("m="))) {
			m = index < l->media_count ? l->media[index] : NULL;
			index++;
			lines = 0;
		} else if (str_has_prefix(line, STR("a=mid:"))) {
			m = find_mid(l, str_from_offset(line, 6));
		} else if (m && str_has_prefix(line, STR("a=candidate:")) &&
			   ++lines <= LIMIT_CANDIDATES &&
			   read_candidate(str_from_offset(line, 12), &c)) {
			bool open = m->active && m->ice.said &&
				    m->remote[c.component].family == ADDR_NONE;
			if (open) {
				m->remote[c.component] = c.addr;
			}
			used++;
		}
	}
	return used;
}
