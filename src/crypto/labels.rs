//! Every label that separates one derived key from another (RFC 5869, `info`).
//!
//! A label is never changed and never used for a second thing: a new use gets a new label.
//! They are listed in `proto/envelope.md`, section 5.

/// The key that seals in random mode.
pub(super) const RANDOM_SEAL: &[u8] = b"waxseal/v1/random/seal";
/// The key that seals in deterministic mode.
pub(super) const DETERMINISTIC_SEAL: &[u8] = b"waxseal/v1/deterministic/seal";
/// The key of the MAC that makes a deterministic nonce.
pub(super) const DETERMINISTIC_NONCE: &[u8] = b"waxseal/v1/deterministic/nonce";
/// The key of the pseudo-random function that stands for a HyperLogLog element.
pub(super) const PRF: &[u8] = b"waxseal/v1/prf";
/// The key that chains the lines of an audit log.
pub(super) const AUDIT_LINE: &[u8] = b"waxseal/v1/audit/line";
/// The key that says how far an audit log goes.
pub(super) const AUDIT_ANCHOR: &[u8] = b"waxseal/v1/audit/anchor";
/// The key under which the name of a Redis key stands in an audit log.
pub(super) const AUDIT_KEY_NAME: &[u8] = b"waxseal/v1/audit/key-name";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_differ() {
        let all = [RANDOM_SEAL, DETERMINISTIC_SEAL, DETERMINISTIC_NONCE, PRF, AUDIT_LINE, AUDIT_ANCHOR, AUDIT_KEY_NAME];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b));
        }
    }
}
