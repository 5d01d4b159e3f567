# Used from the source tree and installed as it is. Before 1.0 minor versions are incompatible.
set(PACKAGE_VERSION "0.1.0") # as in Cargo.toml; tests/house/cmake.rs compares

string(REGEX MATCH "^[0-9]+\\.[0-9]+" _dm_series "${PACKAGE_VERSION}")
string(REGEX MATCH "^[0-9]+\\.[0-9]+" _dm_wanted "${PACKAGE_FIND_VERSION}.0")
if(PACKAGE_FIND_VERSION VERSION_GREATER PACKAGE_VERSION OR NOT _dm_wanted VERSION_EQUAL _dm_series)
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
else()
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
  if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
endif()
unset(_dm_series)
unset(_dm_wanted)

# The library has one architecture.
if(CMAKE_SIZEOF_VOID_P AND NOT CMAKE_SIZEOF_VOID_P EQUAL 8)
  set(PACKAGE_VERSION_UNSUITABLE TRUE)
endif()
