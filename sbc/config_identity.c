#include "sbc/config_build.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/crypto.h"
#include "common/es256.h"
#include "common/secret.h"
#include "policy/attest.h"
#include "sbc/core/credential.h"
#include "sbc/core/passport.h"

enum { PATH_LEN_MAX = 1024, UUID_LEN = 36 };

/* ---- the signer */

/* How many octets; 0 after saying why. */
static size_t read_key(struct config_build *g, const struct conf_node *n, const char *path,
		       char *out, size_t cap)
{
	struct stat st;
	size_t len = 0;

	errno = 0;
	FILE *f = fopen(path, "re");
	if (f) {
		setvbuf(f, NULL, _IONBF, 0); /* no copy of it in a buffer */
		len = fread(out, 1, cap, f);
	}
	if (!f || ferror(f))
		conf_error(g->report, n, "%s cannot be read: %s", path, strerror(errno));
	else if (len == 0)
		conf_error(g->report, n, "%s is empty", path);
	else if (fstat(fileno(f), &st) == 0 && (st.st_mode & S_IRWXO))
		conf_warn(g->report, n, "%s can be read by every user of this host", path);
	if (f && ferror(f))
		len = 0;
	if (f)
		fclose(f);
	return len;
}

/* Into the arena, which is wiped at its end. STR_NONE after saying why. */
static struct str read_key_file(struct config_build *g, const struct conf_node *n, struct str path)
{
	char z[PATH_LEN_MAX], mem[ES256_PEM_MAX];
	struct str out = STR_NONE;

	if (str_copy(path, z, sizeof(z)) != OK) {
		conf_error(g->report, n, "the path is too long");
		return STR_NONE;
	}
	size_t len = read_key(g, n, z, mem, sizeof(mem));
	char *to = len ? config_get(g, len, 1) : NULL;
	if (to) {
		memcpy(to, mem, len);
		out = (struct str){to, len};
	}
	secret_wipe(mem, sizeof(mem));
	return out;
}

static void build_signer(struct config_build *g)
{
	const struct raw_signer *from = &g->raw->identity.signer;
	struct identity_signer *to = &g->s->signer;
	struct es256_key *key = NULL;
	struct credential_url url;

	if (!from->head.node)
		return;
	const struct conf_node *n = conf_node_at(from->head.node, "key");
	to->on = true;
	to->certificate_url = from->certificate_url;
	if (from->certificate_url.len > 0 && credential_read_url(from->certificate_url, &url) != OK)
		conf_error(g->report, conf_node_at(from->head.node, "certificate_url"),
			   "\"%.*s\": not https://HOST[:PORT]/PATH without user and fragment",
			   STR_ARG(from->certificate_url));
	to->key_pem = from->key.value;
	if (to->key_pem.len == 0 && from->key.path.len > 0)
		to->key_pem = read_key_file(g, n, from->key.path);
	if (to->key_pem.len > 0 && es256_key_new(&key, to->key_pem) != OK)
		conf_error(g->report, n,
			   "no private key of P-256 in PEM, or one that needs a password");
	es256_key_free(&key);
}

static enum facts_attest letter_of(uint32_t word)
{
	return (enum facts_attest)(FACTS_ATTEST_A - word);
}

/* ---- the verifier */

static void build_verifier(struct config_build *g)
{
	const struct raw_verifier *from = &g->raw->identity.verifier;
	const struct str *hosts = from->hosts.items;
	struct identity_verifier *to = &g->s->verifier;

	if (!from->head.node)
		return;
	*to = (struct identity_verifier){.on = true,
					 .anchors = from->anchors,
					 .max_age_ms = from->max_age,
					 .cache_ms = from->cache,
					 .fetch_timeout_ms = from->fetch_timeout,
					 .hosts = hosts,
					 .host_count = from->hosts.count,
					 .networks = from->networks.items,
					 .network_count = from->networks.count};
	for (size_t i = 0; i < from->hosts.count; i++) {
		const struct conf_node *n = conf_item_node(&from->hosts, i, from->head.node);
		if (!credential_is_host(hosts[i]))
			conf_error(
				g->report, n,
				"\"%.*s\": allowed: HOST, *.DOMAIN, *, each with :PORT behind it",
				STR_ARG(hosts[i]));
		else if (str_has_prefix(hosts[i], STR("*")) && !str_has_prefix(hosts[i], STR("*.")))
			conf_warn(g->report, n,
				  "whoever calls may make us ask any public server for a "
				  "certificate");
	}
	if (!str_eq(from->https, STR("public"))) {
		uint16_t at = config_find_anchor(g, from->https, &from->head, "https");
		if (at < g->s->anchor_count)
			to->https_anchors = g->s->anchors[at].path;
	}
}

/* ---- policies */

/* "accept", "reject", "reject 438". */
static struct attest_action read_action(struct config_build *g, const struct conf_head *h,
					const char *key, struct str text, uint16_t status)
{
	struct attest_action a = {.status = status};
	struct str word, rest = text;
	bool good = str_cut_word(&rest, &word);

	if (good && str_eq(word, STR("reject"))) {
		a.reject = true;
		if (str_cut_word(&rest, &word))
			good = str_to_u16(word, 699, &a.status) == OK && a.status >= 400;
	} else {
		good = good && str_eq(word, STR("accept"));
	}
	if (!good || str_cut_word(&rest, &word)) {
		conf_error(g->report, conf_node_at(h->node, key),
			   "\"%.*s\": allowed: accept, reject, reject STATUS (400 to 699)",
			   STR_ARG(text));
		return (struct attest_action){.reject = true, .status = status};
	}
	return a;
}

