#![no_main]
tidewaiter_fuzz::text!(|text| tidewaiter::invocation::parse_shell(text, &tidewaiter_fuzz::environment(), &|_| None));
