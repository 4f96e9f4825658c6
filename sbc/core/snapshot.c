#include "sbc/core/snapshot.h"

#include "policy/facts.h"
#include "sbc/core/bind.h"
#include "sbc/core/codec.h"

static void name(struct codec *k, struct str *s)
{
	codec_line(k, s, SNAPSHOT_NAME_MAX);
}

static void sdp(struct codec *k, struct str *s, bool no_sdp)
{
	struct str none = STR_NONE;

	codec_bytes(k, no_sdp ? &none : s, SNAPSHOT_SDP_MAX);
	if (!k->out && memchr(s->p ? s->p : "", 0, s->len))
		codec_refuse(k);
}

static void name_of(struct codec *k, struct hide_name *n)
{
	codec_u32(k, &n->boot, UINT32_MAX);
	codec_u64(k, &n->id);
}

/* ---- the fields, in their order */

static void dialog(struct codec *k, struct snapshot_leg *l)
{
	for (unsigned t = 0; t < DIALOG_TEXT_COUNT; t++) {
		codec_bytes(k, &l->text[t], SNAPSHOT_TEXT_MAX);
		if (!k->out && !codec_is_line(l->text[t], t == DIALOG_ROUTES))
			codec_refuse(k);
	}
	bool *const b[] = {
		&l->remote_cseq_known, &l->secure, &l->confirmed, &l->invite_ours, &l->ended,
		&l->admitted,          &l->stream};
	codec_bits(k, b, ARRAY_LEN(b));
	codec_u8(k, &l->role, DIALOG_ROLE_COUNT - 1);
	codec_u32(k, &l->local_cseq, INT32_MAX);
	codec_u32(k, &l->remote_cseq, UINT32_MAX);
	codec_u32(k, &l->invite_cseq, UINT32_MAX);
	codec_u8(k, &l->refers, UINT8_MAX);
	if (l->text[DIALOG_CALL_ID].len == 0 || l->text[DIALOG_LOCAL_TAG].len == 0)
		codec_refuse(k);
}

static void path(struct codec *k, struct snapshot_leg *l)
{
	name(k, &l->realm);
	name(k, &l->trunk);
	name(k, &l->peer);
	codec_line(k, &l->user, BIND_NAME_MAX);
	codec_u8(k, &l->transport, TRANSPORT_COUNT - 1);
	codec_address(k, &l->local);
	codec_address(k, &l->remote);
	name_of(k, &l->home);
	codec_u32(k, &l->home_epoch, UINT32_MAX);
}

static void session(struct codec *k, struct session_timer *t)
{
	bool *const b[] = {&t->on, &t->running, &t->we_refresh, &t->peer_knows, &t->peer_updates};

	codec_bits(k, b, ARRAY_LEN(b));
	if (!t->on)
		return;
	codec_u8(k, &t->refusals, SESSION_TIMER_422_MAX);
	codec_u32(k, &t->want_s, UINT32_MAX);
	codec_u32(k, &t->min_s, UINT32_MAX);
	codec_u32(k, &t->floor_s, UINT32_MAX);
	codec_u32(k, &t->expires_s, UINT32_MAX);
	codec_when(k, &t->refresh_ms);
	codec_when(k, &t->expire_ms);
	if (t->running && (t->expire_ms == 0 || t->expires_s < SESSION_TIMER_LEAST_S))
		codec_refuse(k);
}

static void media_of_leg(struct codec *k, struct snapshot_leg *l, bool no_sdp)
{
	bool *const b[] = {&l->agreed_ever, &l->keys_plain, &l->face.sdp.labels,
			   &l->uuid_known,  &l->uuid_made,  &l->uuid_old};

	codec_bits(k, b, ARRAY_LEN(b));
	codec_u8(k, &l->keys_by, CALL_KEYS_INFO);
	codec_when(k, &l->silent_ms);
	codec_u64(k, &l->face.sdp.hash);
	codec_u32(k, &l->face.sdp.id, UINT32_MAX);
	codec_u32(k, &l->face.sdp.version, UINT32_MAX);
	codec_u8(k, &l->face.sdp.allow, SDP_FACE_ICE | SDP_FACE_DTLS);
	codec_u8(k, &l->face.proto, SDP_PROTO_COUNT);
	codec_u8(k, &l->face.suite, SDES_SUITE_COUNT);
	if (l->uuid_known)
		codec_fixed(k, l->uuid, SESSION_ID_LEN);
	for (size_t i = 0; l->uuid_known && i < SESSION_ID_LEN; i++)
		if (!(l->uuid[i] >= '0' && l->uuid[i] <= '9') &&
		    !(l->uuid[i] >= 'a' && l->uuid[i] <= 'f'))
			codec_refuse(k);
	sdp(k, &l->shown, no_sdp);
	sdp(k, &l->agreed, no_sdp);
}

static void attempt(struct codec *k, struct snapshot_attempt *a, unsigned numbers)
{
	name(k, &a->trunk);
	name(k, &a->peer);
	codec_when(k, &a->start_ms);
	codec_u32(k, &a->ms, UINT32_MAX);
	codec_u16(k, &a->status);
	codec_u8(k, &a->cause, UINT8_MAX);
	codec_u8(k, &a->number, numbers);
}

