#![no_main]
tidewaiter_fuzz::file!("/w/pyproject.toml", tidewaiter::ecosystem::python::pyproject::read);
