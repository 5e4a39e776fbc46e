#![no_main]
tidewaiter_fuzz::followed!("/w/justfile", "just");
