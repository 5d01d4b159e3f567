/* What an application does through libmemcached. Usage: roundtrip PORT [binary [NAME PASSWORD]]; with `binary` through the binary
   protocol. The exit status is 0 when every answer was right. */
#include <libmemcached-1.0/memcached.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MIB (1024 * 1024)
#define PATIENCE_SECONDS 20

static memcached_st *memc;
static bool binary;

/* Ends the program when `condition` does not hold, saying where and what libmemcached thinks of it. */
#define CHECK(condition) check((condition), #condition, __LINE__)

static void check(bool holds, const char *condition, int line)
{
	if (holds)
		return;
	fprintf(stderr, "line %d: not so: %s (last error: %s)\n", line, condition, memcached_last_error_message(memc));
	exit(1);
}

static memcached_return_t set(const char *key, const void *value, size_t length, time_t expiry, uint32_t flags)
{
	return memcached_set(memc, key, strlen(key), value, length, expiry, flags);
}

/* True when the key holds exactly this. */
static bool holds(const char *key, const void *value, size_t length, uint32_t flags)
{
	size_t got_length = 0;
	uint32_t got_flags = 0;
	memcached_return_t rc;
	char *got = memcached_get(memc, key, strlen(key), &got_length, &got_flags, &rc);
	bool same = rc == MEMCACHED_SUCCESS && got_length == length && got_flags == flags &&
		    (length == 0 || (got != NULL && memcmp(got, value, length) == 0));

	free(got);
	return same;
}

static bool absent(const char *key)
{
	size_t length;
	uint32_t flags;
	memcached_return_t rc;
	char *got = memcached_get(memc, key, strlen(key), &length, &flags, &rc);

	free(got);
	return rc == MEMCACHED_NOTFOUND;
}

static uint64_t cas_of(const char *key)
{
	const char *keys[] = {key};
	size_t lengths[] = {strlen(key)};
	memcached_result_st result;
	memcached_return_t rc;
	uint64_t cas = 0;

	CHECK(memcached_mget(memc, keys, lengths, 1) == MEMCACHED_SUCCESS);
	memcached_result_create(memc, &result);
	while (memcached_fetch_result(memc, &result, &rc) != NULL)
		cas = memcached_result_cas(&result);
	memcached_result_free(&result);
	CHECK(cas != 0);
	return cas;
}

static void values_and_flags(void)
{
	static const char bytes[] = "\0\r\n\xff END\r\n\0";
	char *large = malloc(MIB);

	CHECK(set("text", "hello", 5, 0, 0) == MEMCACHED_SUCCESS);
	CHECK(holds("text", "hello", 5, 0));
	CHECK(set("bytes", bytes, sizeof bytes, 0, UINT32_MAX) == MEMCACHED_SUCCESS);
	CHECK(holds("bytes", bytes, sizeof bytes, UINT32_MAX));
	CHECK(set("empty", "", 0, 0, 1) == MEMCACHED_SUCCESS);
	CHECK(holds("empty", "", 0, 1));
	CHECK(set("sch\xc3\xb6n", "gr\xc3\xbc\xc3\x9f", 6, 0, 0) == MEMCACHED_SUCCESS);
	CHECK(holds("sch\xc3\xb6n", "gr\xc3\xbc\xc3\x9f", 6, 0));
	CHECK(absent("nothing"));

	CHECK(large != NULL);
	for (size_t i = 0; i < MIB; i++)
		large[i] = (char)(i * 7 + i / 251);
	CHECK(set("large", large, MIB, 0, 9) == MEMCACHED_SUCCESS);
	CHECK(holds("large", large, MIB, 9));
	free(large);
}

static void conditions(void)
{
	/* The binary protocol says more. */
	CHECK(memcached_replace(memc, "co", 2, "a", 1, 0, 0) == (binary ? MEMCACHED_NOTFOUND : MEMCACHED_NOTSTORED));
	CHECK(memcached_append(memc, "co", 2, "a", 1, 0, 0) == MEMCACHED_NOTSTORED);
	CHECK(memcached_add(memc, "co", 2, "m", 1, 0, 4) == MEMCACHED_SUCCESS);
	CHECK(memcached_add(memc, "co", 2, "n", 1, 0, 5) == (binary ? MEMCACHED_DATA_EXISTS : MEMCACHED_NOTSTORED));
	CHECK(memcached_append(memc, "co", 2, "z", 1, 0, 6) == MEMCACHED_SUCCESS);
	CHECK(memcached_prepend(memc, "co", 2, "a", 1, 0, 7) == MEMCACHED_SUCCESS);
	CHECK(holds("co", "amz", 3, 4));
	CHECK(memcached_replace(memc, "co", 2, "r", 1, 0, 8) == MEMCACHED_SUCCESS);
	CHECK(holds("co", "r", 1, 8));
	CHECK(memcached_exist(memc, "co", 2) == MEMCACHED_SUCCESS);
	CHECK(memcached_delete(memc, "co", 2, 0) == MEMCACHED_SUCCESS);
	CHECK(memcached_delete(memc, "co", 2, 0) == MEMCACHED_NOTFOUND);
	CHECK(memcached_exist(memc, "co", 2) == MEMCACHED_NOTFOUND);
}

