//! Plugins that hung, kept in the state directory: the next host sets them aside. Another file of the same name (another
//! sha256) is given its chance.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use batchmill_abi::host::Plugin;
use serde_json::{Map, Value};

/// Where it is kept: the sha256 of the file by the name of the plugin.
pub(super) fn file(state: &Path) -> PathBuf {
    state.join("hung-plugins.json")
}

fn read(state: &Path) -> Map<String, Value> {
    let text = fs::read(file(state)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Whether this very file hung before.
pub(super) fn is_marked(state: &Path, plugin: &Plugin) -> bool {
    read(state).get(&plugin.header().name).and_then(Value::as_str) == Some(&plugin.sha256().to_string())
}

/// Notes that a plugin hung. The file is replaced as a whole.
pub(super) fn mark(state: &Path, plugin: &str, sha256: &str) -> io::Result<()> {
    let mut all = read(state);
    all.insert(plugin.to_owned(), sha256.into());
    fs::create_dir_all(state)?;
    let next = file(state).with_extension("json.new");
    fs::write(&next, format!("{:#}\n", Value::Object(all)))?;
    fs::rename(next, file(state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_kept_beside_others() {
        let state = tempfile::tempdir().unwrap();
        mark(state.path(), "one", "aa").unwrap();
        mark(state.path(), "other", "bb").unwrap();
        let all = read(state.path());
        assert_eq!((all["one"].as_str(), all["other"].as_str()), (Some("aa"), Some("bb")));
    }
}
