//! How results are printed.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

/// Of every benchmark.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Printing {
    /// For people or for programs.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// A figure: its name with the unit last, its value, and the most that it is meant to be, where there is such a goal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figure(pub(crate) &'static str, pub(crate) f64, pub(crate) Option<f64>);

/// A figure without a goal.
pub(crate) const fn plain(name: &'static str, value: f64) -> Figure {
    Figure(name, value, None)
}

/// A figure that is meant to be at most so much. It is printed beside it; nothing fails.
pub(crate) const fn goal(name: &'static str, value: f64, at_most: f64) -> Figure {
    Figure(name, value, Some(at_most))
}

/// A count, as a figure's value.
#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are small")]
pub(crate) const fn number(count: usize) -> f64 {
    count as f64
}

/// How the programs that are measured were built: as this one.
const BUILD: &str = if cfg!(debug_assertions) { "debug" } else { "release" };

impl Printing {
    /// Prints measurements, each with the same figures in the same order: a column or an object each.
    pub(crate) fn print(self, bench: &str, measurements: &[Vec<Figure>]) {
        match self.output {
            Output::Json => {
                let objects: Vec<Value> = measurements.iter().map(|figures| object(figures)).collect();
                println!("{}", json!({ "bench": bench, "build": BUILD, "measurements": objects }));
            }
            Output::Table => {
                println!("{bench}, {BUILD} build");
                for (row, Figure(name, _, goal)) in measurements.first().into_iter().flatten().enumerate() {
                    let values: Vec<String> = measurements.iter().map(|figures| format!("{:>12.2}", figures[row].1)).collect();
                    let goal = goal.map(|goal| format!("   goal: at most {goal}")).unwrap_or_default();
                    println!("{name:<34}{}{goal}", values.concat());
                }
            }
        }
    }
}

fn object(figures: &[Figure]) -> Value {
    let rounded = |value: f64| (value * 100.0).round() / 100.0;
    Value::Object(
        figures.iter().map(|Figure(name, value, _)| ((*name).to_owned(), json!(rounded(*value)))).collect::<Map<_, _>>(),
    )
}
