#![no_main]
tidewaiter_fuzz::file!("/w/yarn.lock", tidewaiter::ecosystem::npm::yarn_lock::read);
