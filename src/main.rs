//! The binary: hands over to `cli`.

fn main() -> std::process::ExitCode {
    tidewaiter::cli::main()
}
