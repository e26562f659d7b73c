//! Plugins of earlier versions load for ever.

#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
#[test]
fn a_plugin_that_was_built_for_version_1_0_still_loads_and_decides() {
    use batchmill_abi::host::Containment;

    use crate::{
        c_plugin::policy,
        compiler::{Bench, load_at},
    };

    let bench = Bench::new();
    let archived = include_bytes!("fixtures/steady-1.0-x86_64.so");
    let plugin = load_at(&bench.write("steady.so", archived)).unwrap();
    assert_eq!(plugin.header().abi, (1, 0));
    batchmill_testkit::retry::run(|| policy(&plugin, &Containment::default())).assert_passed();
}
