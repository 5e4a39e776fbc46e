#![no_main]
tidewaiter_fuzz::file!("/w/pnpm-workspace.yaml", tidewaiter::ecosystem::npm::pnpm_lock::read_workspace);
