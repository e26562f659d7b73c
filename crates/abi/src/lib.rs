//! The C ABI of Batchmill's plugins.
//!
//! **What it is.** One frozen layout ([`layout`]) of plain data and tables of functions; the plugin's side of it ([`guest`]), by
//! which safe implementations of the traits of `batchmill-core` become a dynamic library; and, with the feature `host`, the
//! side that checks a file, loads it and makes such traits of it again. It is the only crate, but for the spawner of
//! processes, with `unsafe` code.
//!
//! **When to use it.** Not directly: a plugin uses `export_plugin!` of `batchmill-plugin`; a plugin in C uses
//! `include/batchmill_plugin.h`, which a test holds equal to [`layout`].
//!
//! **What it deliberately does not do.** No Rust type crosses the boundary: no futures, no trait objects, no `Option`, no
//! allocation that one side makes and the other frees. It cannot protect a host from a library that writes into its memory,
//! exits, or overflows its stack: what is loaded is trusted (`docs/plugins.md`). Nothing is ever unloaded.

pub mod guest;
#[cfg(feature = "host")]
pub mod host;
pub mod layout;
mod problems;
mod text;

/// Makes the library that is being built a plugin: a header in a section of its own and the one entry function.
///
/// Used by `export_plugin!` of `batchmill-plugin`, which says when.
#[macro_export]
macro_rules! export {
    (kinds: $kinds:expr, exports: $exports:expr) => {
        const _: () = {
            #[used]
            #[unsafe(link_section = ".bmplugin")]
            static HEADER: $crate::layout::Header = $crate::layout::Header::of(
                ::core::env!("CARGO_PKG_NAME"),
                ::core::env!("CARGO_PKG_VERSION"),
                $kinds,
                (if ::core::cfg!(panic = "abort") { $crate::layout::FLAG_PANIC_ABORT } else { 0 })
                    | (if ::core::cfg!(debug_assertions) { $crate::layout::FLAG_DEBUG } else { 0 }),
            );

            /// The entry of the plugin ABI, version 1.
            #[unsafe(no_mangle)]
            extern "C" fn bm_plugin_v1() -> *const $crate::layout::PluginDescriptor {
                $crate::guest::describe(&HEADER, || $exports)
            }
        };
    };
}