static void build_below(struct config_build *g, const struct raw_below *from,
			struct attest_policy *to)
{
	enum { BELOW_STATUS = 433 }; /* nobody answers for who calls */
	const struct {
		const char *key;
		struct str text;
		enum facts_attest bar;
	} bars[] = {{"A", from->a, FACTS_ATTEST_A}, {"B", from->b, FACTS_ATTEST_B}};

	for (size_t i = 0; i < ARRAY_LEN(bars); i++) {
		if (bars[i].text.len == 0)
			continue;
		to->below_given[bars[i].bar] = true;
		to->below[bars[i].bar] =
			read_action(g, &from->head, bars[i].key, bars[i].text, BELOW_STATUS);
	}
}

static void build_policy(struct config_build *g, const struct raw_attest_policy *from,
			 struct attest_policy *to)
{
	const struct {
		const char *key;
		struct str text;
		enum facts_fault fault;
	} actions[] = {{"missing", from->missing, FACTS_FAULT_MISSING},
		       {"invalid", from->invalid, FACTS_FAULT_INVALID},
		       {"stale", from->stale, FACTS_FAULT_STALE},
		       {"info", from->info, FACTS_FAULT_INFO},
		       {"credential", from->credential, FACTS_FAULT_CREDENTIAL},
		       {"on_error", from->on_error, FACTS_FAULT_OURS}};

	to->name = from->head.name;
	to->place = config_place(from->head.node);
	to->caller = from->caller;
	to->called = from->called;
	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		to->on_fault[actions[i].fault] =
			read_action(g, &from->head, actions[i].key, actions[i].text,
				    attest_status(actions[i].fault));
	build_below(g, &from->below, to);
}

void config_build_identity(struct config_build *g)
{
	const struct conf_list *l = &g->raw->identity.policies;
	const struct raw_attest_policy *from = l->items;
	struct attest_policy *to = config_get(g, l->count, sizeof(*to));

	build_signer(g);
	build_verifier(g);
	for (size_t i = 0; to && i < l->count; i++)
		if (from[i].head.node->kind == CONF_MAP)
			build_policy(g, &from[i], &to[i]);
	g->s->policy.attest = to;
	g->s->policy.attest_count = l->count;
}

/* ---- trunks and groups */

static void build_owned(struct config_build *g, const struct raw_trunk_identity *from,
			struct attest_origin *to)
{
	const struct str *owns = from->owns.items;
	size_t n = from->owns.count;
	struct attest_number *list = config_get(g, n, sizeof(*list));

	for (size_t i = 0; list && i < n; i++) {
		char mem[PASSPORT_NUMBER_MAX + 1];
		struct str text = owns[i];
		struct buf b;
		buf_init(&b, mem, sizeof(mem));
		bool all = str_has_suffix(text, STR("*"));
		text.len -= all;
		if ((text.len == 0 && all) || passport_write_tn(&b, text))
			list[to->owned_count++] =
				(struct attest_number){arena_str(g->arena, buf_view(&b)), all};
		else
			conf_error(g->report, conf_item_node(&from->owns, i, from->head.node),
				   "\"%.*s\": not a number; allowed: +4930555123, +4930555* for "
				   "all that begin so",
				   STR_ARG(owns[i]));
	}
	if (list)
		attest_sort(list, to->owned_count);
	to->owned = list;
}

/* A UUID (RFC 9562 §5.8) that tells trunks apart and says nothing of them: the same in each start. */
static struct str make_origid(struct config_build *g, struct str trunk)
{
	uint8_t hash[CRYPTO_SHA256_LEN];
	struct str key = g->s->signer.key_pem;
	char *to = config_get(g, UUID_LEN + 1, 1);
	struct buf b;

	if (!to)
		return STR_NONE;
	crypto_hmac_sha256(key.p ? key.p : "", key.len, trunk.p, trunk.len, hash);
	hash[6] = (uint8_t)((hash[6] & 0x0f) | 0x80);
	hash[8] = (uint8_t)((hash[8] & 0x3f) | 0x80);
	buf_init(&b, to, UUID_LEN);
	for (size_t i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			buf_char(&b, '-');
		buf_hex(&b, &hash[i], 1);
	}
	return buf_view(&b);
}

void config_build_trunk_identity(struct config_build *g, const struct raw_trunk_identity *from,
				 struct trunk *to, struct trunk_rule *rule)
{
	const struct raw_identity *all = &g->raw->identity;
	struct trunk_identity *t = &to->identity;

	t->sign = from->sign;
	t->shown = from->verstat;
	if (all->signer.head.node) {
		t->origin.own = letter_of(all->signer.attest.owned);
		t->origin.other = from->attest ? letter_of(from->attest - 1)
					       : letter_of(all->signer.attest.other);
		t->origid = make_origid(g, to->name);
	}
	if (!from->head.node)
		return;
	build_owned(g, from, &t->origin);
	if (from->sign && !all->signer.head.node)
		conf_error(g->report, conf_node_at(from->head.node, "sign"),
			   "there is no identity.signer to sign with");
	uint16_t at = config_find(g, &all->policies, sizeof(struct raw_attest_policy),
				  "identity.policies", from->verify,
				  conf_node_at(from->head.node, "verify"));
	if (at == SETTINGS_NO_INDEX)
		return;
	if (!all->verifier.head.node)
		conf_error(g->report, conf_node_at(from->head.node, "verify"),
			   "there is no identity.verifier to verify with");
	rule->attest = g->s->policy.attest ? &g->s->policy.attest[at] : NULL;
}
