//! As much of ELF as it takes to know that the system's loader will find what it reads: without this check a file that
//! was cut off kills the host inside `dlopen`.

use super::FileProblem;
use crate::{
    layout::{ENTRY, SECTION},
    text::printable,
};

/// This machine in ELF, by what this was compiled for.
const MACHINE: (u16, &str) = if cfg!(target_arch = "x86_64") {
    (62, "x86_64")
} else if cfg!(target_arch = "aarch64") {
    (183, "aarch64")
} else {
    (0, "a machine without dynamic plugins")
};

/// The libraries that a plugin may need: those of the C runtime, which the host needs itself.
const ALLOWED: &[&str] = &[
    "libc.so.6",
    "libm.so.6",
    "libgcc_s.so.1",
    "libpthread.so.0",
    "libdl.so.2",
    "librt.so.1",
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
];

const LOAD: u32 = 1;
const DYNAMIC: u32 = 2;
const NOBITS: u32 = 8;
const DYNSYM: u32 = 11;
const NEEDED: u64 = 1;
const RPATH: u64 = 15;
const RUNPATH: u64 = 29;

/// A 64-bit little-endian ELF file.
struct Elf<'a> {
    bytes: &'a [u8],
}

struct Section {
    name: usize,
    kind: u32,
    offset: usize,
    size: usize,
    link: usize,
    entry: usize,
}

/// Checks the structure of a file and answers with the bytes of its header section.
pub(super) fn check(bytes: &[u8]) -> Result<&[u8], FileProblem> {
    if bytes.len() < 64 || !bytes.starts_with(b"\x7fELF") {
        return Err(FileProblem::NotElf);
    }
    if bytes[4..6] != [2, 1] {
        return Err(FileProblem::OtherMachine { found: "not 64 bits, little-endian".into(), here: MACHINE.1 });
    }
    let elf = Elf { bytes };
    let machine = elf.u16(18)?;
    if machine != MACHINE.0 {
        return Err(FileProblem::OtherMachine { found: machine_name(machine), here: MACHINE.1 });
    }
    if elf.u16(16)? != 3 {
        return Err(FileProblem::NotShared);
    }
    elf.segments()?;
    let sections = elf.sections()?;
    elf.entry(&sections)?;
    elf.libraries(&sections)?;
    elf.header(&sections)
}

fn machine_name(machine: u16) -> String {
    match machine {
        3 => "x86".into(),
        40 => "arm".into(),
        62 => "x86_64".into(),
        183 => "aarch64".into(),
        243 => "riscv".into(),
        other => format!("machine {other}"),
    }
}

impl<'a> Elf<'a> {
    fn part(&self, offset: usize, size: usize, what: &'static str) -> Result<&'a [u8], FileProblem> {
        let end = offset.checked_add(size).ok_or(FileProblem::Truncated(what))?;
        self.bytes.get(offset..end).ok_or(FileProblem::Truncated(what))
    }

    fn number<const N: usize>(&self, at: usize) -> Result<[u8; N], FileProblem> {
        let bytes = self.part(at, N, "a table")?;
        bytes.try_into().map_err(|_| FileProblem::Truncated("a table"))
    }

    fn u16(&self, at: usize) -> Result<u16, FileProblem> {
        self.number(at).map(u16::from_le_bytes)
    }

    fn u32(&self, at: usize) -> Result<u32, FileProblem> {
        self.number(at).map(u32::from_le_bytes)
    }

    fn u64(&self, at: usize) -> Result<u64, FileProblem> {
        self.number(at).map(u64::from_le_bytes)
    }

    fn size(&self, at: usize) -> Result<usize, FileProblem> {
        usize::try_from(self.u64(at)?).map_err(|_| FileProblem::Truncated("a part"))
    }

    /// Everything that will be mapped must be there.
    fn segments(&self) -> Result<(), FileProblem> {
        let (at, each, count) = (self.size(32)?, usize::from(self.u16(54)?), usize::from(self.u16(56)?));
        if each != 56 {
            return Err(FileProblem::Damaged("its program headers have another size"));
        }
        self.part(at, each * count, "the table of program headers")?;
        let mut kinds = Vec::new();
        for place in (0..count).map(|index| at + index * each) {
            let kind = self.u32(place)?;
            self.part(self.size(place + 8)?, self.size(place + 32)?, "a segment")?;
            kinds.push(kind);
        }
        if !kinds.contains(&LOAD) || !kinds.contains(&DYNAMIC) {
            return Err(FileProblem::Damaged("it has nothing to load"));
        }
        Ok(())
    }

    fn sections(&self) -> Result<Vec<Section>, FileProblem> {
        let (at, each, count) = (self.size(40)?, usize::from(self.u16(58)?), usize::from(self.u16(60)?));
        if at == 0 || count == 0 {
            return Err(FileProblem::NoHeader);
        }
        if each != 64 {
            return Err(FileProblem::Damaged("its section headers have another size"));
        }
        self.part(at, each * count, "the table of sections")?;
        let mut sections = Vec::with_capacity(count);
        for place in (0..count).map(|index| at + index * each) {
            let section = Section {
                name: self.u32(place)? as usize,
                kind: self.u32(place + 4)?,
                offset: self.size(place + 24)?,
                size: self.size(place + 32)?,
                link: self.u32(place + 40)? as usize,
                entry: self.size(place + 56)?,
            };
            if section.kind != NOBITS {
                self.part(section.offset, section.size, "a section")?;
            }
            sections.push(section);
        }
        Ok(sections)
    }

    fn content(&self, section: &Section) -> Result<&'a [u8], FileProblem> {
        if section.kind == NOBITS {
            return Err(FileProblem::Damaged("a section has no content"));
        }
        self.part(section.offset, section.size, "a section")
    }