static void compare_and_swap(void)
{
	uint64_t cas;

	CHECK(set("cas", "a", 1, 0, 0) == MEMCACHED_SUCCESS);
	cas = cas_of("cas");
	CHECK(memcached_cas(memc, "cas", 3, "b", 1, 0, 3, cas) == MEMCACHED_SUCCESS);
	CHECK(memcached_cas(memc, "cas", 3, "c", 1, 0, 0, cas) == MEMCACHED_DATA_EXISTS);
	CHECK(holds("cas", "b", 1, 3));
	CHECK(cas_of("cas") != cas);
	CHECK(memcached_cas(memc, "cas-none", 8, "c", 1, 0, 0, cas) == MEMCACHED_NOTFOUND);
}

static void counters(void)
{
	uint64_t value = 0;

	CHECK(memcached_increment(memc, "n", 1, 1, &value) == MEMCACHED_NOTFOUND);
	CHECK(set("n", "10", 2, 0, 0) == MEMCACHED_SUCCESS);
	CHECK(memcached_increment(memc, "n", 1, 5, &value) == MEMCACHED_SUCCESS && value == 15);
	CHECK(memcached_decrement(memc, "n", 1, 100, &value) == MEMCACHED_SUCCESS && value == 0);
	CHECK(memcached_increment(memc, "n", 1, UINT32_MAX, &value) == MEMCACHED_SUCCESS && value == UINT32_MAX);
	CHECK(memcached_increment(memc, "n", 1, 1, &value) == MEMCACHED_SUCCESS && value == UINT64_C(4294967296));
}

/* Only the binary protocol has initial values. */
static void initial_values(void)
{
	uint64_t value = 0;

	CHECK(memcached_increment_with_initial(memc, "i", 1, 5, 7, MEMCACHED_EXPIRATION_NOT_ADD, &value) ==
	      MEMCACHED_NOTFOUND);
	CHECK(memcached_increment_with_initial(memc, "i", 1, 5, 7, 0, &value) == MEMCACHED_SUCCESS && value == 7);
	CHECK(memcached_increment_with_initial(memc, "i", 1, 5, 7, 0, &value) == MEMCACHED_SUCCESS && value == 12);
	CHECK(memcached_decrement_with_initial(memc, "d", 1, 5, UINT64_MAX, 0, &value) == MEMCACHED_SUCCESS);
	CHECK(value == UINT64_MAX);
	CHECK(memcached_decrement_with_initial(memc, "d", 1, 5, 7, 0, &value) == MEMCACHED_SUCCESS);
	CHECK(value == UINT64_MAX - 5);
	CHECK(holds("i", "12", 2, 0));
}

static void many_keys(void)
{
	enum { COUNT = 500 };
	static char names[COUNT][16];
	const char *keys[COUNT];
	size_t lengths[COUNT];
	memcached_result_st result;
	memcached_return_t rc;
	size_t found = 0;

	for (int i = 0; i < COUNT; i++) {
		snprintf(names[i], sizeof names[i], "many-%d", i);
		keys[i] = names[i];
		lengths[i] = strlen(names[i]);
		/* Every second one is there. */
		if (i % 2 == 0)
			CHECK(set(keys[i], keys[i], lengths[i], 0, (uint32_t)i) == MEMCACHED_SUCCESS);
	}
	CHECK(memcached_mget(memc, keys, lengths, COUNT) == MEMCACHED_SUCCESS);
	memcached_result_create(memc, &result);
	while (memcached_fetch_result(memc, &result, &rc) != NULL) {
		uint32_t i = memcached_result_flags(&result);

		CHECK(i < COUNT && i % 2 == 0);
		CHECK(memcached_result_key_length(&result) == lengths[i]);
		CHECK(memcmp(memcached_result_key_value(&result), keys[i], lengths[i]) == 0);
		CHECK(memcached_result_length(&result) == lengths[i]);
		CHECK(memcmp(memcached_result_value(&result), keys[i], lengths[i]) == 0);
		found++;
	}
	memcached_result_free(&result);
	CHECK(found == COUNT / 2);
}

