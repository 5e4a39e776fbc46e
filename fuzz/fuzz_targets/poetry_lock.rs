#![no_main]
tidewaiter_fuzz::file!("/w/poetry.lock", tidewaiter::ecosystem::python::poetry_lock::read);
