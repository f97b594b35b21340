//! Values that a person can read about where they are set.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use lockstep_testbed::charts::{Chart, objects};
use serde_json::Value;

use crate::cases::CHARTS;

fn file(chart: Chart, name: &str) -> Result<String> {
    Ok(std::fs::read_to_string(chart.folder()?.join(name))?)
}

#[test]
fn each_value_has_a_comment_above_it() -> Result<()> {
    let mut found = Vec::new();
    for chart in CHARTS {
        let text = file(chart, "values.yaml")?;
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let is_value = line.trim_start().split_once(": ").is_some_and(|(key, _)| key.chars().all(char::is_alphabetic));
            if is_value && !lines[index - 1].trim_start().starts_with('#') {
                found.push(format!("{}: line {}: {line}", chart.name(), index + 1));
            }
        }
    }
    ensure!(found.is_empty(), "say what these are:\n  {}", found.join("\n  "));
    Ok(())
}

#[test]
fn the_schema_knows_the_values_that_are_documented_and_no_others() -> Result<()> {
    for chart in CHARTS {
        let values = objects(&file(chart, "values.yaml")?)?.remove(0);
        let schema: Value = serde_json::from_str(&file(chart, "values.schema.json")?)?;
        let mut checked = 0;
        compare(chart.name(), &values, &schema, &schema, &mut checked);
        assert!(checked > 40, "only {checked} values of {} were compared", chart.name());
    }
    Ok(())
}

fn compare(path: &str, values: &Value, schema: &Value, root: &Value, checked: &mut usize) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    // Where the schema names no properties, the API server decides: affinity, tolerations.
    let (Some(properties), Some(values)) = (schema["properties"].as_object(), values.as_object()) else { return };
    assert_eq!(schema["additionalProperties"], Value::Bool(false), "{path}");
    let known: BTreeSet<&String> = properties.keys().filter(|name| *name != "global").collect();
    assert_eq!(values.keys().collect::<BTreeSet<_>>(), known, "{path}");
    for (name, value) in values {
        *checked += 1;
        compare(&format!("{path}.{name}"), value, &properties[name], root, checked);
    }
}
