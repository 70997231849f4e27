//! How long single allocations take: a histogram with a resolution of about a tenth.

use std::time::Duration;

use serde::Serialize;

/// Steps between one power of two and the next.
const STEPS: usize = 8;
/// Enough for some minutes in nanoseconds.
const BUCKETS: usize = 40 * STEPS;

/// What counts as a pause: an allocation that takes longer than this. Ordinary ones take a tenth of a microsecond, two
/// readings of the clock included.
pub const PAUSE: Duration = Duration::from_micros(5);

/// Times of allocations.
#[derive(Clone, Debug)]
pub struct Pauses {
    buckets: Vec<u64>,
    count: u64,
    max: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0, max: Duration::ZERO }
    }
}

/// What is told of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PauseSummary {
    /// Allocations.
    pub allocations: u64,
    /// Allocations that took longer than [`PAUSE`].
    pub pauses: u64,
    /// The median of those, in microseconds.
    pub p50: f64,
    /// What 99 in 100 of them do not exceed.
    pub p99: f64,
    /// The longest allocation.
    pub max: f64,
}

impl Pauses {
    /// Adds one allocation.
    pub fn add(&mut self, time: Duration) {
        self.buckets[bucket(time)] += 1;
        self.count += 1;
        self.max = self.max.max(time);
    }

    /// Adds what another histogram holds.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// What there is to tell; none if nothing was timed.
    pub fn summary(&self) -> Option<PauseSummary> {
        if self.count == 0 {
            return None;
        }
        let first = bucket(PAUSE);
        let pauses: u64 = self.buckets[first..].iter().sum();
        Some(PauseSummary {
            allocations: self.count,
            pauses,
            p50: self.rank(first, pauses.div_ceil(2)),
            p99: self.rank(first, (pauses * 99).div_ceil(100)),
            max: micros(self.max),
        })
    }

    /// Counts of the pauses by length: lower ends of the buckets in microseconds, and how many.
    pub fn histogram(&self) -> Vec<(f64, u64)> {
        let first = bucket(PAUSE);
        let filled = self.buckets.iter().enumerate().skip(first).filter(|(_, count)| **count > 0);
        filled.map(|(at, &count)| (lower(at) / 1e3, count)).collect()
    }

    /// The upper end, in microseconds, of the bucket that holds the pause of this rank, but never more than there was.
    fn rank(&self, first: usize, rank: u64) -> f64 {
        let mut seen = 0;
        for (at, count) in self.buckets.iter().enumerate().skip(first) {
            seen += count;
            if rank > 0 && seen >= rank {
                return (lower(at + 1) / 1e3).min(micros(self.max));
            }
        }
        0.0
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The bucket of a time: STEPS for each doubling.
fn bucket(time: Duration) -> usize {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1);
    let octave = nanos.ilog2() as usize;
    let within = ((nanos << 3 >> octave) & 7) as usize;
    (octave * STEPS + within).min(BUCKETS - 1)
}

/// The least time of a bucket, in nanoseconds.
fn lower(bucket: usize) -> f64 {
    let octave = (bucket / STEPS) as i32;
    2_f64.powi(octave) * (1.0 + (bucket % STEPS) as f64 / STEPS as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_lies_between_its_ends() {
        for nanos in [1_u64, 7, 8, 9, 100, 4_999, 5_000, 5_001, 123_456, 9_876_543_210] {
            let at = bucket(Duration::from_nanos(nanos));
            assert!(lower(at) <= nanos as f64 && (nanos as f64) < lower(at + 1), "{nanos}: {at}");
        }
    }

    #[test]
    fn only_what_is_long_counts_as_a_pause() {
        let mut pauses = Pauses::default();
        for _ in 0..1_000 {
            pauses.add(Duration::from_nanos(80));
        }
        for micros in 1..=100 {
            pauses.add(Duration::from_micros(micros * 10));
        }
        let summary = pauses.summary().unwrap();
        assert_eq!((summary.allocations, summary.pauses), (1_100, 100));
        assert!((500.0..570.0).contains(&summary.p50), "{summary:?}");
        assert!((990.0..=1_000.0).contains(&summary.p99), "{summary:?}");
        assert_eq!(summary.max, 1_000.0);
        assert_eq!(pauses.histogram().iter().map(|(_, count)| count).sum::<u64>(), 100);
    }

    #[test]
    fn nothing_timed_gives_nothing() {
        assert_eq!(Pauses::default().summary(), None);
    }

    #[test]
    fn merging_adds() {
        let mut first = Pauses::default();
        first.add(Duration::from_micros(10));
        let mut second = Pauses::default();
        second.add(Duration::from_micros(30));
        first.merge(&second);
        let summary = first.summary().unwrap();
        assert_eq!((summary.pauses, summary.max), (2, 30.0));
    }
}
