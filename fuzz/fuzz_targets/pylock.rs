#![no_main]
tidewaiter_fuzz::file!("/w/pylock.toml", tidewaiter::ecosystem::python::pylock::read);
