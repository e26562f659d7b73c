//! Bad lines that are kept: a file beside the results.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use batchmill_core::BatchId;

use super::output::Place;
use crate::{cli::BatchArgs, problems::Refusal};

/// Where they go: `FILE.quarantine.jsonl` for `--output FILE`, else into the folder of the batch.
pub(super) fn path(args: &BatchArgs, batch: &BatchId, place: Option<&Place>) -> PathBuf {
    match (place, &args.terms.output) {
        (Some(Place::File(output)), Some(_)) => {
            let mut name = output.clone().into_os_string();
            name.push(".quarantine.jsonl");
            name.into()
        }
        _ => args.terms.state.join("batches").join(batch.as_str()).join("quarantine.jsonl"),
    }
}

/// Copies what was `kept`, so that it is on disk before the first job starts.
pub(super) fn write(path: &Path, kept: &File) -> Result<(), Refusal> {
    let written = || -> io::Result<()> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        let mut file = File::create(path)?;
        let mut kept = kept.try_clone()?;
        io::Seek::rewind(&mut kept)?;
        io::copy(&mut kept, &mut file)?;
        file.sync_all()
    };
    written().map_err(|error| Refusal::storage(format!("{}: bad lines could not be kept: {error}", path.display())))
}
