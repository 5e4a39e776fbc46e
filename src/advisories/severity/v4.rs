//! CVSS 4.0 base scores (CVSS-B): threat and environmental metrics are at their defaults, as the specification's
//! §8.2 has it for a base score, so only the macrovectors that such a vector can reach are in the table.

use super::Metrics;

/// Scores in tenths, by `[EQ1][EQ2][EQ3+EQ6][EQ4 - 1]`; EQ5 is 0. EQ3+EQ6 in the order 00, 01, 10, 11, 21.
/// EQ4 is never 0 here: that takes a modified metric. Source: CVSS 4.0 specification, the lookup of §8.
const SCORES: [[[[i32; 2]; 5]; 2]; 3] = [
    [[[100, 93], [96, 90], [93, 88], [92, 80], [79, 69]], [[95, 92], [91, 81], [92, 84], [82, 70], [71, 63]]],
    [[[94, 87], [89, 75], [86, 72], [76, 57], [65, 53]], [[90, 77], [77, 66], [74, 61], [59, 52], [58, 23]]],
    [[[86, 70], [74, 54], [72, 53], [57, 36], [47, 24]], [[73, 54], [55, 43], [61, 46], [51, 18], [24, 10]]],
];

/// A macrovector's coordinates in [`SCORES`].
#[derive(Clone, Copy)]
struct Macro {
    eq1: usize,
    eq2: usize,
    eq36: usize,
    eq4: usize,
}

impl Macro {
    fn score(self) -> Option<i32> {
        SCORES.get(self.eq1)?.get(self.eq2)?.get(self.eq36)?.get(self.eq4).copied()
    }
}

/// A metric's distance from its worst value, in steps.
fn level(m: &Metrics<'_>, name: &str, worst_first: &[&str]) -> Option<i32> {
    let value = m.get(name)?;
    worst_first.iter().position(|v| *v == value).map(|n| n as i32)
}

/// The distance to the first of the highest vectors of an equivalence set that is at least as bad in every metric.
fn distance<const N: usize>(levels: [i32; N], highest: &[[i32; N]]) -> i32 {
    let over = |max: &&[i32; N]| levels.iter().zip(*max).all(|(l, m)| l >= m);
    highest.iter().find(over).map_or(0, |max| levels.iter().zip(max).map(|(l, m)| l - m).sum())
}

/// The base score of a vector's metrics (§8.2).
pub(super) fn score(m: &Metrics<'_>) -> Option<f64> {
    let exploit =
        [level(m, "AV", &["N", "A", "L", "P"])?, level(m, "PR", &["N", "L", "H"])?, level(m, "UI", &["N", "P", "A"])?];
    let complexity = [level(m, "AC", &["L", "H"])?, level(m, "AT", &["N", "P"])?];
    let hln = |name| level(m, name, &["H", "L", "N"]);
    let vulnerable = [hln("VC")?, hln("VI")?, hln("VA")?];
    let subsequent = [hln("SC")?, hln("SI")?, hln("SA")?];
    if vulnerable.iter().chain(&subsequent).all(|l| *l == 2) {
        return Some(0.0);
    }
    let at = Macro {
        eq1: match exploit {
            [0, 0, 0] => 0,
            [3, ..] => 2,
            e if e.contains(&0) => 1,
            _ => 2,
        },
        eq2: usize::from(complexity != [0, 0]),
        eq36: match vulnerable {
            [0, 0, _] => 0,
            v if v.contains(&0) => 2,
            _ => 4,
        },
        eq4: usize::from(!subsequent.contains(&0)),
    };
    let value = at.score()?;

    // How far the vector is from the top of its macrovector, and how deep that is, for each set (§8.2, depths plus one).
    let far1 = match at.eq1 {
        0 => (distance(exploit, &[[0, 0, 0]]), 1),
        1 => (distance(exploit, &[[1, 0, 0], [0, 1, 0], [0, 0, 1]]), 4),
        _ => (distance(exploit, &[[3, 0, 0], [1, 1, 1]]), 5),
    };
    let far2 = if at.eq2 == 0 { (0, 1) } else { (distance(complexity, &[[1, 0], [0, 1]]), 2) };
    let far36 = match at.eq36 {
        0 => (distance(vulnerable, &[[0, 0, 0]]), 7),
        2 => (distance(vulnerable, &[[1, 0, 0], [0, 1, 0]]), 8),
        _ => (distance(vulnerable, &[[1, 1, 1]]), 10),
    };
    // SC is counted from H, SI and SA from S, which is one step above H and out of reach of a base vector.
    let far4 =
        if at.eq4 == 0 { (distance(subsequent, &[[0, 0, 0]]), 5) } else { (distance(subsequent, &[[1, 1, 1]]), 4) };
    let next36 = |eq36| Macro { eq36, ..at }.score();
    let lower = [
        (Macro { eq1: at.eq1 + 1, ..at }.score(), far1),
        (Macro { eq2: at.eq2 + 1, ..at }.score(), far2),
        (
            match at.eq36 {
                0 => next36(1).max(next36(2)),
                2 => next36(3),
                _ => None,
            },
            far36,
        ),
        (Macro { eq4: at.eq4 + 1, ..at }.score(), far4),
        // EQ5 always has a lower neighbour, and a base vector is always at its top.
        (Some(value), (0, 1)),
    ];
    let existing: Vec<f64> = lower
        .iter()
        .filter_map(|(next, (far, depth))| Some(f64::from(value - (*next)?) * f64::from(*far) / f64::from(*depth)))
        .collect();
    let mean = existing.iter().sum::<f64>() / existing.len() as f64;
    // The published calculator rounds half up after adding a millionth.
    let tenths = (f64::from(value) - mean + 1e-5).round().clamp(0.0, 100.0);
    Some(tenths / 10.0)
}
