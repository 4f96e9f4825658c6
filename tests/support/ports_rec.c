#include "tests/support/ports_rec.h"

#include <stdio.h>

#include "sbc/core/cdr.h"
#include "tests/support/store_model.h"

static void rec_send(void *ctx, const struct dest *d, struct str bytes, id_t64 tag)
{
	struct ports_rec *r = ctx;

	if (r->quiet && r->send_count == REC_SENDS)
		r->send_count = 0;
	if (r->quiet && bytes.len >= REC_BYTES)
		bytes.len = REC_BYTES - 1;
	CHECK(r->send_count < REC_SENDS && bytes.len < REC_BYTES);
	struct rec_send *s = &r->sends[r->send_count++];
	s->dest = *d;
	s->tag = tag;
	s->len = bytes.len;
	memcpy(s->bytes, bytes.p, bytes.len);
	s->bytes[bytes.len] = 0;
}

static void open_question(struct ports_rec *r, unsigned which, id_t64 id)
{
	CHECK(r->open_count[which] < REC_OPEN);
	r->open[which][r->open_count[which]++] = id;
}

void ports_rec_close(struct ports_rec *r, unsigned which, id_t64 id)
{
	for (size_t i = 0; i < r->open_count[which]; i++)
		if (r->open[which][i] == id) {
			r->open[which][i] = r->open[which][--r->open_count[which]];
			return;
		}
}

static void rec_resolve(void *ctx, const struct resolve_query *q, id_t64 id)
{
	struct ports_rec *r = ctx;

	open_question(r, 1, id);
	if (r->quiet && r->resolve_count == REC_ASKS)
		r->resolve_count = 0;
	CHECK(r->resolve_count < REC_ASKS);
	struct rec_ask *a = &r->resolves[r->resolve_count++];
	a->id = id;
	a->query = *q;
	a->len = q->host.len;
	memcpy(a->text, q->host.p, q->host.len);
	a->text[a->len] = 0;
}

static void rec_relay(void *ctx, const struct relay_query *q, id_t64 id)
{
	struct ports_rec *r = ctx;

	if (r->quiet && r->relay_count == REC_ASKS)
		r->relay_count = 0;
	open_question(r, 0, id);
	CHECK(r->relay_count < REC_ASKS && (r->quiet || q->bencode.len < REC_BYTES));
	struct rec_ask *a = &r->relays[r->relay_count++];
	a->id = id;
	a->len = q->bencode.len < REC_BYTES ? q->bencode.len : REC_BYTES - 1;
	memcpy(a->text, q->bencode.p, a->len);
	a->text[a->len] = 0;
	snprintf(a->command, sizeof(a->command), "%.*s", STR_ARG(q->command));
}

static void rec_credential(void *ctx, struct str url, id_t64 id)
{
	struct ports_rec *r = ctx;

	if (r->quiet && r->credential_count == REC_ASKS)
		r->credential_count = 0;
	CHECK(r->credential_count < REC_ASKS && url.len < REC_BYTES);
	struct rec_ask *a = &r->credentials[r->credential_count++];
	a->id = id;
	a->len = url.len;
	memcpy(a->text, url.p, url.len);
	a->text[a->len] = 0;
}

static void rec_publish(void *ctx, const struct notice *n)
{
	struct ports_rec *r = ctx;

	r->notices[n->type]++;
	if (n->type == NOTICE_BAN)
		r->ban_by = n->ban->by;
	if (n->type == NOTICE_DROPPED)
		r->drops[n->drop]++;
	if (n->type == NOTICE_REFUSED)
		snprintf(r->rule, sizeof(r->rule), "%.*s", STR_ARG(n->verdict->rule));
	if (n->type == NOTICE_OPINION)
		snprintf(r->why, sizeof(r->why), "%.*s", STR_ARG(n->why));
	if (n->type == NOTICE_CALL_ENDED && !r->quiet) {
		struct buf b;
		CHECK(n->cdr && r->cdr_len < REC_CDR);
		buf_init(&b, r->cdr + r->cdr_len, REC_CDR - r->cdr_len);
		cdr_write(&b, n->cdr);
		CHECK(!b.overflow);
		r->cdr_len += b.len;
	}
}

static void rec_opine(void *ctx, const struct opinion_query *q, id_t64 id)
{
	struct ports_rec *r = ctx;

	r->opinions++;
	r->opinion_id = id;
	snprintf(r->opinion, sizeof(r->opinion), "%.*s", STR_ARG(q->json));
}

static void rec_close(void *ctx, id_t64 flow)
{
	struct ports_rec *r = ctx;

	(void)flow;
	r->closes++;
}

static void rec_store(void *ctx, const struct store_op *op)
{
	struct ports_rec *r = ctx;

	r->stores++;
	if (r->store)
		store_model_post(r->store, r->store_node, op, r->store_now_ms);
}

struct ports ports_rec_table(struct ports_rec *r)
{
	return (struct ports){.ctx = r,
			      .send = rec_send,
			      .resolve = rec_resolve,
			      .relay = rec_relay,
			      .publish = rec_publish,
			      .close = rec_close,
			      .opine = rec_opine,
			      .store = rec_store,
			      .credential = rec_credential};
}

void ports_rec_clear(struct ports_rec *r)
{
	r->send_count = r->relay_count = r->resolve_count = 0;
}
