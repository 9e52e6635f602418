//! Where functions of a live process are: its maps, and the symbol tables of the files in them.

use std::fs;

use core_tests::harness::Setup;
use object::{Object, ObjectSymbol};

/// The address of a function in a process, by the file that holds it and the end or whole of its
/// mangled name.
///
/// # Errors
/// The file is not mapped, or has no such symbol.
pub(super) fn address(pid: u32, file: &str, wanted: impl Fn(&str) -> bool) -> Setup<u64> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let first = maps.lines().find(|line| {
        let path = line.split_whitespace().nth(5).unwrap_or_default();
        path.rsplit('/').next().is_some_and(|name| name.starts_with(file))
    });
    let line = first.ok_or_else(|| format!("{file} is not mapped"))?;
    let base = start(line)?;
    let path = line.split_whitespace().nth(5).ok_or("a maps line without a path")?;
    let bytes = fs::read(path)?;
    let elf = object::File::parse(&*bytes)?;
    let mut symbols = elf.symbols().chain(elf.dynamic_symbols());
    let found = symbols.find(|symbol| symbol.is_definition() && symbol.name().is_ok_and(&wanted));
    let symbol = found.ok_or_else(|| format!("{path} has no such symbol"))?;
    Ok(base + symbol.address())
}

/// Where the first mapping whose line is wanted begins and ends.
///
/// # Errors
/// There is none.
pub(super) fn mapping(pid: u32, wanted: impl Fn(&str) -> bool) -> Setup<(u64, u64)> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let line = maps.lines().find(|line| wanted(line)).ok_or("no such mapping")?;
    let end = line.split_once('-').and_then(|(_, rest)| rest.split(' ').next());
    Ok((start(line)?, u64::from_str_radix(end.ok_or("a maps line without an end")?, 16)?))
}

/// Where the mapping begins and ends that holds an address.
///
/// # Errors
/// Nothing is mapped there.
pub(super) fn mapping_of(pid: u32, address: u64) -> Setup<(u64, u64)> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let mut all = maps.lines().filter_map(|line| {
        let (begin, end) = line.split(' ').next()?.split_once('-')?;
        Some((u64::from_str_radix(begin, 16).ok()?, u64::from_str_radix(end, 16).ok()?))
    });
    let found = all.find(|(begin, end)| (*begin..*end).contains(&address));
    found.ok_or_else(|| format!("nothing is mapped at {address:#x}").into())
}

fn start(line: &str) -> Setup<u64> {
    let start = line.split('-').next().ok_or("a maps line without a range")?;
    Ok(u64::from_str_radix(start, 16)?)
}
