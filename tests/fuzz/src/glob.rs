//! Globs over paths and namespaces.

use lockstep_core::glob::Glob;
use lockstep_core::kv::{KvPath, PATH_MAX_BYTES};

use crate::{Target, text, texts};

/// The target.
pub const TARGET: Target = Target { name: "glob", run, seeds };

/// The longest of both for which the meaning is looked up in its plainest spelling, which takes exponential time.
const PLAIN_MAX_CHARS: usize = 14;

/// A line with a glob, and one with a text.
fn run(data: &[u8]) {
    let input = text(data);
    let (glob, path) = input.split_once('\n').unwrap_or((&input, "payments/checkout/db"));
    let Ok(glob) = glob.parse::<Glob>() else { return };
    assert!(glob.as_str().len() <= PATH_MAX_BYTES && !glob.as_str().contains("***"));
    assert_eq!(glob.to_string().parse::<Glob>().as_ref(), Ok(&glob));
    let matches = glob.matches(path);
    if !glob.as_str().contains('*') {
        assert_eq!(matches, glob.as_str() == path, "without a star it is the text: {glob}");
    }
    if glob.as_str().chars().count() <= PLAIN_MAX_CHARS && path.chars().count() <= PLAIN_MAX_CHARS {
        let (tokens, chars): (Vec<char>, Vec<char>) = (glob.as_str().chars().collect(), path.chars().collect());
        assert_eq!(matches, means(&tokens, &chars), "{glob} on {path:?}");
    }
    // A glob means the same of what it is a prefix of: everything below.
    if let Ok(below) = format!("{glob}/**").parse::<Glob>()
        && matches
    {
        assert!(below.matches(&format!("{path}/x/y")), "{below} has not what is below {path:?}");
    }
    let _ = path.parse::<KvPath>().map(|path| assert!(path.as_str().len() <= PATH_MAX_BYTES));
}

/// The documented meaning: `*` is any characters but `/`, `**` any at all, everything else itself.
fn means(glob: &[char], text: &[char]) -> bool {
    match glob {
        [] => text.is_empty(),
        ['*', '*', rest @ ..] => (0..=text.len()).any(|taken| means(rest, &text[taken..])),
        ['*', rest @ ..] => {
            let segment = text.iter().take_while(|c| **c != '/').count();
            (0..=segment).any(|taken| means(rest, &text[taken..]))
        }
        [c, rest @ ..] => text.first() == Some(c) && means(rest, &text[1..]),
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let hard = format!("{}b\n{}", "*a".repeat(120), "a".repeat(512));
    let mut seeds = texts([
        "payments/**\npayments/checkout/db",
        "a/*/c\na/b/c",
        "**/db\nx/y/db",
        "*a*a**b\naaa/aab",
        "plain\nplain",
        "ü*\nüx",
        "a*\na/",
    ]);
    seeds.push(hard.into_bytes());
    seeds
}
