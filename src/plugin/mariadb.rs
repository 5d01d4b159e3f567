//! The descriptor that MariaDB takes; MySQL takes that of [`super::descriptor`], and each leaves the other's alone.

use super::descriptor::{self, INFO};
use super::exported::Exported;
use super::{lifecycle, variables};
use crate::bindings::*;
use std::ffi::c_int;
use std::ptr;

/// `MariaDB_PLUGIN_MATURITY_STABLE`.
const STABLE: u32 = 5;

/// Version of MariaDB's plugin interface that the descriptor follows.
#[unsafe(no_mangle)]
pub static _maria_plugin_interface_version_: Exported<c_int> = Exported::new(DM_MARIA_INTERFACE_VERSION as c_int);

/// Size of one descriptor.
#[unsafe(no_mangle)]
pub static _maria_sizeof_struct_st_plugin_: Exported<c_int> = Exported::new(size_of::<dm_maria_plugin>() as c_int);

/// The descriptor, then a zeroed one.
#[unsafe(no_mangle)]
pub static _maria_plugin_declarations_: Exported<[dm_maria_plugin; 2]> = Exported::new([DESCRIPTOR, END]);

const DESCRIPTOR: dm_maria_plugin = dm_maria_plugin {
    type_: DM_PLUGIN_TYPE_DAEMON as c_int,
    info: INFO.get().cast(),
    name: DM_PLUGIN_NAME.as_ptr().cast(),
    author: descriptor::AUTHOR.as_ptr(),
    descr: descriptor::DESCRIPTION.as_ptr(),
    license: descriptor::LICENSE,
    init: Some(lifecycle::init),
    deinit: Some(lifecycle::deinit),
    version: descriptor::VERSION,
    status_vars: variables::STATUS.get().cast(),
    system_vars: variables::SYSTEM.get().cast(),
    version_info: concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast(),
    maturity: STABLE,
};

const END: dm_maria_plugin = dm_maria_plugin {
    type_: 0,
    info: ptr::null_mut(),
    name: ptr::null(),
    author: ptr::null(),
    descr: ptr::null(),
    license: 0,
    init: None,
    deinit: None,
    version: 0,
    status_vars: ptr::null_mut(),
    system_vars: ptr::null_mut(),
    version_info: ptr::null(),
    maturity: 0,
};
