//! The one place where a panic is stopped before it would cross into C.

/// Runs `$body`; a panic inside becomes `$on_panic` and a line in the log.
///
/// Every `extern "C"` function of the engine is written through it: unwinding into C is undefined.
macro_rules! guard {
    ($name:expr, $on_panic:expr, $body:expr) => {
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| $body)) {
            Ok(value) => value,
            Err(panic) => {
                $crate::refengine::guard::report($name, panic);
                $on_panic
            }
        }
    };
}
pub(crate) use guard;

/// Logs a caught panic. Cannot panic itself: dropping a payload whose destructor panics is avoided by forgetting it.
pub(crate) fn report(function: &str, panic: Box<dyn std::any::Any + Send>) {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("unknown");
    log::error!("{function}: a defect of the engine was caught: {text}");
    std::mem::forget(panic);
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_panic_becomes_the_error_value() {
        assert_eq!(guard!("f", -1, 5), 5);
        assert_eq!(guard!("f", -1, if true { panic!("caught by the guard") } else { 5 }), -1);
    }
}
