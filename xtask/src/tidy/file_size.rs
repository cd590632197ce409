//! Rule: files stay short; the median, the 95th percentile and the longest are held.

use crate::tidy::finding::Finding;
use crate::tidy::house::House;

const MEDIAN: usize = 130;
const P95: usize = 500;
const HARD: usize = 700;

/// Names files beyond the hard limit, and the whole house when its usual file is too long.
pub(crate) fn check(house: &House) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in house.rust() {
        let lines = file.lines_without_tests();
        if lines > HARD {
            found.push(Finding::in_file(&file.path, format!("{lines} lines; split it, {HARD} is the limit")));
        }
    }
    let sizes = sizes(house);
    for (name, percent, limit) in [("median", 50, MEDIAN), ("95th percentile", 95, P95)] {
        let found_size = percentile(&sizes, percent);
        if found_size > limit {
            let what = format!("the {name} of all files is {found_size} lines; {limit} is the limit");
            found.push(Finding::in_file("the house", what));
        }
    }
    found
}

/// Puts the sizes of the house into one line.
pub(crate) fn summary(house: &House) -> String {
    let sizes = sizes(house);
    format!(
        "{} Rust files, {} lines without inline tests: median {}, p95 {}, longest {}",
        sizes.len(),
        sizes.iter().sum::<usize>(),
        percentile(&sizes, 50),
        percentile(&sizes, 95),
        percentile(&sizes, 100)
    )
}

fn sizes(house: &House) -> Vec<usize> {
    let mut sizes: Vec<usize> = house.rust().iter().map(|file| file.lines_without_tests()).collect();
    sizes.sort_unstable();
    sizes
}

/// The smallest size that `percent` of all sizes do not exceed (nearest rank).
fn percentile(sorted: &[usize], percent: usize) -> usize {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{check, percentile};
    use crate::tidy::house::House;

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let sizes = [1, 2, 3, 4];
        assert_eq!((percentile(&sizes, 50), percentile(&sizes, 95), percentile(&sizes, 100)), (2, 4, 4));
        assert_eq!(percentile(&[], 50), 0);
    }

    #[test]
    fn a_file_beyond_the_limit_is_found_and_its_tests_do_not_count() {
        let long = "fn a() {}\n".repeat(701);
        let tested = format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert_eq!(check(&House::of(&[("b.rs", &tested)])), []);
        let short: Vec<String> = (0..40).map(|number| format!("{number}.rs")).collect();
        let mut files: Vec<(&str, &str)> = short.iter().map(|path| (path.as_str(), "")).collect();
        files.push(("long.rs", &long));
        assert_eq!(check(&House::of(&files)).len(), 1);
    }

    #[test]
    fn a_house_of_long_files_is_found() {
        let middling = "\n".repeat(131);
        let found = check(&House::of(&[("a.rs", &middling), ("b.rs", &middling)]));
        assert!(found.len() == 1 && found[0].to_string().contains("median"), "{found:?}");
    }
}
