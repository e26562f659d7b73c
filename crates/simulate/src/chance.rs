//! Chance that comes again: everything drawn follows from the seed, the job and the attempt, and from nothing else. So two
//! simulations of one batch meet the same jobs, whatever order they start them in.

/// What is drawn for; each has draws of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) enum About {
    Length,
    SecondOfLength,
    Failure,
    Jitter,
}

/// 64 bits for an attempt of a job. SplitMix64's finisher (Steele, Lea, Flood 2014), once a number.
pub(crate) fn bits(seed: u64, about: About, job: u32, attempt: u32) -> u64 {
    let about = about as u64 + 1;
    mix(mix(mix(seed).wrapping_add(about)).wrapping_add(u64::from(job) << 32 | u64::from(attempt)))
}

/// At least 0 and below 1.
pub(crate) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

fn mix(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_spread_evenly_and_do_not_depend_on_each_other() {
        let mut buckets = [[0_u32; 10]; 2];
        for job in 0..10_000 {
            for (about, buckets) in [About::Length, About::Failure].into_iter().zip(&mut buckets) {
                buckets[(unit(bits(7, about, job, 1)) * 10.0) as usize] += 1;
            }
        }
        assert!(buckets.iter().flatten().all(|count| count.abs_diff(1000) < 150), "{buckets:?}");
        let [length, failure] = [About::Length, About::Failure].map(|about| bits(7, about, 3, 1));
        assert!(length != failure && length != bits(8, About::Length, 3, 1) && length != bits(7, About::Length, 3, 2));
    }
}
