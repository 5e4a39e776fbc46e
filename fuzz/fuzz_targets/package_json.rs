#![no_main]
tidewaiter_fuzz::file!("/w/package.json", tidewaiter::ecosystem::npm::manifest::read);
