#![no_main]
use tidewaiter::context::messages;
use tidewaiter::gate::Host;

tidewaiter_fuzz::text!(|text| for host in Host::ALL {
    std::hint::black_box((messages::read(host, text), messages::given(text)));
});
