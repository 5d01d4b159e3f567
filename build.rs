//! Builds the C sources of `memcached-host` and links them into that program only; sets the linker
//! options of the shared library.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

const HARNESS: &str = "src/harness";
/// SQL that the program runs on a first start, with its name in C.
const SCRIPTS: [(&str, &str); 2] =
    [("sql/innodb_memcached_config.sql", "host_config_sql"), ("sql/default_container.sql", "host_container_sql")];

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    // A plugin with thread-local data must stay mapped after dlclose: threads may still run its destructors.
    println!("cargo:rustc-link-arg-cdylib=-Wl,-z,nodelete");
    // For C programs that link the library itself.
    println!("cargo:rustc-link-arg-cdylib=-Wl,-soname,libdaemon_memcached.so");
    if env::var_os("CARGO_FEATURE_REFENGINE").is_some() {
        build_host()?;
    }
    Ok(())
}

fn build_host() -> io::Result<()> {
    println!("cargo:rerun-if-changed=include");
    println!("cargo:rerun-if-changed={HARNESS}");
    let mut sources = vec![embed_scripts()?];
    for entry in fs::read_dir(HARNESS)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "c") {
            sources.push(path);
        }
    }
    sources.sort();
    let objects = cc::Build::new()
        .cargo_metadata(false)
        .files(&sources)
        .include("include")
        .include(HARNESS)
        .std("c11")
        .define("_GNU_SOURCE", None)
        .define("HOST_VERSION", format!("\"{}\"", env!("CARGO_PKG_VERSION")).as_str())
        .warnings(true)
        .extra_warnings(true)
        .flag("-pthread")
        .compile_intermediates();
    // Objects, not an archive: the archive would be left out, as no Rust code calls into it.
    for object in objects {
        println!("cargo:rustc-link-arg-bin=memcached-host={}", object.display());
    }
    // Functions of libraries find them by name (src/harness/functions.c).
    for function in ["thd_killed", "my_message"] {
        println!("cargo:rustc-link-arg-bin=memcached-host=-Wl,--export-dynamic-symbol={function}");
    }
    for library in ["-pthread", "-ldl"] {
        println!("cargo:rustc-link-arg-bin=memcached-host={library}");
    }
    Ok(())
}

/// A C file with the text of each script.
fn embed_scripts() -> io::Result<PathBuf> {
    let mut text = String::from("#include \"host.h\"\n");
    for (path, name) in SCRIPTS {
        println!("cargo:rerun-if-changed={path}");
        let script = fs::read(path).map_err(|e| io::Error::new(e.kind(), format!("{path}: {e}")))?;
        text.push_str(&format!("const char {name}[] = {{"));
        for (i, byte) in script.iter().enumerate() {
            text.push_str(if i % 24 == 0 { "\n    " } else { " " });
            text.push_str(&format!("{},", byte.cast_signed()));
        }
        text.push_str("\n    0};\n");
    }
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("OUT_DIR is not set"))?;
    let path = Path::new(&out).join("embedded_sql.c");
    fs::write(&path, text)?;
    Ok(path)
}
