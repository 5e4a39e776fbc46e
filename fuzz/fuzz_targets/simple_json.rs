#![no_main]
use tidewaiter::registry::simple::{Body, read, upload_times};

tidewaiter_fuzz::bytes!(|data| {
    let (kind, base) = ("application/vnd.pypi.simple.v1+json", "https://pypi.org/simple/x/");
    let page = read(kind, Body::Whole(data), base);
    // A long page comes in pieces, and reads the same.
    let pieces = read(kind, Body::Pieces(&mut &*data), base);
    assert_eq!(page.as_ref().ok(), pieces.as_ref().ok());
    (page, upload_times(data))
});
