//! The `waxseal` binary. Everything is in the library.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    waxseal::cli::main()
}
