//! `log stats`: what the classifiers beside the rules were asked, said and cost. The log in; a few lines, or JSON, out.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use serde::Serialize;

use crate::cli::{Failure, print};
use crate::model::{Timestamp, printable};
use crate::record::line::Classifier;
use crate::record::{Event, Log};

/// What one model was asked, said and cost.
#[derive(Debug, Default, Serialize)]
struct Stats {
    asked: u64,
    cached: u64,
    outcomes: BTreeMap<String, u64>,
    effects: BTreeMap<String, u64>,
    requests: u64,
    input_tokens: u64,
    output_tokens: u64,
    cache_read_tokens: u64,
    cache_write_tokens: u64,
    micro_dollars: Option<u64>,
    elapsed_ms: u64,
    slowest_ms: u64,
}

impl Stats {
    fn add(&mut self, c: &Classifier) {
        self.asked += 1;
        self.cached += u64::from(c.cached);
        *self.outcomes.entry(c.outcome.clone()).or_default() += 1;
        *self.effects.entry(c.effect.clone()).or_default() += 1;
        self.requests += u64::from(c.requests);
        let sum = u64::saturating_add;
        self.input_tokens = sum(self.input_tokens, c.input_tokens);
        self.output_tokens = sum(self.output_tokens, c.output_tokens);
        self.cache_read_tokens = sum(self.cache_read_tokens, c.cache_read_tokens);
        self.cache_write_tokens = sum(self.cache_write_tokens, c.cache_write_tokens);
        self.micro_dollars = match (self.micro_dollars, c.micro_dollars) {
            (Some(a), Some(b)) => Some(sum(a, b)),
            (a, b) => a.or(b),
        };
        self.elapsed_ms = sum(self.elapsed_ms, c.elapsed_ms);
        self.slowest_ms = self.slowest_ms.max(c.elapsed_ms);
    }
}

pub(super) fn run(log: &Log, since: Option<Timestamp>, json: bool) -> Result<ExitCode, Failure> {
    let mut all: BTreeMap<String, Stats> = BTreeMap::new();
    log.read(|entry| {
        let Ok(line) = entry.line else { return };
        let Event::Consulted { classifier, .. } = line.event else { return };
        let before = |since: Timestamp| line.at.parse::<Timestamp>().is_ok_and(|at| at < since);
        if !since.is_some_and(before) {
            all.entry(format!("{} {}", classifier.kind, classifier.model)).or_default().add(&classifier);
        }
    })
    .map_err(super::failed)?;
    if json {
        print(&format!("{}\n", serde_json::to_string(&all).unwrap_or_default()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = String::new();
    if all.is_empty() {
        out.push_str("no classifier was asked\n");
    }
    for (who, stats) in &all {
        tell(&mut out, who, stats);
    }
    print(&out)?;
    Ok(ExitCode::SUCCESS)
}

fn tell(out: &mut String, who: &str, s: &Stats) {
    let words = |counts: &BTreeMap<String, u64>| {
        let words: Vec<String> = counts.iter().map(|(w, n)| format!("{n} {}", printable(w, 20))).collect();
        words.join(", ")
    };
    // Writing to a String does not fail.
    let _ = writeln!(out, "{}", printable(who, 120));
    let _ = writeln!(out, "  questions  {} ({} from memory; {} requests)", s.asked, s.cached, s.requests);
    let _ = writeln!(out, "  outcomes   {}", words(&s.outcomes));
    let _ = writeln!(out, "  verdicts   {}", words(&s.effects));
    let _ = writeln!(
        out,
        "  tokens     {} in, {} out, {} from the provider's cache, {} into it",
        s.input_tokens, s.output_tokens, s.cache_read_tokens, s.cache_write_tokens
    );
    let cost = s.micro_dollars.map_or_else(|| "no prices in the policy".to_owned(), dollars);
    let _ = writeln!(out, "  cost       {cost}");
    let mean = s.elapsed_ms / s.asked.max(1);
    let _ = writeln!(out, "  time       {mean} ms each, {} ms the slowest", s.slowest_ms);
}

/// Millionths of a dollar, for people.
pub(super) fn dollars(micro: u64) -> String {
    format!("${}.{:06}", micro / 1_000_000, micro % 1_000_000)
}