static void identity(struct codec *k, struct call_identity *i)
{
	bool *const b[] = {&i->diverted};

	codec_u8(k, &i->verstat, FACTS_VERSTAT_COUNT - 1);
	codec_u8(k, &i->fault, FACTS_FAULT_COUNT - 1);
	codec_u8(k, &i->attest, FACTS_ATTEST_COUNT - 1);
	codec_u8(k, &i->signed_as, FACTS_ATTEST_COUNT - 1);
	codec_bits(k, b, ARRAY_LEN(b));
	name(k, &i->origid);
}

static void record(struct codec *k, struct snapshot *x)
{
	codec_line(k, &x->name, 2 * SNAPSHOT_NAME_MAX);
	codec_line(k, &x->last, 2 * SNAPSHOT_NAME_MAX);
	codec_line(k, &x->next, 2 * SNAPSHOT_NAME_MAX);
	codec_when(k, &x->start_ms);
	codec_when(k, &x->ring_ms);
	codec_when(k, &x->early_ms);
	codec_when(k, &x->answer_ms);
	name(k, &x->route);
	codec_u16(k, &x->status);
	codec_u16(k, &x->q850);
	for (unsigned i = 0; i < SNAPSHOT_TEXTS; i++)
		codec_bytes(k, &x->text[i], 2 * SNAPSHOT_NAME_MAX);
	codec_u8(k, &x->number_count, SNAPSHOT_NUMBERS_MAX);
	for (unsigned i = 0; i < x->number_count && i < SNAPSHOT_NUMBERS_MAX; i++)
		name(k, &x->numbers[i]);
	codec_u8(k, &x->attempt_count, CDR_ATTEMPTS_MAX);
	for (unsigned i = 0; i < x->attempt_count && i < CDR_ATTEMPTS_MAX; i++)
		attempt(k, &x->attempts[i], x->number_count);
	identity(k, &x->identity);
	codec_u8(k, &x->transfers, UINT8_MAX);
	codec_u8(k, &x->refers, UINT8_MAX);
	if (x->name.len == 0 || x->answer_ms == 0 || x->answer_ms < x->start_ms)
		codec_refuse(k);
}

static void media(struct codec *k, struct snapshot *x)
{
	bool *const b[] = {&x->hidden,     &x->wrote_offer, &x->anchored,
			   &x->media_open, &x->media_known, &x->seen.any};

	codec_bits(k, b, ARRAY_LEN(b));
	name(k, &x->relay);
	codec_u8(k, &x->session, UINT8_MAX);
	codec_u32(k, &x->seen.top, UINT32_MAX);
	codec_u32(k, &x->seen.below, UINT32_MAX);
	struct str codec = {x->codec, k->out ? strnlen(x->codec, MEDIA_CODEC_LEN - 1) : 0};
	codec_line(k, &codec, MEDIA_CODEC_LEN - 1);
	if (!k->out && str_copy(codec, x->codec, sizeof(x->codec)) != OK)
		codec_refuse(k);
	codec_u8(k, &x->agreed_by, 1);
}

static void walk(struct codec *k, struct snapshot *x, bool no_sdp)
{
	name_of(k, &x->key);
	codec_u32(k, &x->epoch, UINT32_MAX);
	name(k, &x->node);
	codec_u32(k, &x->boot, UINT32_MAX);
	if (x->key.id == ID_NONE || x->node.len == 0)
		codec_refuse(k);
	record(k, x);
	media(k, x);
	for (unsigned side = 0; side < 2; side++) {
		dialog(k, &x->leg[side]);
		path(k, &x->leg[side]);
		session(k, &x->leg[side].session);
		media_of_leg(k, &x->leg[side], no_sdp);
	}
}

/* ---- both ways */

static bool write(struct buf *b, const struct snapshot *x, bool no_sdp)
{
	size_t at = b->len;
	struct codec k = {.out = b};

	buf_char(b, SNAPSHOT_VERSION);
	walk(&k, (struct snapshot *)(uintptr_t)x, no_sdp); /* which only reads it */
	return !b->overflow && b->len - at <= SNAPSHOT_MAX;
}

void snapshot_encode(struct buf *b, const struct snapshot *x)
{
	CHECK(b && x);
	size_t at = b->len;

	if (b->overflow || write(b, x, false))
		return;
	/* It can still be ended, and answered; only its media cannot be said again. */
	b->len = at;
	b->overflow = false;
	if (!write(b, x, true))
		b->overflow = true;
}

enum err snapshot_decode(struct str in, struct snapshot *out)
{
	CHECK(out);
	struct snapshot x;
	struct codec k = {.in = rd_init(in.p, in.len)};

	if (in.len == 0 || in.len > SNAPSHOT_MAX)
		return ERR_BAD;
	if (rd_u8(&k.in) != SNAPSHOT_VERSION)
		return ERR_UNSUPPORTED;
	memset(&x, 0, sizeof(x));
	walk(&k, &x, false);
	if (!codec_is_whole(&k))
		return ERR_BAD;
	*out = x;
	return OK;
}
