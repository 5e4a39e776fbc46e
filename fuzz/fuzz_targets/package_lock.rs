#![no_main]
tidewaiter_fuzz::file!("/w/package-lock.json", tidewaiter::ecosystem::npm::lock::read);
