#![no_main]
use tidewaiter::ecosystem::npm::semver;

tidewaiter_fuzz::text!(|text| {
    let (range, version) = text.split_once('\0').unwrap_or((text, "1.2.3"));
    (semver::admits(range, version), semver::compare(range, version))
});
