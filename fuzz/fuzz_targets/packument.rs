#![no_main]
use tidewaiter::model::{Ecosystem, PackageName};

tidewaiter_fuzz::bytes!(|data| {
    tidewaiter::registry::packument::read(data, &PackageName::new(Ecosystem::Npm, "pkg"))
});
