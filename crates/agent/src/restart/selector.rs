//! A workload's selector of its pods, as a query says it.

use super::object::{LabelSelector, Requirement};

impl LabelSelector {
    /// `None`: it selects everything, or in a way that is not known here. Nobody is asked then.
    pub(super) fn query(&self) -> Option<String> {
        let labels = self.match_labels.iter().map(|(key, value)| Some(format!("{key}={value}")));
        let terms: Option<Vec<String>> = labels.chain(self.match_expressions.iter().map(term)).collect();
        terms.filter(|terms| !terms.is_empty()).map(|terms| terms.join(","))
    }
}

fn term(requirement: &Requirement) -> Option<String> {
    let Requirement { key, operator, values } = requirement;
    let values = values.join(",");
    match operator.as_str() {
        "In" => Some(format!("{key} in ({values})")),
        "NotIn" => Some(format!("{key} notin ({values})")),
        "Exists" => Some(key.clone()),
        "DoesNotExist" => Some(format!("!{key}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_selector_asks_for_what_the_api_server_would_select() {
        let expression = |operator: &str, values: &[&str]| json!({ "key": "tier", "operator": operator, "values": values });
        for (labels, expressions, want) in [
            (json!({ "app": "shop", "part": "web" }), json!([]), Some("app=shop,part=web")),
            (json!({}), json!([expression("In", &["a", "b"])]), Some("tier in (a,b)")),
            (json!({ "app": "shop" }), json!([expression("NotIn", &["a"])]), Some("app=shop,tier notin (a)")),
            (json!({}), json!([expression("Exists", &[]), expression("DoesNotExist", &[])]), Some("tier,!tier")),
            (json!({ "app": "shop" }), json!([expression("Like", &["a"])]), None),
            (json!({}), json!([]), None),
        ] {
            let selector = json!({ "matchLabels": labels, "matchExpressions": expressions });
            let selector: LabelSelector = serde_json::from_value(selector).unwrap();
            assert_eq!(selector.query().as_deref(), want);
        }
    }
}
