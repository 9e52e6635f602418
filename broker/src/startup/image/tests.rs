use std::fs;

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
