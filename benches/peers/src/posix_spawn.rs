//! The limit that the system sets: `posix_spawn` and `waitpid` of `/bin/true` from a few threads, nothing captured.

use std::{ptr, thread};

unsafe extern "C" {
    static environ: *const *mut libc::c_char;
}

pub(crate) fn run(jobs: u32, threads: usize) -> Result<u64, String> {
    let jobs = jobs as usize;
    let share = move |thread: usize| jobs / threads + usize::from(thread < jobs % threads);
    let threads: Vec<_> =
        (0..threads).map(|thread| thread::spawn(move || (0..share(thread)).map(|_| one()).sum::<u64>())).collect();
    let ended = threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked".to_owned()));
    ended.sum()
}

/// 1 if a child was started and exited with 0.
fn one() -> u64 {
    let path = c"/bin/true".as_ptr();
    let argv = [path.cast_mut(), ptr::null_mut()];
    let (mut child, mut status) = (0, -1);
    // SAFETY: the path and the argument list end with a zero and outlive the call, `environ` is that of libc and nobody
    // changes the environment, and the child is waited for once.
    let ended = unsafe {
        libc::posix_spawn(&mut child, path, ptr::null(), ptr::null(), argv.as_ptr(), environ) == 0
            && libc::waitpid(child, &mut status, 0) == child
    };
    u64::from(ended && status == 0)
}
