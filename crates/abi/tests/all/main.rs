//! The ABI from both sides of a file: layout and header, what is refused before it is loaded, and a plugin in C.

mod archive;
mod c_plugin;
mod compiler;
mod damaged;
mod layout;
mod refused;
mod valgrind;
