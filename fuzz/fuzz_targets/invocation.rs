#![no_main]
tidewaiter_fuzz::text!(|text| {
    let argv: Vec<String> = text.split('\0').map(str::to_owned).collect();
    tidewaiter::invocation::parse(&argv, &tidewaiter_fuzz::environment())
});
