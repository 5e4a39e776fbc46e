#![no_main]
use tidewaiter::ecosystem::cargo::{source, spec};

tidewaiter_fuzz::text!(|text| {
    (
        spec::PackageSpec::parse(text),
        spec::AddSpec::parse(text),
        spec::InstallSpec::parse(text, None),
        source::canonical_git(text),
    )
});
