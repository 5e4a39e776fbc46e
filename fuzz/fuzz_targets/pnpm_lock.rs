#![no_main]
tidewaiter_fuzz::file!("/w/pnpm-lock.yaml", tidewaiter::ecosystem::npm::pnpm_lock::read);
