//! What happens when a server loads the library, before it reads the descriptor: the descriptor takes the form that this server
//! knows, so that one library serves every release.

use super::descriptor::{self, INFO};
use crate::bindings::*;
use crate::boundary::catch;
use crate::host::Server;
use std::ffi::c_int;
use std::ptr;

/// The dynamic linker calls it once, when it maps the library.
#[used]
#[unsafe(link_section = ".init_array")]
static ON_LOAD: extern "C" fn() = on_load;

/// Descriptors that servers before 8.0 read: one, then a zeroed one.
const COUNT: usize = 2;

/// 8.0.0 as a version id.
const FIRST_WITH_CHECK_UNINSTALL: c_int = 80000;

extern "C" fn on_load() {
    let _ = catch(|| {
        let Some(server) = Server::of_process() else { return };
        // SAFETY: the linker is still loading us: nobody else reads or writes these yet.
        unsafe {
            // A server takes only daemons that were built for exactly its own version; nothing we use depends on it.
            *INFO.get() = server.version_id() << 8;
            match server {
                Server::MySql(version) if version.id() < FIRST_WITH_CHECK_UNINSTALL => lay_out_57(),
                _ => {}
            }
        }
    });
}

/// Before 8.0 a descriptor has no `check_uninstall`, and the server steps through the array by the size that we export.
///
/// # Safety
/// Nobody else uses the exported descriptors.
unsafe fn lay_out_57() {
    let all = descriptor::_mysql_plugin_declarations_.get();
    // SAFETY: the caller's promise; two of the shorter descriptors fit into two of the longer ones, and have no stricter alignment.
    unsafe {
        let [from, _] = all.read();
        let plugin = dm_mysql57_plugin {
            type_: from.type_,
            info: from.info,
            name: from.name,
            author: from.author,
            descr: from.descr,
            license: from.license,
            init: from.init,
            deinit: from.deinit,
            version: from.version,
            status_vars: from.status_vars,
            system_vars: from.system_vars,
            reserved1: from.reserved1,
            flags: from.flags,
        };
        all.cast::<u8>().write_bytes(0, COUNT * size_of::<dm_mysql_plugin>());
        all.cast::<dm_mysql57_plugin>().write(plugin);
        ptr::write(descriptor::_mysql_sizeof_struct_st_plugin_.get(), size_of::<dm_mysql57_plugin>() as c_int);
        ptr::write(descriptor::_mysql_plugin_interface_version_.get(), INTERFACE_VERSION_57);
    }
}

/// Version of the plugin interface in 5.7; 5.6 takes it too, as only a newer major number is refused.
const INTERFACE_VERSION_57: c_int = 0x0107;
