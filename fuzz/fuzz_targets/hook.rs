#![no_main]
use tidewaiter::gate::Host;
use tidewaiter::hook;

tidewaiter_fuzz::bytes!(|data| for host in Host::ALL {
    let _ = std::hint::black_box(hook::read(host, data));
});
