//! A release among the others of its project: which one it follows, how long the project was silent, what else
//! appeared within the hour. In: the releases as an index lists them. Out: [`Among`], the part of a
//! [`ReleaseHistory`](crate::model::ReleaseHistory) that every ecosystem computes alike. Pure and linear.

use std::cmp::Ordering;

use crate::model::Timestamp;

/// Releases that are nearer to each other than this are one event: who publishes twice in a row, first without and
/// then with the payload or the other way round, does not become his own predecessor.
const SAME_EVENT: i64 = 24 * 60 * 60;
/// What the rule `release-burst` calls together.
const HOUR: i64 = 60 * 60;

/// One release of a project.
#[derive(Debug, Clone)]
pub(super) struct Sibling<V> {
    /// Its version.
    pub(super) version: V,
    /// When it was published.
    pub(super) published: Option<Timestamp>,
    /// Whether the version is a pre-release.
    pub(super) prerelease: bool,
    /// Its release line: the major version, and the minor one below 1.0.
    pub(super) line: (u64, u64),
}

/// The release line of a version by its first two numbers.
pub(super) fn line(major: u64, minor: u64) -> (u64, u64) {
    (major, if major == 0 { minor } else { 0 })
}

/// Where a release stands. Numbers are indexes into the list that was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Among {
    /// The release it follows: the highest lower version published before it and not within the same day; failing
    /// that, the highest lower one published before it; without its own time, the next lower version. A release
    /// follows no pre-release unless it is one.
    pub(super) previous: Option<usize>,
    /// The latest earlier moment at which anything of the project was published.
    pub(super) last_published_at: Option<Timestamp>,
    /// Releases of other lines within an hour before or after, lowest first.
    pub(super) within_hour: Vec<usize>,
}

/// Looks at all releases once. `order` is the ecosystem's version order.
pub(super) fn among<V>(own: &Sibling<V>, all: &[Sibling<V>], order: impl Fn(&V, &V) -> Ordering) -> Among {
    let mut out = Among::default();
    let mut apart: Option<usize> = None;
    let higher = |best: Option<usize>, at: usize| match best.and_then(|b| Some((all.get(b)?, all.get(at)?))) {
        Some((a, b)) => order(&a.version, &b.version) == Ordering::Less,
        None => true,
    };
    for (at, sibling) in all.iter().enumerate() {
        let side = order(&sibling.version, &own.version);
        if side == Ordering::Equal {
            continue;
        }
        let before = match (sibling.published, own.published) {
            (Some(then), Some(own_time)) => {
                let seconds = own_time.as_second().saturating_sub(then.as_second());
                if seconds.abs() <= HOUR && sibling.line != own.line && !sibling.prerelease {
                    out.within_hour.push(at);
                }
                if then < own_time {
                    out.last_published_at = out.last_published_at.max(Some(then));
                }
                (then <= own_time).then_some(seconds)
            }
            (None, Some(_)) => None,
            (_, None) => Some(0),
        };
        let Some(seconds) = before.filter(|_| side == Ordering::Less && (!sibling.prerelease || own.prerelease)) else {
            continue;
        };
        if higher(out.previous, at) {
            out.previous = Some(at);
        }
        if seconds >= SAME_EVENT && higher(apart, at) {
            apart = Some(at);
        }
    }
    // A patch of an old line follows that line, even if its own predecessor came the same day.
    out.previous = apart.or(out.previous);
    out.within_hour.sort_by(|a, b| match (all.get(*a), all.get(*b)) {
        (Some(a), Some(b)) => order(&a.version, &b.version),
        _ => Ordering::Equal,
    });
    out
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    fn sibling(text: &str) -> Sibling<(u64, u64, u64)> {
        let (version, time) = text.split_once(' ').unwrap();
        let numbers: Vec<u64> = version.trim_end_matches('-').split('.').map(|n| n.parse().unwrap()).collect();
        Sibling {
            version: (numbers[0], numbers[1], numbers[2]),
            published: time.parse().ok(),
            prerelease: version.ends_with('-'),
            line: line(numbers[0], numbers[1]),
        }
    }

    fn previous(own: &str, all: &[&str]) -> (Option<String>, usize) {
        let all: Vec<_> = all.iter().map(|t| sibling(t)).collect();
        let found = among(&sibling(own), &all, Ord::cmp);
        (found.previous.map(|p| format!("{:?}", all[p].version)), found.within_hour.len())
    }

    #[test]
    fn a_release_follows_its_own_line() {
        let all = [
            "0.30.3 2026-01-01T00:00:00Z",
            "1.14.0 2026-03-27T00:00:00Z",
            "1.14.1 2026-03-31T00:21:00Z",
            "0.30.4 2026-03-31T01:00:00Z",
            "2.0.0- 2026-02-01T00:00:00Z",
            "1.15.0 2026-04-20T00:00:00Z",
        ];
        assert_eq!(previous(all[2], &all), (Some("(1, 14, 0)".into()), 1));
        assert_eq!(previous(all[3], &all), (Some("(0, 30, 3)".into()), 1));
        assert_eq!(previous(all[0], &all), (None, 0));
        // What came within a day of it is the same event.
        assert_eq!(previous("1.14.2 2026-03-31T02:00:00Z", &all).0, Some("(1, 14, 0)".into()));
        assert_eq!(previous("2.0.0 2026-05-01T00:00:00Z", &all).0, Some("(1, 15, 0)".into()));
    }

    #[test]
    fn without_times_the_next_lower_version_counts() {
        assert_eq!(previous("1.1.0 -", &["1.0.0 -", "0.9.0 -", "1.2.0 -"]), (Some("(1, 0, 0)".into()), 0));
        // A time of its own and none of the others: which came before is not known.
        assert_eq!(previous("1.1.0 2026-01-01T00:00:00Z", &["1.0.0 -"]), (None, 0));
    }

    #[test]
    fn the_last_sign_of_life_may_be_of_any_line() {
        let all = ["1.0.0 2020-01-01T00:00:00Z", "2.0.0 2022-01-01T00:00:00Z"].map(sibling);
        let found = among(&sibling("1.0.1 2026-01-01T00:00:00Z"), &all, Ord::cmp);
        assert_eq!(found.last_published_at, all[1].published);
    }
}
