# find_package(DaemonMemcached) defines the target
#
#   DaemonMemcached::daemon_memcached   the shared library with daemon_memcached.h and refengine.h
#
# and the variables
#
#   DaemonMemcached_LIBRARY    its path; the file is the plugin, too
#   DaemonMemcached_SQL_DIR    the folder of innodb_memcached_config.sql and default_container.sql
#
# Works from an install prefix (-DCMAKE_PREFIX_PATH=<prefix>) and from a source tree after
# `cargo build --release` (-DDaemonMemcached_DIR=<source>/cmake; set DAEMON_MEMCACHED_TARGET_DIR if
# cargo's output is not in <source>/target/release).
cmake_policy(PUSH)
cmake_policy(VERSION 3.16)

if(EXISTS "${CMAKE_CURRENT_LIST_DIR}/../Cargo.toml")
  get_filename_component(_dm_root "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)
  if(NOT DAEMON_MEMCACHED_TARGET_DIR)
    set(DAEMON_MEMCACHED_TARGET_DIR "${_dm_root}/target/release")
  endif()
  set(DaemonMemcached_LIBRARY "${DAEMON_MEMCACHED_TARGET_DIR}/libdaemon_memcached.so")
  set(DaemonMemcached_SQL_DIR "${_dm_root}/sql")
  set(_dm_include "${_dm_root}/include")
else()
  get_filename_component(_dm_root "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
  set(DaemonMemcached_LIBRARY "${_dm_root}/lib/libdaemon_memcached.so")
  set(DaemonMemcached_SQL_DIR "${_dm_root}/share/mysql")
  set(_dm_include "${_dm_root}/include/daemon_memcached")
endif()

if(NOT EXISTS "${DaemonMemcached_LIBRARY}")
  set(DaemonMemcached_FOUND FALSE)
  set(DaemonMemcached_NOT_FOUND_MESSAGE "${DaemonMemcached_LIBRARY} is missing (cargo build --release makes it)")
elseif(NOT TARGET DaemonMemcached::daemon_memcached)
  add_library(DaemonMemcached::daemon_memcached SHARED IMPORTED)
  set_target_properties(DaemonMemcached::daemon_memcached PROPERTIES
    IMPORTED_LOCATION "${DaemonMemcached_LIBRARY}"
    IMPORTED_SONAME libdaemon_memcached.so
    INTERFACE_INCLUDE_DIRECTORIES "${_dm_include}")
endif()

unset(_dm_root)
unset(_dm_include)
cmake_policy(POP)
