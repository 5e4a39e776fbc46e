#![no_main]
tidewaiter_fuzz::bytes!(|data| {
    let kind = "application/vnd.pypi.simple.v1+json";
    let page = tidewaiter::registry::simple::read(kind, data, "https://pypi.org/simple/x/");
    (page, tidewaiter::registry::simple::upload_times(data))
});
