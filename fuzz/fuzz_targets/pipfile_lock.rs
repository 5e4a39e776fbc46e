#![no_main]
tidewaiter_fuzz::file!("/w/Pipfile.lock", tidewaiter::ecosystem::python::pipfile::read_lock);
