//! An upstream that behaves as Upstash does, in front of a real server: what it does not document is refused in its
//! words, COMMAND is empty, there is database 0 only, 10 MB for a request or a reply, commands over a rate are delayed,
//! idle connections are cut. Facts from its documentation.

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::TlsAcceptor;
use waxseal::policy::script::sha_hex;
use waxseal::resp::{ReplyScanner, RequestLimits, RequestScanner};

use super::certs::Certs;
use super::raw::encode;
use super::{Upstream, contains};

pub const LIMIT: usize = 10_485_760;
/// When nothing is to be cut.
const NEVER: Duration = Duration::from_secs(3600);

/// How a connection ends that has been idle for too long.
#[derive(Clone, Copy, Default, PartialEq)]
pub enum Cut {
    #[default]
    AtOnce,
    /// With the next request, which is not carried out.
    OnRequest,
    /// With the next request, which is carried out and not answered.
    AfterRequest,
}

pub struct Conduct {
    pub idle: Duration,
    pub cut: Cut,
    /// Commands per second, of all connections; what comes above is delayed.
    pub rate: Option<u32>,
}

impl Default for Conduct {
    fn default() -> Self {
        Self { idle: NEVER, cut: Cut::default(), rate: None }
    }
}

pub struct Upstash {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    conduct: Conduct,
    behind: u16,
    accepted: AtomicUsize,
    cut: AtomicUsize,
    /// Connections with a lower number neither answer nor end.
    vanished: AtomicUsize,
    /// When the rate allows the next command.
    next: Mutex<Instant>,
    refused: Mutex<Vec<String>>,
    /// Scripts with the flag that only Upstash knows: their names, and what the server behind calls them.
    locking: Mutex<HashMap<String, String>>,
    /// How many calls had it.
    locked: AtomicUsize,
}

impl Upstash {
    /// Serves until the test's process ends.
    pub fn before(upstream: &Upstream, conduct: Conduct) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        let shared = Arc::new(Shared {
            conduct,
            behind: upstream.plain_port,
            accepted: AtomicUsize::new(0),
            cut: AtomicUsize::new(0),
            vanished: AtomicUsize::new(0),
            next: Mutex::new(Instant::now()),
            refused: Mutex::default(),
            locking: Mutex::default(),
            locked: AtomicUsize::new(0),
        });
        let (serving, acceptor) = (Arc::clone(&shared), acceptor(&upstream.certs));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
            runtime.block_on(async {
                listener.set_nonblocking(true).expect("not blocking");
                let listener = tokio::net::TcpListener::from_std(listener).expect("listener");
                while let Ok((socket, _)) = listener.accept().await {
                    let number = serving.accepted.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(serve(socket, acceptor.clone(), Arc::clone(&serving), number));
                }
            });
        });
        Self { port, shared }
    }

    pub fn url(&self) -> String {
        format!("rediss://default@127.0.0.1:{}", self.port)
    }

    /// How many connections were cut.
    pub fn cut(&self) -> usize {
        self.shared.cut.load(Ordering::SeqCst)
    }

    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// From now on the connections that there are neither answer nor end, as behind a router that forgot them.
    pub fn vanish(&self) {
        self.shared.vanished.store(self.accepted(), Ordering::SeqCst);
    }

    /// How many calls of scripts locked their keys only.
    pub fn locked(&self) -> usize {
        self.shared.locked.load(Ordering::SeqCst)
    }

    /// The commands that were refused as not documented.
    pub fn refused(&self) -> Vec<String> {
        self.shared.refused.lock().expect("refused").clone()
    }
}

fn acceptor(certs: &Certs) -> TlsAcceptor {
    certs.server_config().into()
}

