//! Parts that are Debian packages: fetched by apt as any user and unpacked, not installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail, ensure};

use super::client::run;
use super::once;

const NO_APT: &str =
    "apt-get is needed to fetch this part and is not on PATH: use Debian or what comes from it, or install the part";
const NO_DPKG: &str =
    "dpkg is needed to unpack this part and is not on PATH: use Debian or what comes from it, or install the part";

/// Fetches a package of the machine's own release and unpacks it into the cache; returns the folder with its contents.
pub fn debian(package: &str) -> Result<PathBuf> {
    once(&format!("{package}-debian"), &format!("the Debian package {package}"), |folder| {
        let downloads = folder.with_extension("deb");
        fs::create_dir_all(&downloads)?;
        download(package, &downloads)?;
        let mut unpack = Command::new("dpkg");
        unpack.arg("-x").arg(only_package(&downloads)?).arg(folder);
        run(&mut unpack, &format!("unpacking {package}"), NO_DPKG)
    })
}

/// With the lists of packages that the machine has; where it has none, as in a container, with lists of our own.
fn download(package: &str, to: &Path) -> Result<()> {
    let what = format!("downloading {package}");
    let with_its_lists = run(Command::new("apt-get").current_dir(to).args(["--quiet", "download", package]), &what, NO_APT);
    let Err(why) = with_its_lists else { return Ok(()) };
    if why.to_string() == NO_APT {
        return Err(why);
    }
    let own = to.with_extension("apt");
    for folder in ["lists/partial", "archives/partial"] {
        fs::create_dir_all(own.join(folder))?;
    }
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.current_dir(to).arg("--quiet");
        for name in ["Dir::State", "Dir::Cache"] {
            command.arg("-o").arg(format!("{name}={}", own.display()));
        }
        // Of what is installed; it would be looked for in the folder of the lists.
        command.args(["-o", "Dir::State::status=/var/lib/dpkg/status"]);
        command
    };
    run(apt_get().arg("update"), "updating the lists of Debian packages", NO_APT)?;
    run(apt_get().args(["download", package]), &what, NO_APT)
}

fn only_package(folder: &Path) -> Result<PathBuf> {
    let packages: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    let packages: Vec<_> = packages.into_iter().filter(|path| path.extension().is_some_and(|e| e == "deb")).collect();
    ensure!(packages.len() <= 1, "apt-get left {} packages in {}", packages.len(), folder.display());
    match packages.into_iter().next() {
        Some(package) => Ok(package),
        None => bail!("apt-get left no package in {}", folder.display()),
    }
}
