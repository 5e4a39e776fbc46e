#![no_main]
use tidewaiter::registry::archive;

tidewaiter_fuzz::bytes!(|data| {
    let wheel = archive::wheel_metadata(std::io::Cursor::new(data), "pkg-1.0-py3-none-any.whl");
    let sdists = ["pkg-1.0.tar.gz", "pkg-1.0.zip", "pkg-1.0.tar.bz2"].map(|name| archive::sdist_metadata(data, name));
    (wheel, sdists)
});
