//! Tables of the server's functions, all of which are looked up before any is called.

/// Declares `Functions` with a pointer for each name, and `Functions::find`, which fails when the server lacks one.
macro_rules! functions {
    ($($name:ident: $symbol:literal ($($argument:ty),*) $(-> $result:ty)?;)*) => {
        #[derive(Clone, Copy)]
        struct Functions { $($name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)* }

        impl Functions {
            fn find() -> std::result::Result<Functions, $crate::host::HostError> {
                Ok(Functions { $($name: {
                    let address = $crate::host::mysql::symbols::require($symbol)?;
                    // SAFETY: the mangled name, or for C functions the plugin API, fixes the signature.
                    unsafe { std::mem::transmute_copy(&address) }
                },)* })
            }
        }
    };
}

pub(super) use functions;
