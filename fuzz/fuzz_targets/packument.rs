#![no_main]
use tidewaiter::model::{Ecosystem, PackageName};
use tidewaiter::registry::packument::{read, read_pieces};

tidewaiter_fuzz::bytes!(|data| {
    let name = PackageName::new(Ecosystem::Npm, "pkg");
    let packument = read(data, &name);
    // A long one comes in pieces, and reads the same.
    assert_eq!(packument.as_ref().ok(), read_pieces(&mut &*data, &name).as_ref().ok());
    packument
});
