//! Tells xtask the platform that it was built for.

fn main() {
    let platform = std::env::var("TARGET").expect("cargo sets TARGET for build scripts");
    println!("cargo::rustc-env=XTASK_PLATFORM={platform}");
    println!("cargo::rerun-if-changed=build.rs");
}