/// One connection, one request at a time.
async fn serve(socket: TcpStream, acceptor: TlsAcceptor, shared: Arc<Shared>, number: usize) -> Option<()> {
    let conduct = &shared.conduct;
    let mut client = acceptor.accept(socket).await.ok()?;
    let mut server = TcpStream::connect(("127.0.0.1", shared.behind)).await.ok()?;
    let (mut input, mut output) = (Vec::new(), Vec::new());
    let (mut requests, mut replies) = (RequestScanner::new(), ReplyScanner::new());
    let mut awaited = 0_usize;
    let mut heard = Instant::now();
    let mut late = false;
    loop {
        if shared.vanished.load(Ordering::SeqCst) > number {
            std::future::pending::<()>().await;
        }
        let whole = requests.scan(&input, &RequestLimits::authenticated(usize::MAX)).ok()?;
        if let (Some(len), 0) = (whole, awaited) {
            if late && conduct.cut == Cut::OnRequest {
                return None;
            }
            shared.wait_for_the_rate().await;
            let request: Vec<u8> = input.drain(..len).collect();
            match shared.refusal(&words(&requests, &request), len) {
                Some(reply) => {
                    client.write_all(&reply).await.ok()?;
                    client.flush().await.ok()?;
                }
                None => {
                    awaited += usize::from(!expects_no_reply(&words(&requests, &request)));
                    let request = shared.without_locking(&requests, request);
                    server.write_all(&request).await.ok()?;
                }
            }
            requests.reset();
            continue;
        }
        tokio::select! {
            read = client.read_buf(&mut input) => {
                read.ok().filter(|count| *count > 0)?;
                heard = Instant::now();
            }
            read = server.read_buf(&mut output) => {
                read.ok().filter(|count| *count > 0)?;
            }
            () = sleep_until(heard + conduct.idle), if awaited == 0 && !late => {
                shared.cut.fetch_add(1, Ordering::SeqCst);
                late = true;
                if conduct.cut == Cut::AtOnce {
                    return None;
                }
            }
        }
        while let Some(len) = replies.scan(&output).ok()? {
            let frame: Vec<u8> = output.drain(..len).collect();
            replies.reset();
            awaited = awaited.saturating_sub(usize::from(!is_of_pubsub(&frame)));
            if late {
                return None;
            }
            let frame = if frame.len() > LIMIT { too_large(frame.len()) } else { frame };
            client.write_all(&frame).await.ok()?;
            client.flush().await.ok()?;
        }
    }
}

