use super::args::DoctorArgs;
pub(super) fn execute(_args: DoctorArgs) -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
