use std::path::Path;

use super::folder_of;

#[test]
fn a_library_lies_in_its_folder() {
    assert_eq!(folder_of("/opt/engine/libggml-cpu-x64.so"), Path::new("/opt/engine"));
    assert_eq!(folder_of("/"), Path::new(""));
}
