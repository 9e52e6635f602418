use std::{fs, os::unix::fs::symlink};

use core_policy::profile::Profile;

use super::{ImageError, WorkerImage};

#[test]
fn variants_are_found_in_a_build_and_in_an_installation_and_sorted() {
    for place in ["bin/engine", "lib/core-runtime"] {
        let base = tempfile::tempdir().unwrap();
        fs::create_dir_all(base.path().join("bin")).unwrap();
        fs::create_dir_all(base.path().join(place)).unwrap();
        fs::write(base.path().join("bin/core-worker"), b"").unwrap();
        for name in ["libggml-cpu-zen4.so", "libggml-cpu-haswell.so", "libggml.so", "x.txt"] {
            fs::write(base.path().join(place).join(name), b"").unwrap();
        }
        let image = WorkerImage::beside(&base.path().join("bin")).unwrap();
        let names: Vec<_> =
            image.variants.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["libggml-cpu-haswell.so", "libggml-cpu-zen4.so"]);
        assert!(image.variants.iter().all(|path| path.is_absolute()));
        assert_eq!(image.library_dirs()[0], image.engine_dir);
    }
}

#[test]
fn what_is_missing_is_named() {
    let base = tempfile::tempdir().unwrap();
    assert!(matches!(WorkerImage::beside(base.path()), Err(ImageError::Worker { .. })));
    fs::write(base.path().join("core-worker"), b"").unwrap();
    fs::create_dir(base.path().join("engine")).unwrap();
    assert!(matches!(WorkerImage::beside(base.path()), Err(ImageError::Engine { .. })));
}

#[test]
fn back_ends_are_the_named_files_and_nothing_else() {
    let base = tempfile::tempdir().unwrap();
    let engine = base.path().join("engine");
    fs::create_dir(&engine).unwrap();
    fs::write(base.path().join("core-worker"), b"").unwrap();
    for name in ["libggml-cpu-x64.so", "libggml-rpc.so", "libggml-cuda.so.1", "libggml-hip.so"] {
        fs::write(engine.join(name), b"").unwrap();
    }
    fs::create_dir(engine.join("libggml-vulkan.so")).unwrap();
    symlink("libggml-rpc.so", engine.join("libggml-cuda.so")).unwrap();
    let image = WorkerImage::beside(base.path()).unwrap();
    assert!(image.backends.is_empty(), "{:?}", image.backends);
    assert_eq!(image.profile(), Profile::Cpu);
    fs::remove_dir(engine.join("libggml-vulkan.so")).unwrap();
    fs::remove_file(engine.join("libggml-cuda.so")).unwrap();
    for name in ["libggml-vulkan.so", "libggml-cuda.so"] {
        fs::write(engine.join(name), b"").unwrap();
    }
    let image = WorkerImage::beside(base.path()).unwrap();
    let engine = fs::canonicalize(engine).unwrap();
    let paths = ["libggml-cuda.so", "libggml-vulkan.so"].map(|name| engine.join(name));
    assert_eq!((image.backends.as_slice(), image.profile()), (&paths[..], Profile::Gpu));
    assert_eq!(image.variants.len(), 1, "a back end is no CPU variant");
}
