#![no_main]
tidewaiter_fuzz::file!("/w/bun.lock", tidewaiter::ecosystem::npm::bun_lock::read);
