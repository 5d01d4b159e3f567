#include "../include/innodb_api.h"
#include "../include/mysql_plugin_abi.h"
#include "../include/daemon_memcached.h"
#include "../include/refengine.h"
