#include "err.h"

static const char *const names[ERR_INDEX_COUNT] = {[ERR_INDEX_OK] = "OK",
#define X(name, text) [ERR_INDEX_##name] = #name,
						   ERR_TABLE(X)
#undef X
};

static const char *const texts[ERR_INDEX_COUNT] = {[ERR_INDEX_OK] = "no error",
#define X(name, text) [ERR_INDEX_##name] = text,
						   ERR_TABLE(X)
#undef X
};

const char *err_name(int e)
{
	return e <= 0 && e > -(int)ERR_INDEX_COUNT ? names[-e] : "unknown";
}

const char *err_text(int e)
{
	return e <= 0 && e > -(int)ERR_INDEX_COUNT ? texts[-e] : "unknown error";
}
