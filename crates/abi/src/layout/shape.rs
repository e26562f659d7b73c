//! Structs whose layout can be asked for, so that a snapshot and the C header can be held against it.

/// A struct of the ABI as it lies in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shape {
    /// Its name in C.
    pub name: &'static str,
    /// Its size in bytes.
    pub size: usize,
    /// Name, offset and size of each field, in order.
    pub fields: Vec<(&'static str, usize, usize)>,
}

/// A struct of the ABI: plain data for which all bytes zero is a value, so that one which is shorter than ours (an older
/// side made it) can be read with what is missing as zero.
///
/// # Safety
/// `repr(C)`, only integers, floats, raw pointers, nullable function pointers and such structs, without padding; `Sized`
/// structs begin with their own size as `u32`.
pub unsafe trait Plain: Copy {
    /// How it lies in memory.
    fn shape() -> Shape;
}

/// Defines structs of the ABI with their shapes.
macro_rules! abi_structs {
    ($($(#[$meta:meta])* $name:ident = $c:literal { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy)]
        #[repr(C)]
        pub struct $name { $($(#[$field_meta])* pub $field: $type,)* }

        // Padding would be bytes that nobody set.
        const _: () = assert!(0 $(+ size_of::<$type>())* == size_of::<$name>(), "a struct of the ABI has no padding");

        // SAFETY: `repr(C)` and without padding by the lines above; the types of the fields are reviewed here, in `layout`.
        unsafe impl $crate::layout::Plain for $name {
            fn shape() -> $crate::layout::Shape {
                $crate::layout::Shape {
                    name: $c,
                    size: size_of::<$name>(),
                    fields: vec![$((stringify!($field), std::mem::offset_of!($name, $field), size_of::<$type>())),*],
                }
            }
        }
    )*};
}
pub(crate) use abi_structs;
