#![no_main]
tidewaiter_fuzz::bytes!(|data| tidewaiter::registry::simple::read("text/html", data, "https://pypi.org/simple/x/"));
