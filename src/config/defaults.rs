//! Every default and bound of the configuration, with its reason.

use std::time::Duration;

/// One above Redis's own port on loopback: a Redis on the same machine keeps 6379.
pub const LISTEN: &str = "127.0.0.1:6380";
/// A unix socket opens for its owner only; a group is opted in.
pub const UNIX_MODE: u32 = 0o600;
/// A token that opens the console to a network: 16 bytes, if random, cannot be guessed.
pub const MIN_TOKEN: usize = 16;
/// What Linux has room for in `sockaddr_un`, less the closing zero.
pub const MAX_UNIX_PATH: usize = 107;
/// TLS and login of a client: a few round trips, and a second of Argon2 on a busy machine; one that says nothing does
/// not keep its place.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// From a request's first byte to its last: the largest value comes within it at 9 MB/s, and a client that drips does
/// not hold a connection and its buffer for good.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Who wants longer wants none.
pub const MAX_IDLE_TIMEOUT: Duration = Duration::from_secs(86_400);
/// An identity is a kind of client, not a person.
pub const MAX_IDENTITIES: usize = 1000;
/// Listeners beyond this are a mistake in a template.
pub const MAX_LISTENERS: usize = 64;
/// Redis's port, and that of every current Upstash database.
pub const UPSTREAM_PORT: u16 = 6379;
/// Resolve, TCP, TLS, AUTH and HELLO over an intercontinental link fit in well under this; clients
/// commonly give up after 5 to 10 seconds themselves.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than that nobody waits; it also keeps a typing error (`5h`) from looking like a hang.
pub const MAX_CONNECT_TIMEOUT: Duration = Duration::from_secs(120);

/// Redis's own default for `maxclients`.
pub const MAX_CLIENTS: u64 = 10_000;
/// Commands of one client that may be on their way. Deeper pipelines wait in the socket; at 20 ms of
/// round trip it still allows 50,000 commands per second to one client.
pub const CLIENT_WINDOW: u64 = 1024;
/// Bytes waiting for one client that does not read: Redis's limit for one value, so that the largest
/// legal reply fits.
pub const CLIENT_OUTPUT: u64 = 512 << 20;
/// How long a client may take no byte of a waiting reply before it is cut. A suspended laptop or a stopped
/// debugger recovers within it; a dead peer does not hold memory for longer.
pub const OUTPUT_STALL: Duration = Duration::from_secs(30);
/// Buffered bytes of the whole process: two values of the largest legal size in flight at once.
pub const BUFFERS: u64 = 1 << 30;
/// Redis's `proto-max-bulk-len`.
pub const MAX_BULK: u64 = 512 << 20;
/// A bound that no value may pass however it is configured: offsets stay within 32 bits.
pub const MAX_MAX_BULK: u64 = 2 << 30;
/// Lanes pinned by WATCH or a large transaction: they are held for a few round trips, so a few hundred carry thousands
/// of transactions per second.
pub const TRANSACTIONS: u64 = 256;
/// Lanes pinned by blocking commands: held for long, and worker pools have many consumers.
pub const BLOCKING: u64 = 1024;
/// Lanes pinned by subscribers: likewise held for long.
pub const SUBSCRIPTIONS: u64 = 1024;
/// Lanes of clients that need one for all they do: few use WAIT, and each holds one as long as it stays.
pub const DEDICATED: u64 = 256;

/// More workers than this share one upstream's attention without gain.
pub const MAX_WORKERS: u64 = 64;
/// Kubernetes kills after 30 seconds unless told otherwise; a third of it leaves time for the rest of a
/// shutdown.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// An hour is longer than any orchestrator waits.
pub const MAX_DRAIN_TIMEOUT: Duration = Duration::from_secs(3600);

/// The rate limiter's window: below a millisecond the clock's grain decides, above a day a restart does.
pub const MIN_WINDOW: Duration = Duration::from_millis(1);
pub const MAX_WINDOW: Duration = Duration::from_secs(86_400);

/// Each is asked for every command of its classes.
pub const MAX_RATES: usize = 64;
/// More than passes any network in a window.
pub const MAX_RATE_BYTES: u64 = 1 << 40;
/// How long a request may be held back: below common time-outs of clients.
pub const MAX_DELAY: Duration = Duration::from_secs(1);
/// A timer is not finer.
pub const MIN_DELAY: Duration = Duration::from_millis(1);
/// Beyond this every client has given up.
pub const MAX_MAX_DELAY: Duration = Duration::from_secs(300);

/// Far above any real configuration file, keyring or bundle of roots; keeps a device or a wrong path
/// (a log, a core file) from filling memory.
pub const MAX_FILE: u64 = 4 << 20;
/// Redis keys are longer in theory, patterns are typed by people.
pub const MAX_PATTERN: usize = 1024;
/// Ten times what the look-up is measured with.
pub const MAX_PATTERNS: usize = 100_000;
/// An id is shown in logs and metrics and bound into values of scope `rule`.
pub const MAX_ID: usize = 64;
