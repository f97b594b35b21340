//! Files that hold a credential must be kept from others. Looked at when the server starts.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::anyhow;
use lockstep_core::exposure;
use nix::unistd::geteuid;

use super::Config;

/// Refuses if others may read one of them. What is not there is not judged: it may come later, and whoever needs it says so.
pub(super) fn check(config: &Config) -> anyhow::Result<()> {
    files(config).try_for_each(check_file)
}

/// Those that are secret by themselves. Not the tokens of service accounts (`kubernetes` and `jwt`): the kubelet writes those, for everybody in
/// the container (0644) where the pod says neither `fsGroup` nor one `runAsUser`; no setting of the volume changes that, and they end by
/// themselves.
fn files(config: &Config) -> impl Iterator<Item = &Path> {
    let of_sets = config.credentials.iter().flat_map(|set| {
        let secret_id = set.app_role.as_ref().map(|app_role| app_role.secret_id_file.as_path());
        let key = set.certificate.as_ref().map(|certificate| certificate.key_file.as_path());
        [set.token_file.as_deref(), secret_id, key]
    });
    [Some(config.database.url_file.as_path())].into_iter().chain(of_sets).flatten()
}

fn check_file(file: &Path) -> anyhow::Result<()> {
    // Follows links: Kubernetes mounts a Secret's keys as such.
    let metadata = match std::fs::metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(|error| anyhow!("{} cannot be looked at: {error}", file.display()))?,
    };
    let judged = exposure::judge(metadata.mode(), metadata.uid(), geteuid().as_raw());
    judged.map_err(|exposure| anyhow!("{} {exposure}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use lockstep_testbed::Folder;

    use super::*;

    /// Every kind of credential, each in its file.
    const SETS: &str = r#"
replica: a
database: {urlFile: DIR/url}
trustDomain: lockstep.example
listen: {rest: "127.0.0.1:1", agents: "127.0.0.1:2", join: "127.0.0.1:3", metrics: "127.0.0.1:4"}
advertise: {names: [a], agents: [b], join: [c]}
homeVault: {addresses: [d], credentials: token}
credentials:
  - {name: token, addresses: [d], tokenFile: DIR/token}
  - {name: approle, addresses: [d], appRole: {roleIdFile: DIR/role-id, secretIdFile: DIR/secret-id}}
  - {name: cert, addresses: [d], certificate: {certificateFile: DIR/tls.crt, keyFile: DIR/tls.key}}
  - {name: pod, addresses: [d], kubernetes: {role: r, tokenFile: DIR/projected}}
  - {name: jwt, addresses: [d], jwt: {role: r, tokenFile: DIR/projected}}
"#;

    #[test]
    fn a_secret_that_everybody_may_read_is_named_with_what_to_do_and_what_is_no_secret_is_not_judged() {
        let folder = Folder::new("private").unwrap();
        let file = |name: &str| folder.path().join(name);
        let set = |name: &str, mode| set_permissions(file(name), Permissions::from_mode(mode)).unwrap();
        write(file("server.yaml"), SETS.replace("DIR", folder.path().to_str().unwrap())).unwrap();
        let read = || Config::read(&file("server.yaml"), None).map(drop).map_err(|error| format!("{error:#}"));
        assert_eq!(read(), Ok(()), "none of them is there");
        // As Kubernetes mounts a Secret: the key is a link to a link.
        std::fs::create_dir(file("data")).unwrap();
        write(file("data/secret-id"), "x").unwrap();
        symlink("data/secret-id", file("secret-id")).unwrap();
        for name in ["url", "token", "tls.key", "role-id", "tls.crt", "projected"] {
            write(file(name), "x").unwrap();
            set(name, 0o644);
        }
        for name in ["url", "token", "data/secret-id", "tls.key"] {
            set(name, 0o644);
            let shown = name.trim_start_matches("data/");
            let refused = read().unwrap_err();
            assert!(
                refused.contains(&format!("/{shown} can be read by everybody")) && refused.contains("chmod 600"),
                "{refused}"
            );
            set(name, 0o440);
        }
        assert_eq!(read(), Ok(()), "the group may");
    }
}
