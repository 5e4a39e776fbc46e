#![no_main]
use tidewaiter::ecosystem::python::requirement::{MarkerEnvironment, parse};

tidewaiter_fuzz::text!(|text| {
    let environment = MarkerEnvironment::from(&tidewaiter_fuzz::interpreter());
    parse(text).map(|r| r.applies(&environment, &["extra".to_owned()]))
});
