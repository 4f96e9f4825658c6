/*
 * Allocations above 256 MiB fail in test programs, as calls that return NULL: so a row can ask for too
 * much and see ERR_NOMEM.
 */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1:max_allocation_size_mb=256";
}
