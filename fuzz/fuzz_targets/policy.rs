#![no_main]
use tidewaiter::policy::{Layer, Origin, load_layers};

tidewaiter_fuzz::text!(|text| {
    let layers = [Layer::Managed, Layer::User, Layer::Project];
    let origins = layers.map(|layer| Origin { layer, path: "/w/tidewaiter.toml".into(), text: Ok(text.to_owned()) });
    load_layers(&origins, tidewaiter_fuzz::environment().now, &tidewaiter::rules::infos())
});
