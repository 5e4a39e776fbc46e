#![no_main]
tidewaiter_fuzz::bytes!(|data| {
    let mut builder = tidewaiter::advisories::build::Builder::new(Default::default());
    builder.add("record.json", data);
    builder.records()
});
