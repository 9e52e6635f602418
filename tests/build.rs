//! Lets the binaries here find llama.cpp's libraries without LD_LIBRARY_PATH.

/// Binaries lie beside `engine/`; test executables lie one folder below, in `deps/`.
const RPATHS: [&str; 2] = ["$ORIGIN/engine", "$ORIGIN/../engine"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // DT_RPATH, not DT_RUNPATH: only the former is also searched for the libraries' own needs.
    println!("cargo::rustc-link-arg=-Wl,--disable-new-dtags");
    for path in RPATHS {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{path}");
    }
}
