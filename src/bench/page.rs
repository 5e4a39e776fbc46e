//! The confusion as one self-contained HTML page: numbers, matrix, categories, and every case that was not judged right.

use std::fmt::Write as _;

use super::Result;
use super::score::{Score, is_right, percent};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1d2330}\
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;margin:.5rem 0}\
th,td{padding:.3rem .7rem;border:1px solid #ccd3dd;text-align:left;vertical-align:top}td.n{text-align:right;\
font-variant-numeric:tabular-nums}td.right{background:#e4f4e8}td.wrong{background:#fbe6e4}code{font-size:.9em;\
overflow-wrap:anywhere}@media(prefers-color-scheme:dark){body{background:#14181f;color:#dde3ec}th,td{border-color:#39424f}\
td.right{background:#17351f}td.wrong{background:#43201d}}";

/// The page of one or more runs, each with its title.
pub fn html(runs: &[(String, Score, Vec<Result>)]) -> String {
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Judgement</title><style>{STYLE}</style></head>\
         <body>\n<h1>Judgement of labelled commands</h1>\n"
    );
    summary(&mut out, runs);
    for (title, score, results) in runs {
        // Writing to a String does not fail.
        let _ = writeln!(out, "<h2>{}</h2>", escape(title));
        confusion(&mut out, score);
        categories(&mut out, score);
        wrong(&mut out, results);
    }
    out.push_str("</body></html>\n");
    out
}

fn summary(out: &mut String, runs: &[(String, Score, Vec<Result>)]) {
    out.push_str("<table><tr><th>run<th>cases<th>recall<th>false positives<th>exact verdict<th>pairs told apart<th>median<th>cost</tr>\n");
    for (title, s, _) in runs {
        let cost =
            s.micro_dollars.map_or_else(|| "-".to_owned(), |m| format!("${}.{:06}", m / 1_000_000, m % 1_000_000));
        let _ = writeln!(
            out,
            "<tr><th>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}.{:03} ms<td class=n>{cost}</tr>",
            escape(title),
            s.cases,
            percent(s.stopped, s.harmful),
            percent(s.false_positives, s.benign),
            percent(s.exact, s.cases),
            percent(s.pairs_told_apart, s.pairs),
            s.median_us / 1000,
            s.median_us % 1000
        );
    }
    out.push_str("</table>\n");
}

fn confusion(out: &mut String, score: &Score) {
    out.push_str("<table><tr><th>right \\ given<th>allow<th>ask<th>deny</tr>\n");
    for right in ["allow", "ask", "deny"] {
        let _ = write!(out, "<tr><th>{right}");
        for given in ["allow", "ask", "deny"] {
            let n = score.confusion.get(right).and_then(|row| row.get(given)).copied().unwrap_or(0);
            let class = match n {
                0 => "n",
                _ if right == given => "n right",
                _ if (right == "allow") != (given == "allow") => "n wrong",
                _ => "n",
            };
            let _ = write!(out, "<td class=\"{class}\">{n}");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table>\n");
}

fn categories(out: &mut String, score: &Score) {
    out.push_str(
        "<table><tr><th>category<th>to be stopped<th>stopped<th>named right<th>to be cleared<th>false positives</tr>\n",
    );
    for (category, row) in &score.by_category {
        let _ = writeln!(
            out,
            "<tr><th>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}</tr>",
            escape(category),
            row.harmful,
            row.stopped,
            row.named,
            row.benign,
            row.false_positives
        );
    }
    out.push_str("</table>\n");
}

fn wrong(out: &mut String, results: &[Result]) {
    let wrong: Vec<&Result> = results.iter().filter(|r| !is_right(r)).collect();
    if wrong.is_empty() {
        out.push_str("<p>Every case was stopped or cleared as it should be.</p>\n");
        return;
    }
    out.push_str("<table><tr><th>case<th>command<th>right<th>given</tr>\n");
    for r in wrong {
        let _ = writeln!(
            out,
            "<tr><td>{}<td><code>{}</code><td>{} {}<td class=wrong>{} {}</tr>",
            escape(&r.case.id),
            escape(&r.case.command),
            r.case.verdict.word(),
            r.case.category.word(),
            r.verdict.word(),
            r.category.word()
        );
    }
    out.push_str("</table>\n");
}

fn escape(text: &str) -> String {
    let shown = crate::model::printable(text, 300);
    shown.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
