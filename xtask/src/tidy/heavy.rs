//! What a plain `cargo build` compiles stays light: no TLS stack, no C crypto.

use super::Finding;
use crate::metadata::Workspace;

const RULE: &str = "heavy";

const HEAVY: &[&str] = &["aws-lc-sys", "openssl-sys", "ring"];

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let ways = HEAVY.iter().filter_map(|name| workspace.way_to(name));
    ways.map(|way| {
        let why = format!("default-members must not need this: {}", way.join(" → "));
        Finding::new("Cargo.toml", 1, RULE, why)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_a_heavy_crate_is_shown() {
        let id = |name: &str| (name.to_owned(), name.to_owned());
        let workspace = Workspace {
            defaults: vec!["host".into()],
            names: ["host", "http", "ring", "other"].map(id).into(),
            needs: [("host".into(), vec!["http".into()]), ("http".into(), vec!["ring".into()])].into(),
            ..Workspace::default()
        };
        let found: Vec<String> = check(&workspace).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["Cargo.toml:1: heavy: default-members must not need this: host → http → ring"]);
        let without = Workspace { defaults: vec!["other".into()], ..workspace };
        assert_eq!(check(&without), []);
    }
}
