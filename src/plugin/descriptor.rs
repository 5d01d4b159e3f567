//! What a server finds in the shared library: the plugin's descriptor for MySQL.

use super::exported::Exported;
use super::lifecycle::{check_uninstall, deinit, init};
use super::variables;
use crate::bindings::*;
use std::ffi::{CStr, c_int};
use std::ptr;

/// Version of MySQL's plugin interface that the descriptor follows.
#[unsafe(no_mangle)]
pub static _mysql_plugin_interface_version_: Exported<c_int> = Exported::new(DM_MYSQL_INTERFACE_VERSION as c_int);

/// Size of one descriptor.
#[unsafe(no_mangle)]
pub static _mysql_sizeof_struct_st_plugin_: Exported<c_int> = Exported::new(size_of::<dm_mysql_plugin>() as c_int);

/// The descriptor, then a zeroed one.
#[unsafe(no_mangle)]
pub static _mysql_plugin_declarations_: Exported<[dm_mysql_plugin; 2]> = Exported::new([DESCRIPTOR, END]);

/// `MYSQL_VERSION_ID << 8` of the server that the descriptor pretends to be built for.
pub(super) static INFO: Exported<c_int> = Exported::new(80000 << 8);

pub(super) const AUTHOR: &CStr = c"the daemon_memcached developers";
pub(super) const DESCRIPTION: &CStr = c"memcached's protocol in front of table rows";
/// 0.1, as servers show it.
pub(super) const VERSION: u32 = 0x0001;

/// MIT or Apache-2.0: of what a server knows, BSD's is the nearest.
pub(super) const LICENSE: c_int = DM_PLUGIN_LICENSE_BSD as c_int;

const DESCRIPTOR: dm_mysql_plugin = dm_mysql_plugin {
    type_: DM_PLUGIN_TYPE_DAEMON as c_int,
    info: INFO.get().cast(),
    name: DM_PLUGIN_NAME.as_ptr().cast(),
    author: AUTHOR.as_ptr(),
    descr: DESCRIPTION.as_ptr(),
    license: LICENSE,
    init: Some(init),
    check_uninstall: Some(check_uninstall),
    deinit: Some(deinit),
    version: VERSION,
    status_vars: variables::STATUS.get().cast(),
    system_vars: variables::SYSTEM.get().cast(),
    reserved1: ptr::null_mut(),
    flags: 0,
};

const END: dm_mysql_plugin = dm_mysql_plugin {
    type_: 0,
    info: ptr::null_mut(),
    name: ptr::null(),
    author: ptr::null(),
    descr: ptr::null(),
    license: 0,
    init: None,
    check_uninstall: None,
    deinit: None,
    version: 0,
    status_vars: ptr::null_mut(),
    system_vars: ptr::null_mut(),
    reserved1: ptr::null_mut(),
    flags: 0,
};
