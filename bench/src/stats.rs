//! Statistics of samples.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde::Serialize;

/// Median and range of a set of samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The middle one, or the mean of the middle two.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// The number of them.
    pub samples: usize,
}

/// The summary of samples; none if there are no samples.
pub fn summary(samples: &[f64]) -> Option<Summary> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some(Summary {
        median: median_of_sorted(&sorted)?,
        min: *sorted.first()?,
        max: *sorted.last()?,
        samples: sorted.len(),
    })
}

/// The median of samples; none if there are no samples.
pub fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    median_of_sorted(&sorted)
}

fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len().is_multiple_of(2) {
        Some((upper + sorted[sorted.len() / 2 - 1]) / 2.0)
    } else {
        Some(upper)
    }
}

/// The value that `percent` of the samples do not exceed: the nearest rank.
pub fn percentile(samples: &[f64], percent: f64) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

/// An interval that a median lies in with a probability of 95 percent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Interval {
    /// Tells whether a value lies in it.
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

const RESAMPLES: usize = 4_000;

/// The interval of the median of samples by the bootstrap: what medians do if samples are drawn again from those there
/// are. The same samples give the same interval.
pub fn bootstrap(samples: &[f64]) -> Option<Interval> {
    if samples.is_empty() {
        return None;
    }
    let mut random = Pcg64Mcg::seed_from_u64(2026);
    let mut drawn = vec![0.0; samples.len()];
    let mut medians: Vec<f64> = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        for slot in &mut drawn {
            *slot = samples[random.random_range(0..samples.len())];
        }
        drawn.sort_by(f64::total_cmp);
        medians.extend(median_of_sorted(&drawn));
    }
    Some(Interval { low: percentile(&medians, 2.5)?, high: percentile(&medians, 97.5)? })
}

/// The relation of two builds of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The new one takes less, beyond what the old one differs from itself.
    Faster,
    /// It takes more.
    Slower,
    /// Nothing can be told.
    Same,
}

/// Compares ratios new : old with ratios old : old of the same rounds, which are the noise.
///
/// Something moved if the interval of the new ratio leaves out 1, and the median lies farther from 1 than three quarters
/// of the single ratios of the old build to itself.
pub fn verdict(new: &[f64], noise: &[f64]) -> Verdict {
    let (Some(interval), Some(middle)) = (bootstrap(new), median(new)) else {
        return Verdict::Same;
    };
    let spreads: Vec<f64> = noise.iter().map(|ratio| ratio.ln().abs()).collect();
    let spread = percentile(&spreads, 75.0).unwrap_or(0.0);
    if interval.contains(1.0) || middle.ln().abs() <= spread {
        Verdict::Same
    } else if middle < 1.0 {
        Verdict::Faster
    } else {
        Verdict::Slower
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn a_summary_has_the_range() {
        let made = summary(&[2.0, 9.0, 4.0]).unwrap();
        assert_eq!(made, Summary { median: 4.0, min: 2.0, max: 9.0, samples: 3 });
        assert_eq!(summary(&[]), None);
    }

    #[test]
    fn percentiles_are_samples() {
        let samples: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&samples, 50.0), Some(50.0));
        assert_eq!(percentile(&samples, 99.0), Some(99.0));
        assert_eq!(percentile(&samples, 100.0), Some(100.0));
        assert_eq!(percentile(&[7.0], 1.0), Some(7.0));
        assert_eq!(percentile(&[], 50.0), None);
    }

    #[test]
    fn the_bootstrap_brackets_the_median_and_repeats() {
        let samples: Vec<f64> = (0..40).map(|i| 1.0 + f64::from(i % 7) / 100.0).collect();
        let interval = bootstrap(&samples).unwrap();
        assert!(interval.contains(median(&samples).unwrap()), "{interval:?}");
        assert!(interval.low >= 1.0 && interval.high <= 1.06, "{interval:?}");
        assert_eq!(bootstrap(&samples), Some(interval));
        assert_eq!(bootstrap(&[2.0]), Some(Interval { low: 2.0, high: 2.0 }));
    }

    #[test]
    fn what_moves_less_than_the_noise_did_not_move() {
        let noise = [0.97, 1.03, 0.98, 1.02, 1.0, 1.04, 0.96, 1.01];
        let times = |factor: f64| noise.map(|ratio| ratio * factor);
        assert_eq!(verdict(&times(1.0), &noise), Verdict::Same);
        assert_eq!(verdict(&times(1.01), &noise), Verdict::Same);
        assert_eq!(verdict(&times(1.2), &noise), Verdict::Slower);
        assert_eq!(verdict(&times(0.8), &noise), Verdict::Faster);
    }

    #[test]
    fn without_samples_nothing_is_said() {
        assert_eq!(verdict(&[], &[]), Verdict::Same);
    }
}
