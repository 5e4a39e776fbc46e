#![no_main]
tidewaiter_fuzz::bytes!(|data| tidewaiter::registry::crate_index::read_index(data));
