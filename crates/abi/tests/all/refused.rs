//! What is refused before any of its code runs, and what is refused when it tells of itself: each with its own message.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use batchmill_abi::host::{LoadRequest, Pin};

use crate::compiler::{Bench, load_at, refusal};

fn at(path: &Path) -> LoadRequest {
    LoadRequest { path: path.to_owned(), ..LoadRequest::default() }
}

/// A plugin that is built so is refused with a message that begins so.
#[track_caller]
fn check(definitions: &[&str], expected: &str) {
    let bench = Bench::new();
    let message = refusal(&at(&bench.steady(definitions)));
    assert!(message.starts_with(expected), "{definitions:?}: {message}");
}

#[test]
fn every_header_that_is_not_ours_has_its_own_message() {
    check(&["-DMAGIC=7"], "its header does not begin with the magic number");
    check(&["-DMAJOR=2"], "it speaks version 2 of the plugin ABI, this host speaks 1");
    check(&["-DMIN_HOST=9"], "it needs a host with version 1.9 of the plugin ABI, this one has 1.1");
    check(&["-DFLAGS=1"], "it was built with panic = \"abort\"");
    check(&["-DNAME=\"No Name\""], "its header has a name that is not 1 to 63 characters");
    check(&["-DNO_HEADER"], "it is a shared library, but no Batchmill plugin: it has no section `.bmplugin`");
    check(&["-DNO_ENTRY"], "it exports no `bm_plugin_v1`");
    check(&["-Wl,-rpath,/opt"], "it has an RPATH or RUNPATH");
    check(&["-Wl,--no-as-needed", "-l:libresolv.so.2"], "it needs the library `libresolv.so.2`");
}

#[test]
fn every_descriptor_that_cannot_be_has_its_own_message() {
    check(&["-DDESCRIPTOR_MAJOR=3"], "its descriptor is wrong: its magic number or version is not that of its header");
    check(&["-DCOUNT=65"], "its descriptor is wrong: 65 extensions, at most 64");
    check(&["-DCOUNT=0"], "its descriptor is wrong: it has no extension");
    check(&["-DTWICE"], "extension `steady`: a second retry of this name in the same plugin");
    check(&["-DKIND=9"], "extension `steady`: kind 9 is no kind that this host loads");
    check(&["-DKIND=BM_KIND_NODE"], "extension `steady`: node is no kind that this host loads");
    check(&["-DKIND_IS_VERSION=2"], "extension `steady`: version 2 of kind retry, this host knows 1");
    check(&["-DKINDS=2u"], "extension `steady`: it is a retry, which the header does not say");
    check(&["-DNO_DECIDE", "-Wno-unused-function"], "extension `steady`: it has no table, or one without");
    check(&["-DREFUSES_TO_START"], "it did not start: not on a Sunday");
}

#[test]
fn files_that_are_no_plugins_are_told_apart() {
    let bench = Bench::new();
    let refused = |bytes: &[u8]| refusal(&at(&bench.write("file.so", bytes)));
    assert_eq!(refused(b""), "this is no dynamic library (ELF)");
    assert_eq!(refused(&b"just a text that somebody wrote\n".repeat(9)), "this is no dynamic library (ELF)");
    let mut other = fs::read(bench.steady(&[])).unwrap();
    other[18..20].copy_from_slice(&243_u16.to_le_bytes());
    assert!(refused(&other).starts_with("it was built for another machine (riscv), this is "));
    other[4] = 1;
    assert!(refused(&other).starts_with("it was built for another machine (not 64 bits"));
    let program = fs::read(std::env::current_exe().unwrap()).unwrap();
    let message = refused(&program);
    assert!(message.contains("no Batchmill plugin") || message.contains("exports no"), "{message}");
}

#[test]
fn a_place_that_others_can_change_is_refused() {
    let bench = Bench::new();
    let path = bench.steady(&[]);
    assert_eq!(refusal(&at(Path::new("libsteady.so"))), "the path must be absolute");
    let message = refusal(&at(&bench.path("nothing.so")));
    assert!(message.starts_with("it cannot be read: No such file"), "{message}");

    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(&path, 0o757);
    assert_eq!(refusal(&at(&path)), format!("others may write to the file {} (mode 0757): chmod go-w", path.display()));
    mode(&path, 0o755);
    let folder = path.parent().unwrap();
    mode(folder, 0o777);
    let message = refusal(&at(&path));
    assert_eq!(message, format!("others may write to the directory {} (mode 0777): chmod go-w", folder.display()));
    mode(folder, 0o1777);
    let message = refusal(&at(&path));
    assert!(message.contains("(mode 1777)"), "sticky is not enough for the folder itself: {message}");
    mode(folder, 0o755);

    let link = bench.path("link.so");
    symlink(&path, &link).unwrap();
    let message = refusal(&at(&link));
    assert_eq!(message, format!("the path goes through a symbolic link; name the file itself: {}", path.display()));
    assert_eq!(refusal(&at(folder)), "this is no regular file");
    load_at(&path).unwrap();
}

#[test]
fn a_name_that_config_does_not_expect_is_refused() {
    let bench = Bench::new();
    let request = LoadRequest { name: Some("deadline".into()), ..at(&bench.steady(&[])) };
    assert_eq!(refusal(&request), "it says that its name is `steady`, not `deadline`");
}

#[test]
fn one_flipped_byte_in_a_pinned_plugin_is_refused_at_each_of_a_hundred_places() {
    let bench = Bench::new();
    let path = bench.steady(&[]);
    let bytes = fs::read(&path).unwrap();
    let pin = Pin::of(&bytes);
    let pinned = |path: &Path| LoadRequest { pin: Some(pin), require_pin: true, ..at(path) };
    for place in (0..100).map(|hundredth| hundredth * bytes.len() / 100) {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1 << (place % 8);
        let message = refusal(&pinned(&bench.write("flipped.so", &flipped)));
        assert!(message.starts_with("its sha256 is ") && message.ends_with(&format!(", pinned is {pin}")), "{message}");
    }
    batchmill_abi::host::load(&pinned(&path)).unwrap();
    let unpinned = LoadRequest { require_pin: true, ..at(&path) };
    assert_eq!(refusal(&unpinned), format!("it has no sha256, and `require_pins` wants one; its sha256 is {pin}"));
}
