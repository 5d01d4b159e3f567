//! Data of the shared library that a server or host writes into before init.

use crate::bindings::DM_HOST_SERVICE_VERSION;
use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::ptr;

/// Data that the server writes into.
#[repr(transparent)]
pub struct Exported<T>(UnsafeCell<T>);

// SAFETY: written by the server before init and by nobody afterwards; only addresses are taken here.
unsafe impl<T> Sync for Exported<T> {}

impl<T> Exported<T> {
    pub(super) const fn new(value: T) -> Exported<T> {
        Exported(UnsafeCell::new(value))
    }

    pub(super) const fn get(&self) -> *mut T {
        self.0.get()
    }
}

/// A host that offers its service replaces this version number by the address of its `dm_host_service`.
#[unsafe(no_mangle)]
pub static daemon_memcached_host_service: Exported<*mut c_void> =
    Exported::new(ptr::without_provenance_mut(DM_HOST_SERVICE_VERSION as usize));
