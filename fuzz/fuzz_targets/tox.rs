#![no_main]
tidewaiter_fuzz::followed!("/w/tox.ini", "tox");
