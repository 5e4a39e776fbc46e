#![no_main]
use tidewaiter::classifier::answer;

tidewaiter_fuzz::text!(|text| {
    if let Ok(answer) = answer::read(text, &["f1", "p1", "u1"]) {
        assert!(answer.rationale.chars().all(|c| c == ' ' || c.is_ascii_graphic()), "{:?}", answer.rationale);
        assert!(answer.rationale.len() <= answer::RATIONALE);
    }
    answer::read_harm(text)
});
