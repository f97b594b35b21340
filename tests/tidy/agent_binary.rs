//! The agent as it is shipped: small, and at home on any distribution with glibc.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

const BYTES_MAX: u64 = 15 << 20;

/// What it may need of a machine.
const LIBRARIES: [&str; 5] = ["linux-vdso.so", "libc.so", "libm.so", "libgcc_s.so", "ld-linux"];

/// `release/lockstep-agent` of the target folder that this test was built in.
fn agent() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let target = test.ancestors().nth(3).context("this test is not in a target folder")?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| target.to_path_buf(), PathBuf::from);
    let path = target.join("release/lockstep-agent");
    ensure!(path.is_file(), "{} is not built: run `cargo build --release -p lockstep-agent`", path.display());
    Ok(path)
}

#[test]
fn the_agents_binary_is_stripped_and_has_at_most_15_mib() -> Result<()> {
    let path = agent()?;
    let size = path.metadata()?.len();
    eprintln!("lockstep-agent: {:.1} MiB", f64::from(u32::try_from(size)?) / f64::from(1 << 20));
    ensure!(size <= BYTES_MAX, "{} has {size} bytes, more than {BYTES_MAX}", path.display());
    let bytes = std::fs::read(&path)?;
    ensure!(!contains(&bytes, b"\0.symtab\0") && !contains(&bytes, b"\0.debug_info\0"), "{} is not stripped", path.display());
    Ok(())
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn the_agents_binary_needs_glibc_and_nothing_else() -> Result<()> {
    let path = agent()?;
    let output = Command::new("ldd").arg(&path).output().context("running ldd")?;
    ensure!(output.status.success(), "ldd: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let name = line.split(' ').next().unwrap_or(line);
        let name = Path::new(name).file_name().map_or(name.into(), |name| name.to_string_lossy());
        ensure!(LIBRARIES.iter().any(|library| name.starts_with(library)), "{} needs {line}", path.display());
    }
    Ok(())
}
