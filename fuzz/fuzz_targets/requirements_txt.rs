#![no_main]
tidewaiter_fuzz::bytes!(|data| {
    let path = std::path::Path::new("/w/requirements.txt");
    let files: tidewaiter::model::MemoryFiles = [(path, data.to_vec())].into_iter().collect();
    tidewaiter::ecosystem::python::requirements_txt::read(path, false, &tidewaiter_fuzz::environment(), &files)
});
