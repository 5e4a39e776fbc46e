#![no_main]
tidewaiter_fuzz::bytes!(|data| tidewaiter::registry::simple::read("text/html", tidewaiter::registry::simple::Body::Whole(data), "https://pypi.org/simple/x/"));
