//! The table as lines.

use std::time::{Duration, Instant};

use super::Row;
use super::observed::Observed;

/// The smallest and the usual space between columns.
const GAPS: [usize; 2] = [1, 2];

/// A line for each secret below one with titles, no wider than `width` where that can be had by leaving out for how long a cluster
/// is behind, and narrower gaps.
pub(super) fn draw(
    rows: &[Row],
    clusters: &[&str],
    observed: &Observed,
    seen: impl Fn(usize, &str) -> Option<Instant>,
    now: Instant,
    width: usize,
) -> Vec<String> {
    let cells = |with_ages: bool| {
        let mut lines = vec![titles(clusters)];
        for row in rows {
            let mut line = vec![row.secret.to_owned(), vault(row)];
            for (index, cluster) in clusters.iter().enumerate() {
                let at = row.value.as_deref().and_then(|value| seen(index, value));
                line.push(cell(row, cluster, observed, at, now, with_ages));
            }
            lines.push(line);
        }
        lines
    };
    let tries = [(true, GAPS[1]), (true, GAPS[0]), (false, GAPS[0])];
    let mut drawn = tries.into_iter().map(|(with_ages, gap)| align(&cells(with_ages), gap));
    let fits = |lines: &Vec<String>| lines.iter().all(|line| line.chars().count() <= width);
    drawn.clone().find(fits).or_else(|| drawn.next_back()).unwrap_or_default()
}

fn titles(clusters: &[&str]) -> Vec<String> {
    let names = clusters.iter().map(|name| name.to_uppercase());
    ["SECRET".to_owned(), "VAULT".to_owned()].into_iter().chain(names).collect()
}

fn vault(row: &Row) -> String {
    match (&row.value, row.version) {
        (None, 0) => "none".to_owned(),
        (None, version) => format!("v{version} deleted"),
        (Some(_), version) if row.is_yours() => format!("v{version} yours"),
        (Some(_), version) => format!("v{version}"),
    }
}

fn cell(row: &Row, cluster: &str, observed: &Observed, seen: Option<Instant>, now: Instant, with_ages: bool) -> String {
    if observed.is_removed(cluster) {
        return "removed".to_owned();
    }
    let why = match (seen, row.changed) {
        (Some(_), None) => return "has it".to_owned(),
        (Some(at), Some(changed)) => return format!("{:.1} s", at.saturating_duration_since(changed).as_secs_f64()),
        (None, _) => observed.why_not(cluster, row.secret),
    };
    match row.changed {
        Some(changed) if with_ages => format!("{why} {}", short(now.saturating_duration_since(changed))),
        _ => why.to_owned(),
    }
}

fn short(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..100 => format!("{seconds}s"),
        seconds => format!("{}m", seconds / 60),
    }
}

/// The first two columns to the left, those of clusters to the right, as numbers are.
fn align(lines: &[Vec<String>], gap: usize) -> Vec<String> {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let pad = |(column, cell): (usize, &String)| {
        let (width, gap) = (widths[column], if column == 0 { 0 } else { gap });
        if column < 2 { format!("{:gap$}{cell:<width$}", "") } else { format!("{:gap$}{cell:>width$}", "") }
    };
    lines.iter().map(|line| line.iter().enumerate().map(pad).collect::<String>().trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(secret: &'static str, value: &str, own: &str, changed: Option<Instant>) -> Row {
        Row { secret, version: 7, value: Some(value.to_owned()), changed, own: Some(own.to_owned()) }
    }

    #[test]
    fn each_cell_says_since_when_it_has_it_or_why_and_for_how_long_not() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let cluster = |name: &str, state: &str| json!({"metadata": {"name": name}, "status": {"state": state, "agent": {}}});
        let mut lost = cluster("c3", "Active");
        lost["status"]["agent"] = json!(null);
        let clusters = json!([cluster("c1", "Active"), cluster("c2", "Paused"), lost, cluster("c4", "Active")]);
        let delivery = |cluster: &str, status: &str| json!({"cluster": cluster, "binding": "cart", "status": status});
        let deliveries = ["c1", "c2", "c3", "c4"].map(|c| delivery(c, if c == "c4" { "Failed" } else { "Pending" }));
        let observed = Observed::of(&clusters, &json!(deliveries));
        let rows =
            [row("cart", "new", "new", Some(at(0))), row("mail", "mine", "old", Some(at(0))), row("orders", "o", "o", None)];
        let seen = |cluster: usize, value: &str| match (cluster, value) {
            (0, "new") => Some(at(1_240)),
            (_, "o") => Some(at(0)),
            _ => None,
        };
        let names = ["c1", "c2", "c3", "c4", "c5"];
        let wide = draw(&rows, &names, &observed, seen, at(12_000), 100);
        let want = [
            "SECRET  VAULT              C1          C2            C3           C4       C5",
            "cart    v7              1.2 s  paused 12s  no agent 12s   failed 12s  removed",
            "mail    v7 yours  unbound 12s  paused 12s   unbound 12s  unbound 12s  removed",
            "orders  v7             has it      has it        has it       has it  removed",
        ];
        assert_eq!(wide, want);
        let narrow = draw(&rows, &names, &observed, seen, at(12_000), 60);
        assert!(
            narrow.iter().all(|line| line.len() <= 60) && narrow[1].ends_with("1.2 s paused no agent  failed removed"),
            "{narrow:#?}"
        );
    }

    #[test]
    fn before_the_first_answer_nothing_is_said_of_clusters() {
        let now = Instant::now();
        let drawn = draw(&[row("cart", "v", "v", Some(now))], &["c1"], &Observed::default(), |_, _| None, now, 80);
        assert!(drawn[1].ends_with("behind 0s"), "{drawn:?}");
    }
}
