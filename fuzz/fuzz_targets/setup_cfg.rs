#![no_main]
tidewaiter_fuzz::file!("/w/setup.cfg", tidewaiter::ecosystem::python::setup_cfg::read);
