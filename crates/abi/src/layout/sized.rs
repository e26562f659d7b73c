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

/// The same, without a copy where the other side was built from the same layout: its fields were written one by one a moment
/// ago, and a processor waits for them where they are read as one.
///
/// # Safety
/// As of [`read_sized`], and what is there stays as it is meanwhile.
pub(crate) unsafe fn with_sized<T: Plain, R>(from: *const T, then: impl FnOnce(&T) -> R) -> Option<R> {
    // SAFETY: looked at only where it is not null, and readable as the caller promises.
    if !from.is_null() && from.is_aligned() && unsafe { ptr::read(from.cast::<u32>()) } as usize == size_of::<T>() {
        // SAFETY: aligned and readable that far; every pattern of bytes is a value of a `Plain` struct.
        return Some(then(unsafe { &*from }));
    }
    // SAFETY: as the caller promises.
    unsafe { with_copied(from, then) }
}

/// Apart from the way that nearly every call takes, whose registers it would cost.
#[cold]
#[inline(never)]
unsafe fn with_copied<T: Plain, R>(from: *const T, then: impl FnOnce(&T) -> R) -> Option<R> {
    // SAFETY: as the caller promises.
    unsafe { read_sized(from) }.map(|value| then(&value))
}

/// Lets `set` write the answer where it belongs, if the other side was built from the same layout: a struct that is put together
/// elsewhere first is copied in pieces for which a processor waits. Otherwise as [`write_sized`].
///
/// # Safety
/// As of [`write_sized`].
pub(crate) unsafe fn set_sized<T: Plain>(to: *mut T, set: impl FnOnce(&mut T)) {
    // SAFETY: looked at only where it is not null, and readable as the caller promises.
    if !to.is_null() && to.is_aligned() && unsafe { ptr::read(to.cast::<u32>()) } as usize == size_of::<T>() {
        // SAFETY: aligned and writable that far; every pattern of bytes is a value of a `Plain` struct.
        set(unsafe { &mut *to });
    } else {
        // SAFETY: as the caller promises.
        unsafe { set_copied(to, set) }
    }
}

#[cold]
#[inline(never)]
unsafe fn set_copied<T: Plain>(to: *mut T, set: impl FnOnce(&mut T)) {
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: it begins with its size, and zero is a value of every other field of a `Plain` struct.
    let mut value = unsafe {
        value.as_mut_ptr().cast::<u32>().write(size_of::<T>() as u32);
        value.assume_init()
    };
    set(&mut value);
    // SAFETY: as the caller promises.
    unsafe { write_sized(to, &value) }
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
    fn what_is_looked_at_in_its_place_is_what_would_be_read() {
        let mut words = [0_u64; 4];
        for (size, shift) in [(16, 0), (16, 1), (8, 0), (0, 0), (64, 0)] {
            // A size beyond ours is that of a newer side, which has more fields than are looked at.
            let pick = RawPick { size, answer: 7, value: 9 };
            // SAFETY: room for a struct and a byte before it.
            let place = unsafe { words.as_mut_ptr().cast::<u8>().add(shift).cast::<RawPick>() };
            // SAFETY: as above.
            unsafe { ptr::write_unaligned(place, pick) };
            let parts = |pick: &RawPick| (pick.answer, pick.value);
            // SAFETY: a struct that is as long as it says, or longer.
            let (seen, read) = unsafe { (with_sized(place, parts), read_sized(place)) };
            assert_eq!(seen, read.as_ref().map(parts), "{size}, {shift}");
        }
        // SAFETY: nothing is looked at.
        assert!(unsafe { with_sized(ptr::null::<RawPick>(), |_| ()) }.is_none());
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
    fn what_is_set_in_its_place_is_what_would_be_written() {
        let mut words = [0_u64; 4];
        for (size, shift) in [(16, 0), (16, 1), (8, 0), (0, 0), (64, 0)] {
            // SAFETY: room for a struct and a byte before it; a size beyond ours is that of a newer side.
            let set = unsafe {
                let place = words.as_mut_ptr().cast::<u8>().add(shift).cast::<RawPick>();
                ptr::write_unaligned(place, RawPick { size, answer: 7, value: 9 });
                set_sized(place, |pick| (pick.answer, pick.value) = (3, 6));
                ptr::read_unaligned(place)
            };
            let mut written = RawPick { size, answer: 7, value: 9 };
            // SAFETY: a struct that is as long as it says, or longer.
            unsafe { write_sized(&raw mut written, &RawPick { size: 16, answer: 3, value: 6 }) };
            let all = |pick: RawPick| (pick.size, pick.answer, pick.value);
            assert_eq!(all(set), all(written), "{size}, {shift}");
        }
        // SAFETY: nothing is written.
        unsafe { set_sized(ptr::null_mut::<RawPick>(), |_| ()) };
    }

    #[test]
    fn nothing_is_written_behind_the_end_of_an_older_side() {
        let mut short = RawPick { size: 8, answer: 0, value: 5 };
        // SAFETY: a whole struct that says that it is shorter.
        unsafe { write_sized(&raw mut short, &RawPick { size: 16, answer: 3, value: 6 }) };
        assert_eq!((short.size, short.answer, short.value), (8, 3, 5));
    }
}
