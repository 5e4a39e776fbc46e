#![no_main]
tidewaiter_fuzz::followed!("/w/package.json", "npm", "test");
