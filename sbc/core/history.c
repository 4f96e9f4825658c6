#include "sbc/core/history.h"

#include "policy/number.h"
#include "sbc/core/identity.h"
#include "sbc/core/uri.h"

/* ---- reasons (RFC 7544 §5, §6; RFC 4458) */

static const struct {
	struct str name;
	uint16_t cause;
} reasons[HISTORY_REASON_COUNT] = {
	[HISTORY_UNKNOWN] = {STR("unknown"), 404},
	[HISTORY_UNCONDITIONAL] = {STR("unconditional"), 302},
	[HISTORY_USER_BUSY] = {STR("user-busy"), 486},
	[HISTORY_NO_ANSWER] = {STR("no-answer"), 408},
	[HISTORY_DEFLECTION] = {STR("deflection"), 480},
	[HISTORY_UNAVAILABLE] = {STR("unavailable"), 503},
};

struct str history_reason_name(enum history_reason r)
{
	return reasons[r].name;
}

uint16_t history_cause(enum history_reason r)
{
	return reasons[r].cause;
}

enum history_reason history_reason_find(struct str name)
{
	if (name.len >= 2 && name.p[0] == '"')
		name = (struct str){name.p + 1, name.len - 2};
	for (unsigned r = 0; r < HISTORY_REASON_COUNT; r++)
		if (str_ieq(name, reasons[r].name))
			return (enum history_reason)r;
	return HISTORY_UNKNOWN; /* time-of-day, follow-me, away, …: there is no cause for them */
}

enum history_reason history_reason_of_cause(uint16_t cause)
{
	if (cause == 487) /* deflection during alerting; 480: at once */
		return HISTORY_DEFLECTION;
	for (unsigned r = 0; r < HISTORY_REASON_COUNT; r++)
		if (reasons[r].cause == cause)
			return (enum history_reason)r;
	return HISTORY_UNKNOWN;
}

/* ---- reading */

/* The oldest gives way; that it was there is still counted. */
static void push(struct history *h, struct history_entry e)
{
	if (h->count == HISTORY_MAX) {
		unsigned n = h->entry[0].counter + h->entry[1].counter;
		memmove(&h->entry[0], &h->entry[1], (HISTORY_MAX - 1) * sizeof(h->entry[0]));
		h->entry[0].counter = (uint8_t)(n < HISTORY_COUNTER_MAX ? n : HISTORY_COUNTER_MAX);
		h->count--;
	}
	h->entry[h->count++] = e;
}

static uint8_t read_counter(struct str s)
{
	uint16_t n;
	if (str_to_u16(s, HISTORY_COUNTER_MAX, &n) != OK || n == 0)
		return 1;
	return (uint8_t)n;
}

static bool is_full_privacy(struct str p)
{
	if (p.len >= 2 && p.p[0] == '"')
		p = (struct str){p.p + 1, p.len - 2};
	return p.len > 0 && !str_ieq(p, STR("off"));
}

/* The latest stands first. */
static void read_diversion(const struct msg *m, struct history *out)
{
	struct history_entry all[HISTORY_MAX];
	size_t cursor = 0, n = 0;
	struct str value, item, p;
	while (n < HISTORY_MAX && msg_next(m, HDR_DIVERSION, &cursor, &value))
		while (n < HISTORY_MAX && hdr_list_cut(&value, &item)) {
			struct name_addr a;
			if (name_addr_parse(item, &a) != OK || a.star)
				continue;
			all[n] = (struct history_entry){.uri = a.uri, .counter = 1};
			if (name_addr_param(&a, STR("reason"), &p))
				all[n].reason = history_reason_find(p);
			if (name_addr_param(&a, STR("counter"), &p))
				all[n].counter = read_counter(p);
			all[n].private =
				name_addr_param(&a, STR("privacy"), &p) && is_full_privacy(p);
			n++;
		}
	while (n > 0)
		push(out, all[--n]);
}

static unsigned levels(struct str index)
{
	unsigned n = index.len > 0;
	for (size_t i = 0; i < index.len; i++)
		n += index.p[i] == '.';
	return n;
}

/* `Privacy=history` among the headers of a URI. */
static bool asks_privacy(struct str headers)
{
	struct str one;
	while (str_cut(&headers, '&', &one)) {
		size_t n = str_index(one, '=');
		if (str_ieq((struct str){one.p, n}, STR("privacy")) &&
		    !str_ieq(str_from_offset(one, n + 1), STR("none")))
			return true;
	}
	return false;
}

/*
 * The first stands first. An entry has diverted if the next one says by its cause that it was diverted to; the others are
 * steps of routing, which concern no one.
 */
static void read_history_info(const struct msg *m, struct history *out)
{
	struct history_entry last = {.counter = 0}; /* counter 0: there is none */
	unsigned last_levels = 0;
	size_t cursor = 0;
	struct str value, item, p;
	while (msg_next(m, HDR_HISTORY_INFO, &cursor, &value))
		while (hdr_list_cut(&value, &item)) {
			struct name_addr a;
			struct uri u;
			uint16_t cause = 0;
			if (name_addr_parse(item, &a) != OK || a.star || uri_parse(a.uri, &u) != OK)
				continue;
			unsigned here = name_addr_param(&a, STR("index"), &p) ? levels(p) : 0;
			if (last.counter && uri_param(&u, STR("cause"), &p) &&
			    str_to_u16(p, 699, &cause) == OK) {
				last.reason = history_reason_of_cause(cause);
				if (here > last_levels + 1)
					last.counter =
						(uint8_t)(here - last_levels < HISTORY_COUNTER_MAX
								  ? here - last_levels
								  : HISTORY_COUNTER_MAX);
				push(out, last);
			}
			last = (struct history_entry){
				.uri = a.uri, .counter = 1, .private = asks_privacy(u.headers)};
			last_levels = here;
		}
}

