//! What a job that has ended takes of the disk.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use super::{NOTHING, line};
use crate::{
    measure::{Bound, Case, Kind, Sample, Unit},
    sides::program::{Stand, at},
    tools::{Need, Tools},
};

const JOBS: u32 = 200_000;
const BYTES_MAX: f64 = 300.0;

const FOLDER: &str = "the folder of the batch";

pub(super) fn case(tools: &Tools) -> Case {
    let host = tools.path(Need::Host);
    let side = move |jobs| {
        let stand = Stand::new(&host, NOTHING, jobs, line)?;
        stand.timed(&mut stand.run()?, jobs)?;
        Ok(Sample::of(allocated(&stand.batch()?)? / f64::from(jobs)))
    };
    Case::new("disk per no-op job that has ended", Unit::BytesPerJob)
        .side(Kind::Batchmill, FOLDER, JOBS, side)
        .goal_of(FOLDER, Bound::AtMost(BYTES_MAX))
        .without_warm_up()
}

/// What all files of a folder take, whole blocks of the disk.
fn allocated(folder: &Path) -> Result<f64, String> {
    /// In which the system counts, whatever the disk does.
    const BLOCK: u32 = 512;
    let entries = fs::read_dir(folder).map_err(at(folder))?;
    let blocks = entries.map(|entry| entry.and_then(|entry| entry.metadata()).map(|file| file.blocks()));
    let blocks = blocks.sum::<Result<u64, _>>().map_err(at(folder))?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    Ok(blocks as f64 * f64::from(BLOCK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_folder_takes_is_at_least_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(allocated(folder.path()), Ok(0.0));
        let file = fs::File::create(folder.path().join("a")).unwrap();
        std::io::Write::write_all(&mut &file, &[7; 10_000]).unwrap();
        file.sync_all().unwrap();
        assert!(allocated(folder.path()).unwrap() >= 10_000.0);
    }
}
