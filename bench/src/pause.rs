//! Allocations that take long.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::stats::percentile;

/// Buckets of a histogram between one power of two and the next.
const STEPS: u32 = 8;

/// A pause is an allocation that takes longer than this. Ordinary ones take a tenth of a microsecond, two
/// readings of the clock included.
pub const PAUSE: Duration = Duration::from_micros(5);

/// The long ones among a number of allocations.
#[derive(Clone, Debug, Default)]
pub struct Pauses {
    count: u64,
    /// Which allocation it was, and how long it took.
    long: Vec<(u64, Duration)>,
}

/// The figures of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PauseSummary {
    /// Allocations.
    pub allocations: u64,
    /// Allocations that took longer than [`PAUSE`].
    pub pauses: u64,
    /// The median of those, in microseconds.
    pub p50: f64,
    /// The length that 99 in 100 of them do not exceed.
    pub p99: f64,
    /// The longest allocation.
    pub max: f64,
}

impl Pauses {
    /// Adds one allocation.
    #[inline]
    pub fn add(&mut self, time: Duration) {
        if time > PAUSE {
            self.long.push((self.count, time));
        }
        self.count += 1;
    }

    /// Keeps what another run of the same program has too, with the shorter of both times: the same allocations collect
    /// and grow memory each time, and what the machine interrupts is another one each time.
    #[must_use]
    pub fn in_both(&self, other: &Self) -> Self {
        let mut others = other.long.iter().peekable();
        let mut long = Vec::new();
        for &(at, time) in &self.long {
            while others.next_if(|other| other.0 < at).is_some() {}
            if let Some(other) = others.next_if(|other| other.0 == at) {
                long.push((at, time.min(other.1)));
            }
        }
        Self { count: self.count, long }
    }

    /// The figures; none if nothing was timed.
    pub fn summary(&self) -> Option<PauseSummary> {
        if self.count == 0 {
            return None;
        }
        let micros: Vec<f64> = self.long.iter().map(|(_, time)| time.as_secs_f64() * 1e6).collect();
        Some(PauseSummary {
            allocations: self.count,
            pauses: micros.len() as u64,
            p50: percentile(&micros, 50.0).unwrap_or(0.0),
            p99: percentile(&micros, 99.0).unwrap_or(0.0),
            max: percentile(&micros, 100.0).unwrap_or(0.0),
        })
    }

    /// The number of pauses by length: the lower end of a bucket in microseconds, and the number.
    pub fn histogram(&self) -> Vec<(f64, u64)> {
        let mut buckets = BTreeMap::new();
        for (_, time) in &self.long {
            *buckets.entry(bucket(*time)).or_insert(0) += 1;
        }
        buckets.into_iter().map(|(at, count)| (lower(at) / 1e3, count)).collect()
    }
}

/// The bucket of a time.
fn bucket(time: Duration) -> u32 {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1);
    let octave = nanos.ilog2();
    // The bits below the leading one, in eighths.
    let eighths = if octave >= 3 { nanos >> (octave - 3) } else { nanos << (3 - octave) } & 7;
    octave * STEPS + eighths as u32
}

/// The least time of a bucket, in nanoseconds.
fn lower(bucket: u32) -> f64 {
    let octave = f64::from(bucket / STEPS);
    octave.exp2() * (1.0 + f64::from(bucket % STEPS) / f64::from(STEPS))
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
        let expected =
            PauseSummary { allocations: 1_100, pauses: 100, p50: 500.0, p99: 990.0, max: 1_000.0 };
        assert_eq!(pauses.summary(), Some(expected));
        assert_eq!(pauses.histogram().iter().map(|(_, count)| count).sum::<u64>(), 100);
    }

    #[test]
    fn nothing_timed_gives_nothing() {
        assert_eq!(Pauses::default().summary(), None);
    }

    #[test]
    fn what_only_one_run_has_is_no_pause_of_the_program() {
        let run = |times: &[u64]| {
            let mut pauses = Pauses::default();
            for &micros in times {
                pauses.add(Duration::from_micros(micros));
            }
            pauses
        };
        let both = run(&[1, 90, 1, 30, 50]).in_both(&run(&[70, 80, 1, 1, 60]));
        assert_eq!(both.long, [(1, Duration::from_micros(80)), (4, Duration::from_micros(50))]);
        assert_eq!(both.count, 5);
    }
}
