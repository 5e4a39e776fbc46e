#![no_main]
tidewaiter_fuzz::followed!("/w/run.sh", "sh", "run.sh");
