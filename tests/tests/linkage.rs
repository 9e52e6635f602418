//! What ships must not be able to speak to a network even before any filter is in place: neither
//! the worker nor a library beside it imports a socket call or needs a library that has one.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};

use object::elf::{DT_NEEDED, FileHeader64};
use object::read::elf::{Dyn, ElfFile, FileHeader};
use object::{Endianness, Object};

/// Calls that open, use or resolve an address, or start another program without fork.
const IMPORTS: [&str; 22] = [
    "accept",
    "accept4",
    "bind",
    "connect",
    "getaddrinfo",
    "gethostbyaddr",
    "gethostbyname",
    "gethostbyname_r",
    "getnameinfo",
    "getpeername",
    "listen",
    "popen",
    "posix_spawn",
    "posix_spawnp",
    "recvfrom",
    "recvmsg",
    "sendmsg",
    "sendto",
    "socket",
    "socketpair",
    "system",
    "vfork",
];
/// Starts of the names of libraries that bring any of them along.
const LIBRARIES: [&str; 6] =
    ["libcrypto", "libcurl", "libggml-rpc", "libllama-common", "libnghttp2", "libssl"];
/// ggml's assertion handler would start a debugger: two imports that the variable
/// GGML_NO_BACKTRACE silences and both filters kill. No other file may have them.
const DEBUGGER: [&str; 8] =
    ["execl", "execle", "execlp", "execv", "execve", "execvp", "execvpe", "fork"];
const DEBUGGED: &str = "libggml-base.so.0";
/// Libraries that the worker cannot run without.
const EXPECTED: [&str; 3] = ["libggml-base.so.0", "libggml.so.0", "libllama.so.0"];

/// The folder of what was built for release: above this very test when that is a release build,
/// beside its profile when it is not.
fn release() -> PathBuf {
    let this = std::env::current_exe().expect("a test knows its own file");
    let places = this.ancestors().flat_map(|up| [up.to_owned(), up.join("release")]);
    let worker = |place: &PathBuf| place.join("core-worker").is_file();
    let mut built = places.filter(|place| place.ends_with("release") && worker(place));
    let hint = "core-worker is not built: run `cargo build --release` with this target directory";
    built.next().expect(hint)
}

/// What one file asks the loader for.
struct Wants {
    name: String,
    imports: Vec<String>,
    needed: Vec<String>,
}

impl Wants {
    fn of(path: &Path) -> Self {
        let data = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file = ElfFile::<FileHeader64<Endianness>>::parse(&*data)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let imports = file.imports().expect("the table of imports can be read");
        let imports = imports.iter().map(|import| lossy(import.name())).collect();
        let needed = needed(file.elf_header(), &data);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { name, imports, needed }
    }

    fn objections(&self) -> Vec<String> {
        let debugger = DEBUGGER.iter().filter(|_| self.name != DEBUGGED);
        let banned: Vec<&str> = IMPORTS.iter().chain(debugger).copied().collect();
        let imports = self.imports.iter().filter(|name| banned.contains(&name.as_str()));
        let libraries = LIBRARIES.iter();
        let named = libraries.filter(|start| self.name.starts_with(**start)).copied();
        let needed =
            self.needed.iter().filter(|name| LIBRARIES.iter().any(|start| name.starts_with(start)));
        let all = imports.chain(needed).map(String::as_str).chain(named);
        all.map(|what| format!("{} has {what}", self.name)).collect()
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn needed(header: &FileHeader64<Endianness>, data: &[u8]) -> Vec<String> {
    let endian = header.endian().expect("an ELF file has a byte order");
    let sections = header.sections(endian, data).expect("sections can be read");
    let (entries, link) = sections
        .dynamic(endian, data)
        .expect("the dynamic section can be read")
        .expect("a dynamically linked file has a dynamic section");
    let strings = sections.strings(endian, data, link).expect("its strings can be read");
    let names = entries.iter().filter(|entry| entry.tag32(endian) == Some(DT_NEEDED));
    let name = |entry: &_| Dyn::string(entry, endian, strings).expect("a name can be read");
    names.map(|entry| lossy(name(entry))).collect()
}

fn engine() -> Vec<PathBuf> {
    let folder = release().join("engine");
    let entries = fs::read_dir(&folder).expect("engine/ lies beside core-worker");
    entries.map(|entry| entry.expect("an entry can be read").path()).collect()
}

#[test]
fn nothing_that_ships_in_the_worker_can_reach_a_network() {
    let files = engine().into_iter().chain([release().join("core-worker")]);
    let wants: Vec<Wants> = files.map(|path| Wants::of(&path)).collect();
    let objections: Vec<String> = wants.iter().flat_map(Wants::objections).collect();
    assert_eq!(objections, Vec::<String>::new());
    let worker = wants.iter().find(|wants| wants.name == "core-worker");
    let needed = &worker.expect("it is in the list").needed;
    assert!(needed.iter().any(|name| name == "libllama.so.0"), "a static engine: {needed:?}");
}

#[test]
fn the_engine_folder_holds_libraries_and_variants_only() {
    let name = |path: PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let names: Vec<String> = engine().into_iter().map(name).collect();
    for expected in EXPECTED {
        assert!(names.iter().any(|name| name == expected), "{expected} is not in {names:?}");
    }
    let is_variant = |name: &String| name.starts_with("libggml-cpu-") && name.ends_with(".so");
    let (variants, others): (Vec<_>, Vec<_>) = names.iter().partition(|name| is_variant(name));
    assert!(!variants.is_empty(), "no CPU variant in {names:?}");
    assert_eq!(others.len(), EXPECTED.len(), "strangers among {others:?}");
}

#[test]
fn the_rule_sees_a_socket_where_there_is_one() {
    // The broker speaks Unix sockets, so it is the sample that must be refused.
    let broker = Wants::of(&release().join("core-broker"));
    let objections = broker.objections();
    let seen = objections.iter().any(|what| {
        ["accept4", "bind", "listen", "socket"].iter().any(|call| what.ends_with(call))
    });
    assert!(seen, "{objections:?}");
    let planted = Wants {
        name: "libllama-common.so.0".to_owned(),
        imports: vec!["fork".to_owned(), "malloc".to_owned()],
        needed: vec!["libssl.so.3".to_owned(), "libc.so.6".to_owned()],
    };
    assert_eq!(planted.objections().len(), 3);
    let handler = Wants { name: DEBUGGED.to_owned(), needed: Vec::new(), ..planted };
    assert_eq!(handler.objections(), Vec::<String>::new());
}
