//! The C names of the functions, three each.

use super::call::{self, Function, UdfArgs, UdfInit};
use super::functions::{self, any, check_behavior, check_servers};
use crate::boundary::guard;
use std::ffi::{c_char, c_longlong, c_uchar, c_ulong};

/// `integer` or `string`, the three C names, the usage that users are told, the arguments (see [`Function::arguments`]), the
/// check of constants, and what computes a row's value.
macro_rules! export {
    ($($kind:ident $name:ident $init:ident $deinit:ident $usage:literal $arguments:literal $check:ident $value:ident;)*) => {
        $(
            #[doc = concat!("`", $usage, "`: before the rows of a statement.")]
            ///
            /// # Safety
            /// Called by a server as its interface of loadable functions has it.
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $init(init: *mut UdfInit, args: *mut UdfArgs, message: *mut c_char) -> bool {
                // SAFETY: as the caller promises.
                guard(true, || unsafe {
                    call::init(&export!(@function $name $usage $arguments $check $value), init, args, message)
                })
            }

            #[doc = concat!("`", $usage, "`: after the rows of a statement.")]
            ///
            /// # Safety
            /// Called by a server as its interface of loadable functions has it.
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $deinit(init: *mut UdfInit) {
                // SAFETY: as the caller promises.
                guard((), || unsafe { call::deinit(init) })
            }

            export!(@row $kind $name $usage $arguments $check $value);
        )*
    };
    (@function $name:ident $usage:literal $arguments:literal $check:ident $value:ident) => {
        Function {
            name: stringify!($name),
            usage: $usage,
            arguments: $arguments,
            check: $check,
            value: functions::$value,
        }
    };
    (@row integer $name:ident $usage:literal $arguments:literal $check:ident $value:ident) => {
        #[doc = concat!("`", $usage, "`: a row.")]
        ///
        /// # Safety
        /// Called by a server as its interface of loadable functions has it.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            init: *mut UdfInit,
            args: *mut UdfArgs,
            is_null: *mut c_uchar,
            _error: *mut c_uchar,
        ) -> c_longlong {
            // SAFETY: as the caller promises.
            guard(0, || unsafe { call::integer(&export!(@function $name $usage $arguments $check $value), init, args, is_null) })
        }
    };
    (@row string $name:ident $usage:literal $arguments:literal $check:ident $value:ident) => {
        #[doc = concat!("`", $usage, "`: a row.")]
        ///
        /// # Safety
        /// Called by a server as its interface of loadable functions has it.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            init: *mut UdfInit,
            args: *mut UdfArgs,
            _result: *mut c_char,
            length: *mut c_ulong,
            is_null: *mut c_uchar,
            _error: *mut c_uchar,
        ) -> *const c_char {
            // SAFETY: as the caller promises.
            guard(std::ptr::null(), || unsafe { call::string(&export!(@function $name $usage $arguments $check $value), init, args, length, is_null) })
        }
    };
}

