//! What a binding is pinned to, in words.

use lockstep_api::binding::Pinned;
use serde::Deserialize as _;
use serde_json::Value;

/// A line for each secret that is pinned, as in `corp/kv/payments/db is pinned to 3; 5 waits`.
pub(super) fn lines(manifest: &Value) -> Vec<String> {
    let pinned = manifest.pointer("/status/pinned").map(Vec::<Pinned>::deserialize);
    pinned.and_then(Result::ok).unwrap_or_default().iter().map(line).collect()
}

fn line(Pinned { secret, version, newest }: &Pinned) -> String {
    match newest {
        Some(newest) if newest != version => format!("{secret} is pinned to {version}; {newest} waits"),
        _ => format!("{secret} is pinned to {version}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_waits_is_told_where_something_waits() {
        let pinned = json!([
            {"secret": "corp/kv/a", "version": 3, "newest": 5},
            {"secret": "corp/kv/b", "version": 3, "newest": 3},
            {"secret": "corp/kv/c", "version": 3},
        ]);
        let expected = ["corp/kv/a is pinned to 3; 5 waits", "corp/kv/b is pinned to 3", "corp/kv/c is pinned to 3"];
        assert_eq!(lines(&json!({"status": {"pinned": pinned}})), expected);
        assert!(lines(&json!({"status": {}})).is_empty());
    }
}
