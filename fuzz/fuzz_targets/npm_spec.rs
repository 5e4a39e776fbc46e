#![no_main]
use tidewaiter::ecosystem::npm::spec;

tidewaiter_fuzz::text!(|text| (spec::parse(text), spec::resolve(Some("name"), text)));
