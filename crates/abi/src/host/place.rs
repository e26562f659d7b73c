//! Where a plugin lies, and who could change it.

use std::{
    fs::{self, Metadata, OpenOptions},
    io::Read,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use super::LoadError;

/// The most that a plugin may have.
const SIZE_MAX: u64 = 256 << 20;

/// Reads a file that nobody but root and the user of the host can change.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    if !path.is_absolute() {
        return Err(LoadError::RelativePath);
    }
    let real = fs::canonicalize(path)?;
    if real != path {
        return Err(LoadError::Symlink(real));
    }
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags((rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::CLOEXEC).bits().cast_signed())
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(LoadError::NotAFile);
    }
    check("file", path, &metadata, false)?;
    for (distance, folder) in path.ancestors().skip(1).enumerate() {
        // Above the folder of the plugin a sticky one such as /tmp is fine: nobody can rename what is not theirs.
        check("directory", folder, &fs::symlink_metadata(folder)?, distance > 0)?;
    }
    if metadata.len() > SIZE_MAX {
        return Err(LoadError::TooLarge(metadata.len()));
    }
    let mut bytes = Vec::new();
    Read::by_ref(&mut file).take(SIZE_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn check(what: &'static str, path: &Path, metadata: &Metadata, may_be_sticky: bool) -> Result<(), LoadError> {
    let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
    let path = path.display().to_string();
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(LoadError::Owner { what, path, owner });
    }
    let is_sticky = mode & 0o1000 != 0;
    if mode & 0o022 != 0 && !(may_be_sticky && is_sticky) {
        return Err(LoadError::Writable { what, path, mode });
    }
    Ok(())
}
