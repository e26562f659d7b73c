//! Structs that begin with their size, read and written by a side that may know more or fewer fields.

use std::{
    mem::{MaybeUninit, size_of},
    ptr,
};

use super::Plain;

/// What lies at `from`, as much of it as both sides know; the rest is zero. A size within a field, which no side has, ends
/// before that field: half a pointer would be a pointer to anywhere.
///
/// # Safety
/// `from` is null or points to a struct that begins with its size in bytes as `u32` and is readable that far.
pub(crate) unsafe fn read_sized<T: Plain>(from: *const T) -> Option<T> {
    if from.is_null() {
        return None;
    }
    // SAFETY: not null, and readable as the caller promises.
    let size = unsafe { ptr::read_unaligned(from.cast::<u32>()) } as usize;
    if size == size_of::<T>() {
        // The other side was built from the same layout, as nearly always: one move instead of a call of `memcpy`.
        // SAFETY: readable that far; every pattern of bytes is a value of a `Plain` struct.
        return Some(unsafe { ptr::read_unaligned(from) });
    }
    let size = size & !7;
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: at most as many bytes as there are at both ends, which do not overlap.
    unsafe { ptr::copy_nonoverlapping(from.cast::<u8>(), value.as_mut_ptr().cast::<u8>(), size.min(size_of::<T>())) };
    // SAFETY: every byte is set, and zero is a value of every field of a `Plain` struct.
    Some(unsafe { value.assume_init() })
}

/// Writes as much of `value` as the other side has room for; its own idea of the size stays.
///
/// # Safety
/// `to` points to a struct that begins with its size in bytes as `u32` and is writable that far.
pub(crate) unsafe fn write_sized<T: Plain>(to: *mut T, value: &T) {
    if to.is_null() {
        return;
    }
    let head = size_of::<u32>();
    // SAFETY: not null, and readable as the caller promises.
    let room = unsafe { ptr::read_unaligned(to.cast::<u32>()) } as usize;
    if room == size_of::<T>() {
        // SAFETY: writable that far.
        unsafe { ptr::write_unaligned(to, *value) };
        return;
    }
    let bytes = room.min(size_of::<T>()).saturating_sub(head);
    // SAFETY: at most as many bytes as there are at both ends, behind the size.
    unsafe { ptr::copy_nonoverlapping(ptr::from_ref(value).cast::<u8>().add(head), to.cast::<u8>().add(head), bytes) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::RawPick;

    #[test]
    fn what_an_older_side_does_not_have_is_zero() {
        let short = RawPick { size: 8, answer: 7, value: 9 };
        // SAFETY: a whole struct that says that it is shorter.
        let read = unsafe { read_sized(&raw const short) }.unwrap();
        assert_eq!((read.size, read.answer, read.value), (8, 7, 0));
    }

    #[test]
    fn half_a_field_is_none() {
        for size in 8..16 {
            let cut = RawPick { size, answer: 7, value: u64::MAX };
            // SAFETY: a whole struct that says that it is shorter.
            assert_eq!(unsafe { read_sized(&raw const cut) }.unwrap().value, 0, "{size}");
        }
    }

    #[test]
    fn nothing_is_written_behind_the_end_of_an_older_side() {
        let mut short = RawPick { size: 8, answer: 0, value: 5 };
        // SAFETY: a whole struct that says that it is shorter.
        unsafe { write_sized(&raw mut short, &RawPick { size: 16, answer: 3, value: 6 }) };
        assert_eq!((short.size, short.answer, short.value), (8, 3, 5));
    }
}
