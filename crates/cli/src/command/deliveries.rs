//! `lockstep deliveries`.

use lockstep_core::delivery::DeliveryStatus;

use super::get;
use crate::connection::ConnectionArgs;
use crate::format::ListFormat;

/// List deliveries: who has what, and where not, why and what to do
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Only with this status, such as Failed
    #[arg(long, value_parser = get::status)]
    status: Option<DeliveryStatus>,
    /// Only to this cluster
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// Only of this binding
    #[arg(long, value_name = "NAME")]
    binding: Option<String>,
    /// Only of bindings of this project
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// At most this many, 0 for all
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
    /// After listing, look every second and print what has changed
    #[arg(short, long)]
    watch: bool,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: ListFormat,
}

const EXAMPLES: &str = "\
Examples:
  lockstep deliveries --status Failed
  lockstep deliveries --cluster prod-eu --project payments -o wide
  lockstep deliveries --binding checkout-db -w";

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<()> {
        let filter = get::Filter {
            cluster: self.cluster.clone(),
            binding: self.binding.clone(),
            project: self.project.clone(),
            status: self.status,
            limit: self.limit,
            ..get::Filter::default()
        };
        get::Args::deliveries(filter, self.watch, self.output).run(connection).await
    }
}
