#![no_main]
tidewaiter_fuzz::file!("/w/Cargo.lock", tidewaiter::ecosystem::cargo::lock::Lockfile::read);