static void expiry(void)
{
	time_t start = time(NULL);

	CHECK(set("short", "x", 1, 1, 0) == MEMCACHED_SUCCESS);
	CHECK(set("long", "x", 1, 1000, 0) == MEMCACHED_SUCCESS);
	CHECK(set("touched", "x", 1, 1000, 0) == MEMCACHED_SUCCESS);
	CHECK(set("past", "x", 1, start - 10, 0) == MEMCACHED_SUCCESS);
	CHECK(set("future", "x", 1, start + 1000, 0) == MEMCACHED_SUCCESS);
	CHECK(memcached_touch(memc, "touched", 7, 1) == MEMCACHED_SUCCESS);
	CHECK(memcached_touch(memc, "nothing", 7, 1) == MEMCACHED_NOTFOUND);
	CHECK(absent("past"));
	while (!absent("short") || !absent("touched")) {
		struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};

		CHECK(time(NULL) - start < PATIENCE_SECONDS);
		nanosleep(&pause, NULL);
	}
	CHECK(holds("long", "x", 1, 0));
	CHECK(holds("future", "x", 1, 0));
}

/* Without replies a wrong answer to any command would be taken for the answer of the get at the end. */
static void without_replies(void)
{
	char name[16];

	CHECK(memcached_behavior_set(memc, MEMCACHED_BEHAVIOR_NOREPLY, 1) == MEMCACHED_SUCCESS);
	for (int i = 0; i < 1000; i++) {
		int length = snprintf(name, sizeof name, "quiet-%d", i);

		CHECK(memcached_success(set(name, name, (size_t)length, 0, 0)));
	}
	CHECK(memcached_success(memcached_delete(memc, "quiet-7", 7, 0)));
	CHECK(memcached_success(memcached_flush_buffers(memc)));
	CHECK(memcached_behavior_set(memc, MEMCACHED_BEHAVIOR_NOREPLY, 0) == MEMCACHED_SUCCESS);
	CHECK(holds("quiet-999", "quiet-999", 9, 0));
	CHECK(absent("quiet-7"));
}

/* The server goes away and comes back with what it said it had stored. */
static void restart(void)
{
	time_t end = time(NULL) + PATIENCE_SECONDS;

	CHECK(set("survivor", "still here", 10, 0, 0) == MEMCACHED_SUCCESS);
	puts("restart");
	fflush(stdout);
	CHECK(getchar() == '\n');
	while (!holds("survivor", "still here", 10, 0))
		CHECK(time(NULL) < end);
}

static void server_commands(void)
{
	memcached_return_t rc;
	memcached_stat_st *stats = memcached_stat(memc, NULL, &rc);

	CHECK(rc == MEMCACHED_SUCCESS && stats != NULL && stats->pid > 0);
	memcached_stat_free(memc, stats);
	CHECK(memcached_version(memc) == MEMCACHED_SUCCESS);
	CHECK(memcached_flush(memc, 0) == MEMCACHED_SUCCESS);
	CHECK(absent("text"));
}

int main(int argc, char **argv)
{
	if ((argc != 2 && argc != 3 && argc != 5) || (argc > 2 && strcmp(argv[2], "binary") != 0)) {
		fprintf(stderr, "usage: %s PORT [binary [NAME PASSWORD]]\n", argv[0]);
		return 2;
	}
	binary = argc > 2;
	memc = memcached_create(NULL);
	CHECK(memc != NULL);
	CHECK(memcached_server_add(memc, "127.0.0.1", (in_port_t)atoi(argv[1])) == MEMCACHED_SUCCESS);
	CHECK(memcached_behavior_set(memc, MEMCACHED_BEHAVIOR_SUPPORT_CAS, 1) == MEMCACHED_SUCCESS);
	CHECK(memcached_behavior_set(memc, MEMCACHED_BEHAVIOR_BINARY_PROTOCOL, binary) == MEMCACHED_SUCCESS);
	if (argc == 5)
		CHECK(memcached_set_sasl_auth_data(memc, argv[3], argv[4]) == MEMCACHED_SUCCESS);
	values_and_flags();
	conditions();
	compare_and_swap();
	counters();
	if (binary)
		initial_values();
	many_keys();
	expiry();
	without_replies();
	restart();
	server_commands();
	memcached_free(memc);
	return 0;
}