impl Shared {
    /// EVAL and EVALSHA as the server behind takes them.
    fn without_locking(&self, scanner: &RequestScanner, request: Vec<u8>) -> Vec<u8> {
        const FLAG: &[u8] = b"#!lua flags=allow-key-locking\n";
        let mut args: Vec<Vec<u8>> =
            scanner.request(&request).args.iter().map(|at| request[at.clone()].to_vec()).collect();
        let name = args.first().map(|name| name.to_ascii_uppercase()).unwrap_or_default();
        let mut locking = self.locking.lock().expect("locking");
        match (&name[..], args.get_mut(1)) {
            (b"EVAL", Some(body)) if body.starts_with(FLAG) => {
                let plain = body[FLAG.len()..].to_vec();
                locking.insert(sha_hex(body), sha_hex(&plain));
                *body = plain;
            }
            (b"EVALSHA", Some(sha)) => {
                let Some(plain) = locking.get(&*String::from_utf8_lossy(sha)) else { return request };
                *sha = plain.clone().into_bytes();
            }
            _ => return request,
        }
        self.locked.fetch_add(1, Ordering::SeqCst);
        encode(&args.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    async fn wait_for_the_rate(&self) {
        let Some(rate) = self.conduct.rate else { return };
        let turn = {
            let mut next = self.next.lock().expect("rate");
            let turn = (*next).max(Instant::now());
            *next = turn + Duration::from_secs(1) / rate;
            turn
        };
        sleep_until(turn).await;
    }

    fn refusal(&self, words: &[String], len: usize) -> Option<Vec<u8>> {
        let name = words.first().map_or("", String::as_str);
        let argument = words.get(1).map_or("", String::as_str);
        if len > LIMIT {
            return Some(too_large(len));
        }
        match (name, argument) {
            ("COMMAND", "") => return Some(b"*0\r\n".to_vec()),
            ("SELECT", "0") => return None,
            ("SELECT", db) => return error(&format!("ERR Only 0th database is supported! Selected DB: {db}")),
            ("CONFIG", "GET") if words.get(2).is_none_or(|w| w != NOTIFY) => return Some(b"*0\r\n".to_vec()),
            ("CONFIG", "SET") if words.get(2).is_none_or(|w| w != NOTIFY) => {
                return error(
                    "ERR CONFIG SET failed (possibly related to argument) - Unknown option or number of arguments",
                );
            }
            _ => {}
        }
        if is_documented(name, argument) {
            return None;
        }
        self.refused.lock().expect("refused").push(format!("{name} {argument}"));
        error(&format!(
            "ERR Command is not available: '{name}'. See https://upstash.com/docs/redis/overall/rediscompatibility for details"
        ))
    }
}

const NOTIFY: &str = "NOTIFY-KEYSPACE-EVENTS";

fn words(scanner: &RequestScanner, request: &[u8]) -> Vec<String> {
    let text = |at: &std::ops::Range<usize>| String::from_utf8_lossy(&request[at.clone()]).to_uppercase();
    scanner.request(request).args.iter().take(3).map(text).collect()
}

fn error(text: &str) -> Option<Vec<u8>> {
    Some(format!("-{text}\r\n").into_bytes())
}

fn too_large(actual: usize) -> Vec<u8> {
    format!("-ERR max request size exceeded. Limit: {LIMIT} bytes, Actual: {actual} bytes.\r\n").into_bytes()
}

/// What is answered by what [`is_of_pubsub`] knows, if at all.
fn expects_no_reply(words: &[String]) -> bool {
    words.first().is_some_and(|name| name.ends_with("SUBSCRIBE"))
}

fn is_of_pubsub(frame: &[u8]) -> bool {
    let start = &frame[..frame.len().min(24)];
    let kinds: [&[u8]; 2] = [b"message\r\n", b"subscribe\r\n"];
    frame.starts_with(b">") || (frame.starts_with(b"*") && kinds.iter().any(|kind| contains(start, kind)))
}

fn is_documented(name: &str, argument: &str) -> bool {
    let subcommands = SUBCOMMANDS.iter().find(|(container, _)| *container == name).map(|(_, subs)| *subs);
    match subcommands {
        Some(subs) => subs.split(' ').any(|sub| sub == argument),
        None => {
            DOCUMENTED.split_whitespace().any(|known| known == name)
                || ["JSON.", "SEARCH.", "VECTOR.", "AR"].iter().any(|family| name.starts_with(family))
        }
    }
}

const SUBCOMMANDS: &[(&str, &str)] = &[
    ("ACL", "CAT DELUSER GENPASS GENTOKEN GETUSER LIST LOAD LOG RESTTOKEN SAVE SETUSER USERS WHOAMI"),
    ("CLIENT", "GETNAME SETNAME ID INFO LIST SETINFO"),
    ("COMMAND", ""),
    ("CONFIG", "GET SET"),
    ("FUNCTION", "LOAD DELETE FLUSH KILL LIST STATS"),
    ("MEMORY", "USAGE"),
    ("PUBSUB", "CHANNELS NUMSUB NUMPAT"),
    ("SCRIPT", "LOAD EXISTS FLUSH KILL"),
    ("XGROUP", "CREATE CREATECONSUMER DELCONSUMER DESTROY SETID"),
    ("XINFO", "CONSUMERS GROUPS STREAM"),
];

const DOCUMENTED: &str = "
    APPEND DECR DECRBY DELEX DIGEST GET GETDEL GETEX GETRANGE GETSET INCR INCRBY INCRBYFLOAT MGET MSET MSETEX MSETNX
    PSETEX SET SETEX SETNX SETRANGE STRLEN
    BITCOUNT BITFIELD BITFIELD_RO BITOP BITPOS GETBIT SETBIT PFADD PFCOUNT PFMERGE
    HDEL HEXISTS HGET HGETALL HGETDEL HGETEX HINCRBY HINCRBYFLOAT HKEYS HLEN HMGET HMSET HRANDFIELD HSCAN HSET HSETEX
    HSETNX HSTRLEN HVALS HEXPIRE HPEXPIRE HEXPIREAT HPEXPIREAT HTTL HPTTL HEXPIRETIME HPEXPIRETIME HPERSIST
    BLMOVE BLMPOP BLPOP BRPOP BRPOPLPUSH LINDEX LINSERT LLEN LMOVE LMPOP LPOP LPOS LPUSH LPUSHX LRANGE LREM LSET LTRIM
    RPOP RPOPLPUSH RPUSH RPUSHX
    SADD SCARD SDIFF SDIFFSTORE SINTER SINTERCARD SINTERSTORE SISMEMBER SMEMBERS SMISMEMBER SMOVE SPOP SRANDMEMBER
    SREM SSCAN SUNION SUNIONSTORE SDIFFCARD SUNIONCARD
    BZMPOP BZPOPMAX BZPOPMIN ZADD ZCARD ZCOUNT ZDIFF ZDIFFSTORE ZINCRBY ZINTER ZINTERCARD ZINTERSTORE ZLEXCOUNT ZMPOP
    ZMSCORE ZPOPMAX ZPOPMIN ZRANDMEMBER ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZRANGESTORE ZRANK ZREM ZREMRANGEBYLEX
    ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCAN ZSCORE ZUNION ZUNIONSTORE
    GEOADD GEODIST GEOHASH GEOPOS GEORADIUS GEORADIUS_RO GEORADIUSBYMEMBER GEORADIUSBYMEMBER_RO GEOSEARCH
    GEOSEARCHSTORE
    XACK XACKDEL XADD XAUTOCLAIM XCLAIM XDEL XDELEX XLEN XPENDING XRANGE XREAD XREADGROUP XREVRANGE XTRIM
    COPY DEL DUMP EXISTS EXPIRE EXPIREAT EXPIRETIME KEYS PERSIST PEXPIRE PEXPIREAT PEXPIRETIME PTTL RANDOMKEY RENAME
    RENAMENX RESTORE SCAN TOUCH TTL TYPE UNLINK WAIT WAITAOF
    AUTH ECHO HELLO PING QUIT RESET SELECT DBSIZE FLUSHALL FLUSHDB INFO MONITOR TIME
    MULTI EXEC DISCARD WATCH UNWATCH SUBSCRIBE PSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE PUBLISH
    EVAL EVALSHA EVAL_RO EVALSHA_RO FCALL FCALL_RO";
