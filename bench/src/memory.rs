//! Resident memory of this process, from what Linux says about it. Elsewhere there are no figures.

use std::fs;

/// A field of `/proc/self/status` in bytes.
fn status(process: &str, field: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Resident memory of a process now, in bytes; `self` is this one.
pub fn resident(process: &str) -> Option<u64> {
    status(process, "VmRSS")
}

/// Watches how much the resident memory grows.
pub struct PeakWatch {
    process: String,
    before: Option<u64>,
}

impl PeakWatch {
    /// From now on, this process.
    pub fn start() -> Self {
        Self::since("self", resident("self"))
    }

    /// From now on a process, from what it had at another time.
    pub fn since(process: &str, before: Option<u64>) -> Self {
        // 5 resets the high-water mark.
        let reset = fs::write(format!("/proc/{process}/clear_refs"), "5").is_ok();
        Self { process: process.to_owned(), before: before.filter(|_| reset) }
    }

    /// By how much it has grown at most, in bytes; 0 where that is not known.
    pub fn peak(&self) -> u64 {
        let high = status(&self.process, "VmHWM");
        high.zip(self.before).map_or(0, |(high, before)| high.saturating_sub(before))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn memory_that_was_touched_and_given_back_is_in_the_peak() {
        const SIZE: usize = 64 << 20;
        let watch = PeakWatch::start();
        let touched = vec![1_u8; SIZE];
        std::hint::black_box(&touched);
        drop(touched);
        assert!(watch.peak() >= (SIZE as u64) / 10 * 9, "{}", watch.peak());
    }
}
