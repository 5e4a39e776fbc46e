#![no_main]
tidewaiter_fuzz::file!("/w/pdm.lock", tidewaiter::ecosystem::python::pdm_lock::read);
