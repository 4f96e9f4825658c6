#include "sbc/core/q850.h"

#include "common/check.h"

struct pair {
	uint16_t from, to;
};

static const struct pair of_status[] = {
	{400, 41},  {401, 21},  {402, 21},  {403, 21},  {404, 1},   {405, 63}, {406, 79},
	{407, 21},  {408, 102}, {410, 22},  {413, 127}, {414, 127}, {415, 79}, {416, 127},
	{420, 127}, {421, 127}, {423, 127}, {480, 18},  {481, 41},  {482, 25}, {483, 25},
	{484, 28},  {485, 1},   {486, 17},  {487, 16},  {488, 79},  {500, 41}, {501, 79},
	{502, 38},  {503, 41},  {504, 102}, {505, 127}, {513, 127}, {600, 17}, {603, 21},
	{604, 1},   {606, 79},
};

static const struct pair of_cause[] = {
	{1, 404},  {2, 404},  {3, 404},  {16, 0},    {17, 486},  {18, 408},  {19, 480},
	{20, 480}, {21, 403}, {22, 410}, {23, 410},  {25, 483},  {26, 404},  {27, 502},
	{28, 484}, {29, 501}, {31, 480}, {34, 503},  {38, 503},  {41, 503},  {42, 503},
	{47, 503}, {55, 403}, {57, 403}, {58, 503},  {63, 503},  {65, 488},  {70, 488},
	{79, 501}, {87, 403}, {88, 503}, {102, 504}, {111, 500}, {127, 500},
};

static uint16_t find(const struct pair *list, size_t count, uint16_t from, uint16_t otherwise)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].from == from)
			return list[i].to;
	return otherwise;
}

uint16_t q850_of_status(uint16_t status)
{
	return status < 300 ? 0 : find(of_status, ARRAY_LEN(of_status), status, 127);
}

uint16_t q850_to_status(uint16_t cause)
{
	return find(of_cause, ARRAY_LEN(of_cause), cause, 500);
}

void q850_write_reason(struct buf *lines, uint16_t status)
{
	uint16_t cause = q850_of_status(status);
	if (cause == 0)
		return;
	buf_lit(lines, "Reason: SIP;cause=");
	buf_u64(lines, status);
	buf_lit(lines, ", Q.850;cause=");
	buf_u64(lines, cause);
	buf_lit(lines, "\r\n");
}
