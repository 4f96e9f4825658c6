#include "hosts.h"

static bool line_has(struct str line, struct str name)
{
	struct str word;
	while (str_cut_word(&line, &word))
		if (str_ieq(word, name))
			return true;
	return false;
}

size_t hosts_find(struct str text, struct str name, enum addr_family family, struct addr *out,
		  size_t max)
{
	struct str line, word;
	size_t count = 0;
	while (count < max && str_cut(&text, '\n', &line)) {
		struct addr a;
		line.len = str_index(line, '#');
		line = str_trim(line);
		if (!str_cut_word(&line, &word) || addr_parse_ip(word, &a) != OK ||
		    a.family != family || !line_has(line, name))
			continue;
		a.port = 0;
		out[count++] = a;
	}
	return count;
}
