use super::args::DemoArgs;
pub(super) fn execute(_args: DemoArgs) -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
