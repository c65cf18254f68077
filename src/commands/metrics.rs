//! `metrics`: how the work of pools went, for who watches them.

use std::path::Path;

use super::session::{self, Session};
use crate::cli::{MetricsArgs, MetricsFormat};
use crate::domain::outcome::{MetricsView, PoolMetrics};
use crate::domain::{Error, Result};
use crate::pool::{find, metrics};
use crate::report::output::unless_closed;
use crate::report::{document, prometheus};
use crate::sys::fs;

/// Prints the metrics, or writes them to a file.
pub fn run(session: &Session, args: &MetricsArgs) -> Result<u8> {
    let format = format(session, args)?;
    let pools = pools(session, args.pool.as_deref())?;
    let text = match format {
        MetricsFormat::Prometheus => prometheus::text(&pools),
        MetricsFormat::Json => document("result", &MetricsView { pools })
            .map_err(|error| Error::failed(format!("cannot show the metrics: {error}")))?,
    };
    match &args.output {
        Some(file) => write(file, text)?,
        None => unless_closed(session.output.data(text))?,
    }
    Ok(0)
}

fn format(session: &Session, args: &MetricsArgs) -> Result<MetricsFormat> {
    match (args.format, session.output.is_json()) {
        (Some(MetricsFormat::Prometheus), true) => Err(Error::usage(
            "--json and --format prometheus can't be had at once",
        )
        .with_hint("leave one of them out")),
        (_, true) => Ok(MetricsFormat::Json),
        (format, false) => Ok(format.unwrap_or(MetricsFormat::Prometheus)),
    }
}

fn pools(session: &Session, pool: Option<&str>) -> Result<Vec<PoolMetrics>> {
    match (session.context(session.flags())?, pool) {
        (None, None) => Ok(Vec::new()),
        (None, Some(pool)) => Err(session::no_pool(pool)),
        (Some(context), None) => metrics::all(&context),
        (Some(context), Some(pool)) => {
            metrics::of(&find::pool_as_is(&context, pool)?).map(|metrics| vec![metrics])
        }
    }
}

fn write(file: &Path, mut text: String) -> Result<()> {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    fs::write_public(file, text.as_bytes())
}