    /// The section with the header.
    fn header(&self, sections: &[Section]) -> Result<&'a [u8], FileProblem> {
        let names =
            sections.get(usize::from(self.u16(62)?)).ok_or(FileProblem::Damaged("its sections have no names"))?;
        let names = self.content(names)?;
        let found = sections.iter().find(|section| text_at(names, section.name) == Some(SECTION));
        self.content(found.ok_or(FileProblem::NoHeader)?)
    }

    /// Whether the entry function is exported.
    fn entry(&self, sections: &[Section]) -> Result<(), FileProblem> {
        let symbols = sections.iter().find(|section| section.kind == DYNSYM).ok_or(FileProblem::NoEntry)?;
        let names = sections.get(symbols.link).ok_or(FileProblem::Damaged("its symbols have no names"))?;
        let names = self.content(names)?;
        if symbols.entry != 24 {
            return Err(FileProblem::Damaged("its symbols have another size"));
        }
        let mut all = self.content(symbols)?.chunks_exact(24);
        let is_entry = |symbol: &[u8]| {
            let name = u32::from_le_bytes([symbol[0], symbol[1], symbol[2], symbol[3]]) as usize;
            // Defined here, and global.
            text_at(names, name) == Some(ENTRY) && symbol[6..8] != [0, 0] && symbol[4] >> 4 == 1
        };
        if all.any(is_entry) { Ok(()) } else { Err(FileProblem::NoEntry) }
    }

    /// What the system's loader would look for elsewhere.
    fn libraries(&self, sections: &[Section]) -> Result<(), FileProblem> {
        const DYNAMIC_SECTION: u32 = 6;
        let dynamic = sections.iter().find(|section| section.kind == DYNAMIC_SECTION);
        let dynamic = dynamic.ok_or(FileProblem::Damaged("it has no dynamic section"))?;
        let names = sections.get(dynamic.link).ok_or(FileProblem::Damaged("its libraries have no names"))?;
        let names = self.content(names)?;
        for entry in self.content(dynamic)?.chunks_exact(16) {
            let (tag, value) = entry.split_at(8);
            let tag = u64::from_le_bytes(tag.try_into().unwrap_or_default());
            let value = u64::from_le_bytes(value.try_into().unwrap_or_default());
            match tag {
                0 => break,
                RPATH | RUNPATH => return Err(FileProblem::RunPath),
                NEEDED => {
                    let name = usize::try_from(value).ok().and_then(|at| text_at(names, at));
                    let name = name.ok_or(FileProblem::Damaged("a library has no name"))?;
                    if !ALLOWED.contains(&name) {
                        return Err(FileProblem::ForeignLibrary(printable(name)));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The text at an offset of a string table.
fn text_at(table: &[u8], at: usize) -> Option<&str> {
    let rest = table.get(at..)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    std::str::from_utf8(&rest[..end]).ok()
}
