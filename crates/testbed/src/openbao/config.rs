//! The server's configuration file.

use std::path::Path;

use super::install::Install;

/// `extra` is appended as it is.
pub(super) fn render(install: &Install, port: u16, cluster_port: u16, folder: &Path, extra: &str) -> String {
    let storage = folder.join("storage");
    let storage = storage.display();
    // Raft, though there is but one node: OpenBao has no plain file storage any more. The multiplier makes it elect itself
    // after one second at most instead of five.
    let common = format!(
        r#"
ui = false
disable_mlock = true
api_addr = "http://127.0.0.1:{port}"
cluster_addr = "http://127.0.0.1:{cluster_port}"
storage "raft" {{
  path = "{storage}"
  node_id = "one"
  performance_multiplier = 1
}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster_port}"
  tls_disable = true
}}
{extra}
"#
    );
    if install.is_vault {
        return common;
    }
    let audit = folder.join("audit.log");
    let audit = audit.display();
    format!(
        r#"{common}
audit "file" "main" {{
  description = "what the tests look at"
  options {{
    file_path = "{audit}"
  }}
}}
"#
    )
}
