#![no_main]
tidewaiter_fuzz::bytes!(|data| tidewaiter::registry::metadata::parse(data));
