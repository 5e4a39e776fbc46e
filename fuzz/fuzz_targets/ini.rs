#![no_main]
use tidewaiter::registry::ini;

tidewaiter_fuzz::text!(|text| {
    let variables = tidewaiter_fuzz::environment().variables;
    let npm = ini::npm(text);
    let expanded: Vec<_> = npm.iter().map(|item| ini::expand(&item.value, &variables)).collect();
    (ini::python(text), npm, expanded)
});
