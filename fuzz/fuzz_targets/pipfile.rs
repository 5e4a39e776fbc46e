#![no_main]
tidewaiter_fuzz::file!("/w/Pipfile", tidewaiter::ecosystem::python::pipfile::read);
