use super::args::HealthArgs;
pub(super) fn execute(_args: HealthArgs) -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
