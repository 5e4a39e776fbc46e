#![no_main]
tidewaiter_fuzz::file!("/w/Cargo.toml", tidewaiter::ecosystem::cargo::manifest::Manifest::read);
