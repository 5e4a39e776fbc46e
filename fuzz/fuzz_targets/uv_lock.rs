#![no_main]
tidewaiter_fuzz::file!("/w/uv.lock", tidewaiter::ecosystem::python::uv_lock::read);
