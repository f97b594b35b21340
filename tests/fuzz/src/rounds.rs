//! A short run without libFuzzer: inputs made from seeds, the same ones each time.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, fs, io};

use crate::Target;

/// No input may take longer, also unoptimised on a busy machine.
const INPUT_LIMIT: Duration = Duration::from_secs(10);
const INPUT_MAX_BYTES: usize = 64 << 10;

/// Numbers that look random and are the same each time (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap_or_default()
    }

    /// Below `end`; 0 if there is nothing below it.
    fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { self.roll() % end }
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap_or_default()
    }
}

/// Runs a target on its seeds and on `count` inputs made from them.
///
/// # Panics
/// If something is not as it must be.
pub fn run(target: Target, count: usize) {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    // What was made stays for a while, so that changes add up.
    let mut pool = (target.seeds)();
    assert!(!pool.is_empty(), "{} has no seeds", target.name);
    let began = Instant::now();
    for seed in &pool {
        target.run(seed);
    }
    let seeds = pool.len();
    for _ in 0..count {
        let input = changed(&pool, &mut dice);
        let one = Instant::now();
        target.run(&input);
        let took = one.elapsed();
        assert!(took < INPUT_LIMIT, "{} took {took:?} for {:?}", target.name, String::from_utf8_lossy(&input));
        if dice.below(8) == 0 {
            if pool.len() < seeds + 64 {
                pool.push(input);
            } else {
                let place = seeds + dice.below(64);
                pool[place] = input;
            }
        }
    }
    println!("{}: {} inputs in {:?}", target.name, seeds + count, began.elapsed());
}

fn changed(pool: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut input = pool[dice.below(pool.len())].clone();
    for _ in 0..=dice.below(4) {
        change(&mut input, pool, dice);
    }
    input.truncate(INPUT_MAX_BYTES);
    input
}

fn change(input: &mut Vec<u8>, pool: &[Vec<u8>], dice: &mut Dice) {
    let (at, other) = (dice.below(input.len()), dice.below(input.len() + 1));
    let (from, to) = (at.min(other), at.max(other));
    match dice.below(8) {
        0 if !input.is_empty() => input[at] ^= 1 << dice.below(8),
        1 if !input.is_empty() => input[at] = [0, 1, 0x7f, 0x80, 0xff, b'*', b'{', b'"', b'(', b','][dice.below(10)],
        2 => input.insert(at, dice.byte()),
        3 => drop(input.drain(from..to)),
        4 => {
            let piece = input[from..to].to_vec();
            input.splice(to..to, piece);
        }
        5 => {
            // A piece of another input.
            let other = &pool[dice.below(pool.len())];
            let start = dice.below(other.len());
            let end = start + dice.below(other.len() - start + 1);
            input.splice(from..to, other[start..end].iter().copied());
        }
        6 => input.truncate(from),
        _ => {
            // The same byte many times: nesting and long words.
            let (byte, times) = (input.get(at).copied().unwrap_or(b'a'), 1 << dice.below(10));
            input.splice(at..at, std::iter::repeat_n(byte, times));
        }
    }
}

/// Runs a target on the files named on the command line, or with `--seeds FOLDER` writes its seeds there.
pub fn of_files(target: Target) -> ExitCode {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let done = match arguments.as_slice() {
        [] => {
            eprintln!("built without libFuzzer: name files to run {} on, or use `cargo xtask fuzz {0} SECONDS`", target.name);
            return ExitCode::from(2);
        }
        [option, folder] if option == "--seeds" => write_seeds(target, Path::new(folder)),
        files => files.iter().try_for_each(|file| fs::read(file).map(|input| target.run(&input))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", target.name);
            ExitCode::FAILURE
        }
    }
}

fn write_seeds(target: Target, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    (0..).zip((target.seeds)()).try_for_each(|(index, seed): (u32, _)| fs::write(folder.join(format!("seed-{index}")), seed))
}
