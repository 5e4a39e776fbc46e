#![no_main]
tidewaiter_fuzz::followed!("/w/Makefile", "make");