export! {
    integer memc_set memc_set_init memc_set_deinit
        "memc_set(key, value [, expiry])" "ss?i" any set;
    integer memc_set_by_key memc_set_by_key_init memc_set_by_key_deinit
        "memc_set_by_key(master key, key, value [, expiry])" "sss?i" any set;
    integer memc_add memc_add_init memc_add_deinit
        "memc_add(key, value [, expiry])" "ss?i" any add;
    integer memc_add_by_key memc_add_by_key_init memc_add_by_key_deinit
        "memc_add_by_key(master key, key, value [, expiry])" "sss?i" any add;
    integer memc_replace memc_replace_init memc_replace_deinit
        "memc_replace(key, value [, expiry])" "ss?i" any replace;
    integer memc_replace_by_key memc_replace_by_key_init memc_replace_by_key_deinit
        "memc_replace_by_key(master key, key, value [, expiry])" "sss?i" any replace;
    integer memc_append memc_append_init memc_append_deinit
        "memc_append(key, value [, expiry])" "ss?i" any append;
    integer memc_append_by_key memc_append_by_key_init memc_append_by_key_deinit
        "memc_append_by_key(master key, key, value [, expiry])" "sss?i" any append;
    integer memc_prepend memc_prepend_init memc_prepend_deinit
        "memc_prepend(key, value [, expiry])" "ss?i" any prepend;
    integer memc_prepend_by_key memc_prepend_by_key_init memc_prepend_by_key_deinit
        "memc_prepend_by_key(master key, key, value [, expiry])" "sss?i" any prepend;
    integer memc_cas memc_cas_init memc_cas_deinit
        "memc_cas(key, value, cas [, expiry])" "ssi?i" any cas;
    integer memc_cas_by_key memc_cas_by_key_init memc_cas_by_key_deinit
        "memc_cas_by_key(master key, key, value, cas [, expiry])" "sssi?i" any cas;
    string memc_get memc_get_init memc_get_deinit
        "memc_get(key)" "s" any get;
    string memc_get_by_key memc_get_by_key_init memc_get_by_key_deinit
        "memc_get_by_key(master key, key)" "ss" any get;
    integer memc_get_cas memc_get_cas_init memc_get_cas_deinit
        "memc_get_cas(key)" "s" any get_cas;
    integer memc_get_cas_by_key memc_get_cas_by_key_init memc_get_cas_by_key_deinit
        "memc_get_cas_by_key(master key, key)" "ss" any get_cas;
    integer memc_delete memc_delete_init memc_delete_deinit
        "memc_delete(key)" "s?i" any delete;
    integer memc_delete_by_key memc_delete_by_key_init memc_delete_by_key_deinit
        "memc_delete_by_key(master key, key)" "ss?i" any delete;
    integer memc_increment memc_increment_init memc_increment_deinit
        "memc_increment(key [, by])" "s?i" any increment;
    integer memc_decrement memc_decrement_init memc_decrement_deinit
        "memc_decrement(key [, by])" "s?i" any decrement;
    integer memc_incr memc_incr_init memc_incr_deinit
        "memc_incr(key [, by])" "s?i" any increment;
    integer memc_decr memc_decr_init memc_decr_deinit
        "memc_decr(key [, by])" "s?i" any decrement;
    integer memc_servers_set memc_servers_set_init memc_servers_set_deinit
        "memc_servers_set('host:port,host:port:weight,/path/of/a/socket')" "s" check_servers servers_set;
    integer memc_server_count memc_server_count_init memc_server_count_deinit
        "memc_server_count()" "" any server_count;
    integer memc_servers_behavior_set memc_servers_behavior_set_init memc_servers_behavior_set_deinit
        "memc_servers_behavior_set(behavior, value)" "ss" check_behavior behavior_set;
    integer memc_behavior_set memc_behavior_set_init memc_behavior_set_deinit
        "memc_behavior_set(behavior, value)" "ss" check_behavior behavior_set;
    string memc_servers_behavior_get memc_servers_behavior_get_init memc_servers_behavior_get_deinit
        "memc_servers_behavior_get(behavior)" "s" check_behavior behavior_get;
    string memc_behavior_get memc_behavior_get_init memc_behavior_get_deinit
        "memc_behavior_get(behavior)" "s" check_behavior behavior_get;
    string memc_list_behaviors memc_list_behaviors_init memc_list_behaviors_deinit
        "memc_list_behaviors()" "" any list_behaviors;
    string memc_list_hash_types memc_list_hash_types_init memc_list_hash_types_deinit
        "memc_list_hash_types()" "" any list_hash_types;
    string memc_list_distribution_types memc_list_distribution_types_init memc_list_distribution_types_deinit
        "memc_list_distribution_types()" "" any list_distribution_types;
    string memc_udf_version memc_udf_version_init memc_udf_version_deinit
        "memc_udf_version()" "" any udf_version;
    string memc_libmemcached_version memc_libmemcached_version_init memc_libmemcached_version_deinit
        "memc_libmemcached_version()" "" any libmemcached_version;
    string memc_stats memc_stats_init memc_stats_deinit
        "memc_stats('host:port,...')" "s" check_servers stats;
    string memc_stat_get_keys memc_stat_get_keys_init memc_stat_get_keys_deinit
        "memc_stat_get_keys()" "" any stat_get_keys;
    string memc_stat_get_value memc_stat_get_value_init memc_stat_get_value_deinit
        "memc_stat_get_value('host:port', name of a statistic)" "ss" check_servers stat_get_value;
}
