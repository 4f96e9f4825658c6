/* Session timers (RFC 4028). */
#include "common/check.h"
#include "tests/sim/ua_inside.h"

/* What our request says of the timer in force: we go on refreshing if we do. */
const char *ua_timer_ask(struct ua *u, const struct ua_dialog *d, char *mem, size_t n)
{
	struct buf b;
	buf_init(&b, mem, n);
	buf_lit(&b, "Supported: timer\r\n");
	if (!d->expires_s)
		return u->plan.timer.expires_s ? "Supported: timer\r\n" : NULL;
	buf_printf(&b, "Session-Expires: %u;refresher=ua%c\r\n", d->expires_s,
		   d->refresh_ms || u->plan.timer.lazy ? 'c' : 's');
	buf_char(&b, 0);
	return mem;
}

static bool read_expires(const struct sip_text *m, uint32_t *out_s, char *out_refresher)
{
	struct str v = sip_text_header(m, "Session-Expires", 0), who, piece;
	if (!v.len)
		return false;
	who = sip_text_param(v, "refresher");
	*out_refresher = str_eq(who, STR("uac")) ? 'c' : str_eq(who, STR("uas")) ? 's' : 0;
	return str_cut(&v, ';', &piece) && str_to_u32(str_trim(piece), 1000000, out_s) == OK;
}

static void set_timer(struct ua *u, struct ua_dialog *d, uint32_t expires_s, bool ours)
{
	uint64_t now = ua_now(u), ms = (uint64_t)expires_s * 1000;
	d->expires_s = expires_s;
	d->refresh_ms = ours && !u->plan.timer.lazy ? now + ms / 2 : 0;
	/* RFC 4028 §10: min(32 s, a third) before it expires. */
	d->expiry_ms = ours ? 0 : now + ms - (ms / 3 < 32000 ? ms / 3 : 32000);
}

bool ua_timer_refuses(struct ua *u, const struct sip_text *m, struct ua_txn *x)
{
	char mem[64], who;
	uint32_t s;
	struct buf b;
	if (!u->plan.timer.min_s || !read_expires(m, &s, &who) || s >= u->plan.timer.min_s)
		return false;
	buf_init(&b, mem, sizeof(mem));
	buf_printf(&b, "Min-SE: %u\r\n", u->plan.timer.min_s);
	buf_char(&b, 0);
	ua_respond(u, x,
		   &(struct ua_response){
			   .status = 422, .to_tag = ua_make_token(u, "t"), .extra = mem});
	return true;
}

const char *ua_timer_answer(struct ua *u, struct ua_dialog *d, const struct sip_text *request,
			    char *mem, size_t n)
{
	struct buf b;
	uint32_t s = 0;
	char who = 0;
	bool can = ua_supports(request, "timer");
	bool asked = read_expires(request, &s, &who);
	d->expires_s = 0;
	d->refresh_ms = d->expiry_ms = 0;
	if (!asked && !u->plan.timer.expires_s)
		return NULL;
	uint32_t least = 90;
	(void)!str_to_u32(sip_text_header(request, "Min-SE", 0), 86400, &least);
	if (!asked || (u->plan.timer.expires_s && u->plan.timer.expires_s < s))
		s = u->plan.timer.expires_s;
	s = s < least ? least : s;
	if (asked && who && !can)
		ua_fault(u, INV_FORM, "was asked for a session timer without Supported: timer");
	if (!who)
		who = can && u->plan.timer.refresher == 'c' ? 'c' : 's';
	buf_init(&b, mem, n);
	buf_printf(&b, "%sSession-Expires: %u;refresher=ua%c\r\n",
		   who == 'c' ? "Require: timer\r\n" : "", s, who);
	buf_char(&b, 0);
	set_timer(u, d, s, who == 's');
	return mem;
}

void ua_timer_agreed(struct ua *u, struct ua_dialog *d, const struct sip_text *response)
{
	uint32_t s;
	char who;
	d->expires_s = 0;
	d->refresh_ms = d->expiry_ms = 0;
	if (!read_expires(response, &s, &who))
		return;
	if (!who)
		ua_fault(u, INV_FORM, "got Session-Expires without a refresher");
	if (s < 90)
		ua_fault(u, INV_FORM, "got Session-Expires %u", s);
	set_timer(u, d, s, who == 'c');
}

void ua_tick_timer(struct ua *u, struct ua_dialog *d)
{
	uint64_t now = ua_now(u);
	if (d->state != UA_DIALOG_CONFIRMED)
		return;
	if (u->plan.mute) { /* it will not hear of the end either */
		d->refresh_ms = d->expiry_ms = 0;
		return;
	}
	if (d->expiry_ms && d->expiry_ms <= now) {
		d->expiry_ms = 0;
		ua_wants(u, INV_SCHEDULE, "was not refreshed in time");
		ua_send_bye(u, d);
		return;
	}
	if (!d->refresh_ms || d->refresh_ms > now)
		return;
	d->refresh_ms = now + (uint64_t)d->expires_s * 500;
	/* Busy: another request refreshes it as well. */
	if (ua_invite_is_open(u, d) || d->ok.len || d->talk.state != UA_TALK_IDLE) {
		d->refresh_ms = now + 2000;
		return;
	}
	u->refreshes++;
	ua_offer(u, d, u->plan.timer.by_invite ? UA_REINVITE : UA_UPDATE_PLAIN,
		 !u->plan.timer.by_invite, u->plan.timer.by_invite);
}
