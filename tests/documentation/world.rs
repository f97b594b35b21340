//! Where a page's commands are run.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use lockstep_testbed::fleet::Settings;
use lockstep_testbed::part::Part;
use lockstep_testbed::{Fleet, Folder, OpenBao, Postgres, bin, shop};
use reqwest::Url;

use crate::reader::Shells;

/// What there is before the first command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum World {
    /// What `cargo xtask demo` starts, as its other terminal sees it.
    Demo,
    /// An empty Vault and an empty database.
    Bare,
}

impl World {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "demo" => Some(Self::Demo),
            "bare" => Some(Self::Bare),
            _ => None,
        }
    }
}

/// A machine on which somebody types.
pub(crate) struct Machine {
    /// First: what is left of them ends before the parts.
    pub(crate) shells: Shells,
    parts: Parts,
    folder: Folder,
}

enum Parts {
    Demo(Box<Fleet>),
    Bare(Box<(OpenBao, Postgres)>),
}

impl Machine {
    pub(crate) async fn start(world: World) -> Result<Self> {
        let folder = Folder::new("reader")?;
        let parts = match world {
            World::Demo => Parts::Demo(Box::new(demo().await?)),
            World::Bare => Parts::Bare(Box::new((OpenBao::start().await?, Postgres::start().await?))),
        };
        let machine = Self { shells: Shells::default(), parts, folder };
        machine.install()?;
        Ok(machine)
    }

    /// The programs that pages name, and nothing else, come onto PATH. OpenBao takes Vault's arguments.
    fn install(&self) -> Result<()> {
        let programs = self.programs();
        std::fs::create_dir(&programs)?;
        let bao = Part::OpenBao.find()?;
        symlink(&bao, programs.join("bao"))?;
        symlink(&bao, programs.join("vault"))?;
        for program in ["lockstep", "lockstep-server", "lockstep-agent"] {
            symlink(bin(program)?, programs.join(program))?;
        }
        let postgres = Part::Postgres.find()?;
        let postgres = postgres.parent().context("a program without a folder")?;
        for program in ["psql", "pg_dump", "pg_restore"] {
            symlink(postgres.join(program), programs.join(program))?;
        }
        Ok(())
    }

    fn programs(&self) -> PathBuf {
        self.folder.path().join("programs")
    }

    /// Where the commands are typed: of the demo, the folder that it names.
    pub(crate) fn folder(&self) -> &Path {
        match &self.parts {
            Parts::Demo(fleet) => fleet.folder(),
            Parts::Bare(_) => self.folder.path(),
        }
    }

    pub(crate) fn environment(&self) -> Result<Vec<(&'static str, String)>> {
        let path = format!("{}:{}", self.programs().display(), std::env::var("PATH").unwrap_or_default());
        let mut environment = vec![("PATH", path), ("HOME", self.folder.path().display().to_string())];
        let bao = match &self.parts {
            Parts::Demo(fleet) => {
                environment.push(("LOCKSTEP_CONFIG", fleet.cli_config().display().to_string()));
                &fleet.bao
            }
            Parts::Bare(parts) => {
                let (bao, postgres) = &**parts;
                let url: Url = postgres.admin_url().parse()?;
                environment.extend([
                    ("PGHOST", url.host_str().context("Postgres has no host")?.to_owned()),
                    ("PGPORT", url.port().context("Postgres has no port")?.to_string()),
                    ("PGUSER", url.username().to_owned()),
                    ("PGPASSWORD", url.password().unwrap_or_default().to_owned()),
                ]);
                bao
            }
        };
        for (address, token) in [("VAULT_ADDR", "VAULT_TOKEN"), ("BAO_ADDR", "BAO_TOKEN")] {
            environment.extend([(address, bao.addr().to_owned()), (token, bao.root_token().to_owned())]);
        }
        Ok(environment)
    }
}

/// The demo's parts, with fewer clusters and a shorter interval: the machine has two cores.
async fn demo() -> Result<Fleet> {
    let fleet = Fleet::start(Settings { clusters: 3, log: "info".to_owned(), ..Settings::default() }).await?;
    for secret in shop::SECRETS {
        shop::write(&fleet, secret).await?;
    }
    shop::apply_manifests(&fleet).await?;
    Ok(fleet)
}
