//! The families of a page of metrics, one call each.

use std::collections::HashMap;
use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Unit;

use crate::tally::Durations;

pub(super) type Labels = Vec<(&'static str, String)>;

/// Writes one family after the other.
pub(super) struct Page<'a>(pub(super) DescriptorEncoder<'a>);

impl Page<'_> {
    pub(super) fn info<const N: usize>(&mut self, name: &str, help: &str, labels: [(&str, &str); N]) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(&labels)
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, counts: impl IntoIterator<Item = (Labels, u64)>) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        let none: Option<&Exemplar<NoLabelSet, u64>> = None;
        counts.into_iter().try_for_each(|(labels, count)| with(&mut family, &labels, |metric| metric.encode_counter(&count, none)))
    }

    pub(super) fn counter_by<'c>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        counts: impl IntoIterator<Item = (&'c str, u64)>,
    ) -> fmt::Result {
        self.counter(name, help, counts.into_iter().map(|(value, count)| (vec![(label, value.to_owned())], count)))
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    pub(super) fn gauge_seconds(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.0.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Gauge)?.encode_gauge(&value)
    }

    pub(super) fn gauge_by<'v>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: impl IntoIterator<Item = (&'v str, f64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        let mut values = values.into_iter();
        values.try_for_each(|(state, value)| with(&mut family, &vec![(label, state.to_owned())], |metric| metric.encode_gauge(&value)))
    }

    pub(super) fn durations(&mut self, name: &str, help: &str, all: impl IntoIterator<Item = (Labels, Durations)>) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        let none: Option<&HashMap<usize, Exemplar<NoLabelSet, f64>>> = None;
        all.into_iter().try_for_each(|(labels, durations)| {
            let (sum, count, buckets) = (durations.sum().as_secs_f64(), durations.count(), durations.buckets());
            with(&mut family, &labels, |metric| metric.encode_histogram(sum, count, &buckets, none))
        })
    }
}

/// A metric without labels is written without braces.
fn with(family: &mut MetricEncoder<'_>, labels: &Labels, write: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result) -> fmt::Result {
    if labels.is_empty() { write(family) } else { write(&mut family.encode_family(labels)?) }
}
