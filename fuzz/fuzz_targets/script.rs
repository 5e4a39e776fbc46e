#![no_main]
tidewaiter_fuzz::file!("/w/script.py", tidewaiter::ecosystem::python::script::read);
