//! What comes from outside is taken apart: whatever it is, that ends, and what was taken apart means what it says.
//!
//! Each target is a function of bytes that panics where something is not as it must be. `cargo test -p lockstep-fuzz` runs each a fixed number
//! of times on inputs made from its seeds, with nothing but Rust; `cargo xtask fuzz TARGET SECONDS` searches with libFuzzer, which sees what code
//! an input reaches. A target's program built without libFuzzer runs the files that it is given: to look at what libFuzzer found.

pub mod agent_message;
pub mod caller_token;
pub mod certificate;
pub mod glob;
pub mod manifest;
pub mod name;
pub mod rounds;
pub mod selector;
pub mod server_message;
pub mod template;
pub mod vault_answer;

#[cfg(fuzzing)]
pub use libfuzzer_sys;

/// One way in.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its module's name.
    pub name: &'static str,
    /// Takes an input apart.
    pub run: fn(&[u8]),
    /// What others are made from.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// The entry point of a target's program.
#[macro_export]
macro_rules! entry {
    ($name:ident) => {
        #[cfg(fuzzing)]
        $crate::libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::$name::TARGET.run(data));

        #[cfg(not(fuzzing))]
        fn main() -> std::process::ExitCode {
            $crate::rounds::of_files($crate::$name::TARGET)
        }
    };
}

impl Target {
    /// Takes an input apart.
    pub fn run(self, data: &[u8]) {
        (self.run)(data);
    }
}

/// The input as text, with whatever is no UTF-8 replaced.
pub(crate) fn text(data: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(data)
}

/// Seeds from texts.
pub(crate) fn texts<const N: usize>(texts: [&str; N]) -> Vec<Vec<u8>> {
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

/// A value that no message may quote: long enough that it is nowhere by chance.
pub(crate) const MATERIAL: &str = "mqx7-material-zzq9";
