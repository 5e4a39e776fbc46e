#![no_main]
use tidewaiter::ecosystem::python::{poetry, version};

tidewaiter_fuzz::text!(|text| {
    let (range, one) = text.split_once('\0').unwrap_or((text, "1.2.3"));
    (version::admits(range, one), version::normalise(one), poetry::constraint(range))
});
