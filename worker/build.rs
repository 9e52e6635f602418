//! Lays llama.cpp's libraries out in `engine/` beside the binaries, and tells the linker to look
//! there.
//!
//! The package that builds llama.cpp leaves links beside the binaries that point nowhere; the real
//! files lie in its build folder. Only what a worker needs is taken: never `libllama-common`, which
//! brings an HTTP client, and no back end but the CPU's.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// The libraries that core-worker names, by the names that the loader asks for.
const LIBRARIES: [&str; 3] = ["libllama.so.0", "libggml.so.0", "libggml-base.so.0"];

/// The source that asks libllama what a context takes.
const MEMORY: &str = "src/llama/memory.cpp";

/// The start of every CPU variant's file name.
const VARIANT_PREFIX: &str = "libggml-cpu-";

/// Where the loader looks: beside a binary, above a test binary, and where `make install` puts it.
const RPATH: &str = "$ORIGIN/engine:$ORIGIN/../engine:$ORIGIN/../lib/core-runtime";

/// `target/PROFILE/build/core-worker-HASH/out`: the profile's folder is so many levels up.
const OUT_DIR_LEVELS: usize = 3;

fn main() -> io::Result<()> {
    let variants = PathBuf::from(variable("DEP_LLAMA_BACKENDS_DIR")?);
    let libraries = variants.with_file_name("lib");
    let out = PathBuf::from(variable("OUT_DIR")?);
    let profile = out
        .ancestors()
        .nth(OUT_DIR_LEVELS)
        .ok_or_else(|| io::Error::other("OUT_DIR is not where cargo puts it"))?;
    let engine = profile.join("engine");
    lay_out(&engine, &libraries, &variants)?;
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={MEMORY}");
    // It names symbols of libllama, which the linker is given behind it.
    cc::Build::new().cpp(true).std("c++17").warnings(true).file(MEMORY).compile("core_memory");
    println!("cargo:rerun-if-changed={}", engine.display());
    // RPATH and not RUNPATH: only the former also serves what the libraries themselves need.
    println!("cargo:rustc-link-arg=-Wl,--disable-new-dtags,-rpath,{RPATH}");
    Ok(())
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(|_| io::Error::other(format!("{name} is not set; build with cargo")))
}

/// Makes the folder anew, so that nothing of an earlier build stays in it.
fn lay_out(engine: &Path, libraries: &Path, variants: &Path) -> io::Result<()> {
    if engine.exists() {
        fs::remove_dir_all(engine)?;
    }
    fs::create_dir_all(engine)?;
    for name in LIBRARIES {
        place(&libraries.join(name), &engine.join(name))?;
    }
    for entry in fs::read_dir(variants)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        if name.to_string_lossy().starts_with(VARIANT_PREFIX) {
            place(&path, &engine.join(name))?;
        }
    }
    // Older than the build, or cargo would run this script every time.
    age(engine, variants)
}

/// Copies what `from` points to: the name of a link, the content of its file.
fn place(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to).map_err(|error| io::Error::other(format!("{}: {error}", from.display())))?;
    age(to, from)
}

/// Gives `path` the modification time of `like`.
fn age(path: &Path, like: &Path) -> io::Result<()> {
    let modified = fs::metadata(like)?.modified()?;
    fs::File::open(path)?.set_modified(modified)
}
