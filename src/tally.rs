//! How often something happened and how long it took, for whoever counts. Knows nothing of what it was.

use std::time::Duration;

/// Where a bucket ends and the next begins, in milliseconds: from a verified token to a login that had to wait for its turn.
const BOUNDS: [f64; 14] = [0.1, 0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0];

/// Many durations, as a histogram and a sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    buckets: [u64; BOUNDS.len() + 1],
    sum: Duration,
}

impl Durations {
    /// One more.
    pub fn add(&mut self, took: Duration) {
        let milliseconds = took.as_secs_f64() * 1000.0;
        let bucket = BOUNDS.iter().take_while(|bound| milliseconds > **bound).count();
        // Always there: the bounds end one before the buckets do.
        if let Some(count) = self.buckets.get_mut(bucket) {
            *count += 1;
        }
        self.sum = self.sum.saturating_add(took);
    }

    /// All those of another one.
    pub fn merge(&mut self, other: &Self) {
        self.buckets.iter_mut().zip(other.buckets).for_each(|(count, more)| *count += more);
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// How long they took together.
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// The bound of each bucket in seconds, infinite for the last, and how many took no longer than that and longer than the one before.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = BOUNDS.iter().map(|milliseconds| milliseconds / 1000.0).chain([f64::INFINITY]);
        bounds.zip(self.buckets).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_is_in_the_first_bucket_that_holds_it_and_none_is_lost() {
        let mut durations = Durations::default();
        for milliseconds in [0, 1, 2, 10_000, 10_001, 1 << 40] {
            durations.add(Duration::from_millis(milliseconds));
        }
        let filled: Vec<(f64, u64)> = durations.buckets().into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(0.0001, 1), (0.001, 1), (0.005, 1), (10.0, 1), (f64::INFINITY, 2)]);
        let mut twice = durations;
        twice.merge(&durations);
        assert_eq!((twice.count(), twice.sum()), (2 * durations.count(), 2 * durations.sum()));
    }
}
