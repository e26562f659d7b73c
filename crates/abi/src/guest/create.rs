//! Factories behind functions.

use std::{ffi::c_void, sync::Arc};

use batchmill_core::{BuildContext, BuildError, Factory, Options};

use super::guard::{self, Guarded};
use crate::{
    layout::{BuildInfo, CONFIG, ERROR, OK, Text, Writer, read_sized},
    problems, text,
};

/// The factory behind the context of an extension.
///
/// # Safety
/// `ctx` is that of a descriptor made by `super::extension` for the same `P`.
pub(super) unsafe fn factory<P: ?Sized + 'static>(ctx: *mut c_void) -> &'static Arc<dyn Factory<P>> {
    // SAFETY: as the caller promises; it was leaked.
    unsafe { &*ctx.cast::<Arc<dyn Factory<P>>>() }
}

pub(super) unsafe extern "C" fn schema<P: ?Sized + 'static>(ctx: *mut c_void, out: *const Writer) -> i32 {
    // SAFETY: the host gives us our own context and a writer.
    guard::answered(std::ptr::null(), || unsafe { text::write(out, &factory::<P>(ctx).schema().to_string()) })
}

pub(super) unsafe extern "C" fn validate<P: ?Sized + 'static>(
    ctx: *mut c_void,
    options: Text,
    problems: *const Writer,
) -> i32 {
    guard::answered(problems, || {
        // SAFETY: text of the host, for this call.
        let options = match parse_options(&unsafe { text::read(options) }) {
            Ok(options) => options,
            // SAFETY: a writer of the host.
            Err(message) => return unsafe { refuse(problems, ERROR, &message) },
        };
        // SAFETY: the host gives us our own context.
        match unsafe { factory::<P>(ctx) }.validate(&options) {
            Ok(()) => OK,
            // SAFETY: a writer of the host.
            Err(found) => unsafe { refuse(problems, CONFIG, &problems::to_json(&found)) },
        }
    })
}

/// Makes an instance of a decision plugin.
pub(super) unsafe extern "C" fn create<P: ?Sized + 'static>(
    ctx: *mut c_void,
    options: Text,
    info: *const BuildInfo,
    out: *mut *mut c_void,
    error: *const Writer,
) -> i32 {
    // SAFETY: the host gives us our own context, its text for this call, a place for the answer and a writer.
    guard::answered(error, || unsafe {
        let asked = match Asked::<P>::read(ctx, options, info) {
            Ok(asked) => asked,
            Err(message) => return refuse(error, ERROR, &message),
        };
        match asked.build() {
            Ok(instance) => {
                *out = Guarded::leak(instance);
                OK
            }
            Err(why) => tell(error, &why),
        }
    })
}

/// What an instance is to be made of.
pub(super) struct Asked<P: ?Sized + 'static> {
    factory: &'static Arc<dyn Factory<P>>,
    options: Options,
    context: BuildContext,
}

impl<P: ?Sized + 'static> Asked<P> {
    /// # Safety
    /// `ctx` is that of an extension for `P`; text and info are the host's, for this call.
    pub(super) unsafe fn read(ctx: *mut c_void, options: Text, info: *const BuildInfo) -> Result<Self, String> {
        // SAFETY: as the caller promises.
        let options = parse_options(&unsafe { text::read(options) })?;
        let mut context = BuildContext::default();
        // SAFETY: as the caller promises.
        if let Some(info) = unsafe { read_sized(info) } {
            // SAFETY: as the caller promises.
            context = BuildContext::new(unsafe { text::read(info.directory) }.into_owned());
            context.resumes = info.resumes == 1;
        }
        // SAFETY: as the caller promises.
        Ok(Self { factory: unsafe { factory::<P>(ctx) }, options, context })
    }

    pub(super) fn name(&self) -> &'static str {
        self.factory.name()
    }

    pub(super) fn build(&self) -> Result<Box<P>, BuildError> {
        self.factory.build(&self.options, &self.context)
    }
}

fn parse_options(text: &str) -> Result<Options, String> {
    if text.is_empty() {
        return Ok(Options::new());
    }
    serde_json::from_str(text).map_err(|error| format!("the options are no JSON object: {error}"))
}

/// Tells why an instance was not made.
///
/// # Safety
/// `error` is null or a writer of the host.
pub(super) unsafe fn tell(error: *const Writer, why: &BuildError) -> i32 {
    match why {
        // SAFETY: as the caller promises.
        BuildError::Options(found) => unsafe { refuse(error, CONFIG, &problems::to_json(found)) },
        // SAFETY: as the caller promises.
        other => unsafe { refuse(error, ERROR, &other.to_string()) },
    }
}

/// Says why and answers `code`.
///
/// # Safety
/// `error` is null or a writer of the host.
pub(super) unsafe fn refuse(error: *const Writer, code: i32, message: &str) -> i32 {
    // SAFETY: as the caller promises.
    unsafe { text::write(error, message) };
    code
}