void history_read(const struct msg *m, struct history *out)
{
	out->count = 0;
	out->form = DIVERSION_NONE;
	if (msg_has(m, HDR_HISTORY_INFO)) {
		read_history_info(m, out);
		out->form = DIVERSION_HISTORY_INFO;
	}
	if (out->count == 0 && msg_has(m, HDR_DIVERSION)) {
		read_diversion(m, out);
		out->form = DIVERSION_DIVERSION;
	}
	if (out->count == 0)
		out->form = DIVERSION_NONE;
}

/* ---- writing */

/* The number of entry e as that side is to see it; empty: none that could be shown. */
static struct str number_for(struct buf *mem, const struct history_entry *e,
			     const struct history_params *p)
{
	struct uri u;
	char a_mem[HISTORY_NUMBER_MAX], b_mem[HISTORY_NUMBER_MAX];
	struct buf raw, in;
	buf_init(&raw, a_mem, sizeof(a_mem));
	buf_init(&in, b_mem, sizeof(b_mem));
	if (uri_parse(e->uri, &u) != OK || u.scheme == URI_OTHER ||
	    str_ieq(u.host, STR("anonymous.invalid")) || uri_write_number(&raw, &u) != OK ||
	    raw.overflow)
		return STR_NONE;
	struct str n = number_of(p->in, NUMBER_ASSERTED, buf_view(&raw), &in);
	struct str made = number_of(p->out, NUMBER_ASSERTED, n, mem);
	if (made.p != n.p)
		return made;
	buf_reset(mem);
	buf_str(mem, n);
	return buf_view(mem);
}

/* `<sip:number@host…>`; anonymous where it is not to be shown. `tail`: what else stands within the brackets. */
static void write_entry_uri(struct buf *b, const struct history_entry *e,
			    const struct history_params *p, const char *tail)
{
	char mem[HISTORY_NUMBER_MAX];
	struct buf number;
	buf_init(&number, mem, sizeof(mem));
	struct str n = e->private && !p->to_trusted ? STR_NONE : number_for(&number, e, p);
	if (n.len == 0)
		buf_lit(b, "<sip:anonymous@anonymous.invalid>");
	else
		identity_write_uri(b, n, p->host, p->sips);
	if (!b->overflow)
		b->len--; /* the bracket */
	buf_z(b, tail);
	buf_char(b, '>');
}

static struct str cut_text(struct buf *text, size_t at)
{
	return text->overflow ? STR_NONE : (struct str){text->p + at, text->len - at};
}

static size_t write_diversion(struct buf *text, const struct history *h,
			      const struct history_params *p, struct rules_line *out)
{
	size_t n = 0;
	for (size_t i = h->count; i > 0; i--) {
		const struct history_entry *e = &h->entry[i - 1];
		size_t at = text->len;
		write_entry_uri(text, e, p, "");
		buf_lit(text, ";reason=");
		buf_str(text, history_reason_name(e->reason));
		buf_lit(text, ";counter=");
		buf_u64(text, e->counter);
		buf_z(text, e->private ? ";privacy=full" : ";privacy=off");
		out[n++] =
			(struct rules_line){.name = STR("Diversion"), .value = cut_text(text, at)};
	}
	return n;
}

static void write_index(struct buf *b, unsigned levels_below)
{
	buf_lit(b, ";index=1");
	while (levels_below-- > 0)
		buf_lit(b, ".1");
}

/* `;cause=` belongs to who was diverted to: the entry behind the one that diverted. */
static size_t write_history_info(struct buf *text, const struct history *h,
				 const struct history_params *p, struct rules_line *out)
{
	size_t at = text->len;
	unsigned below = 0, cause = 0;
	for (size_t i = 0; i < h->count; i++) {
		const struct history_entry *e = &h->entry[i];
		char tail[64];
		struct buf t;
		buf_init(&t, tail, sizeof(tail));
		if (cause)
			buf_printf(&t, ";cause=%u", cause);
		if (e->private)
			buf_lit(&t, "?Privacy=history");
		buf_char(&t, 0);
		if (i > 0)
			buf_lit(text, ", ");
		write_entry_uri(text, e, p, tail);
		write_index(text, below);
		below += e->counter;
		cause = history_cause(e->reason);
	}
	buf_lit(text, ", ");
	identity_write_uri(text, p->target, p->host, p->sips);
	if (!text->overflow)
		text->len--;
	buf_printf(text, ";cause=%u>", cause);
	write_index(text, below);
	out[0] = (struct rules_line){.name = STR("History-Info"), .value = cut_text(text, at)};
	return 1;
}

size_t history_lines(struct buf *text, const struct history *h, const struct history_params *p,
		     struct rules_line out[HISTORY_MAX])
{
	enum diversion_policy form = p->policy == DIVERSION_PASS ? h->form : p->policy;
	if (!p->from_trusted || p->hidden || h->count == 0 || form == DIVERSION_NONE ||
	    (p->policy == DIVERSION_PASS && !p->to_trusted))
		return 0;
	size_t n = form == DIVERSION_HISTORY_INFO ? write_history_info(text, h, p, out)
						  : write_diversion(text, h, p, out);
	for (size_t i = 0; i < n; i++)
		out[i].named = p->policy != DIVERSION_PASS;
	return text->overflow ? 0 : n;
}
