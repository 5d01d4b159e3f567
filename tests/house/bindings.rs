//! The checked-in `src/bindings.rs` is what bindgen makes of `include/`.
//!
//! `UPDATE_BINDINGS=1 cargo test --test house bindings` writes it anew.

use std::path::Path;

fn generate() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let body = bindgen::Builder::default()
        .header(root.join("tests/house/bindings.h").to_str().unwrap())
        .allowlist_file(".*/include/(innodb_api|mysql_plugin_abi|daemon_memcached|refengine|sqlserver)\\.h")
        .default_enum_style(bindgen::EnumVariation::ModuleConsts)
        .blocklist_function(".*")
        .prepend_enum_name(false)
        .derive_default(false)
        .layout_tests(true)
        .generate_comments(false)
        .generate()
        .expect("bindgen needs libclang: apt-get install libclang-dev")
        .to_string();
    let body = body.split_once("*/").map_or(body.as_str(), |(_, rest)| rest).to_owned();
    format!(
        "//! The C side of the project, made by bindgen from `include/`; see `tests/house/bindings.rs`.\n\n\
         #![allow(missing_docs, non_camel_case_types, non_upper_case_globals, clippy::all)]\n{body}"
    )
}

#[test]
fn checked_in_bindings_match_the_headers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bindings.rs");
    let fresh = generate();
    if std::env::var_os("UPDATE_BINDINGS").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == fresh, "src/bindings.rs is stale: run UPDATE_BINDINGS=1 cargo test --test house bindings");
}
