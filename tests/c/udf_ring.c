/* Prints which server libmemcached sends each of some keys to.
   Arguments: servers as memcached_servers_parse reads them, number of keys, then pairs of behaviour and value, as numbers. */
#include <libmemcached/memcached.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  memcached_st *memc = memcached_create(NULL);
  for (int i = 3; i + 1 < argc; i += 2)
    if (memcached_behavior_set(memc, (memcached_behavior_t)atoi(argv[i]), strtoull(argv[i + 1], NULL, 10)) != MEMCACHED_SUCCESS) {
      fprintf(stderr, "behaviour %s refuses %s\n", argv[i], argv[i + 1]);
      return 3;
    }
  memcached_server_st *servers = memcached_servers_parse(argv[1]);
  if (memcached_server_push(memc, servers) != MEMCACHED_SUCCESS) return 4;
  for (int i = 0; i < atoi(argv[2]); i++) {
    char key[64];
    /* Some with a byte above 127, at lengths of every remainder. */
    int length = snprintf(key, sizeof key, "%.*skey:%d%s", i % 13, "abcdefghijklm", i * 7919, i % 3 ? "" : "\xc3\xa4");
    printf("%u\n", memcached_generate_hash(memc, key, (size_t)length));
  }
  return 0;
}
