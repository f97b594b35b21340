//! Stories on all the real parts.

mod one_write;
mod playground;
