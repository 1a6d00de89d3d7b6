//! `waxseal run`: the sidecar itself.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::access;
use super::args::RunArgs;
use super::{complain, exit, harden, load_from, rule_set};
use crate::client::{Registry, Secrets};
use crate::config::{AuditKeys, Auth, Config, KeyringOrigin, Lanes, ListenAddress, UndeclaredKeys};
use crate::crypto::CipherCounts;
use crate::meter::{Meter, Meters};
use crate::observe::audit::{AuditLog, Files, KeyNames, Names, Recorder};
use crate::observe::{self, Door, Listener, LogControl, Probes, Site};
use crate::policy::script::Library;
use crate::policy::{Limits, Policy, Scripts};
use crate::server::{self, Address, Bounds, Logins, Shared, Stopped};
use crate::trail::{self, Interest, Teller, What, Who};
use crate::upstream::{Budgets, Endpoint, Login, TlsFault, client_config};

/// The user of Upstash and of every Redis without ACL users.
const DEFAULT_USER: &str = "default";
/// For the last lines of the audit log.
const LAST_LINES: Duration = Duration::from_secs(5);

pub(super) fn execute(args: RunArgs) -> ExitCode {
    harden::memory();
    let config = match load_from(args.common, &harden::handed()) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let log = LogControl::start(&config.log);
    harden::out_of_environment(variable_of_keyring(&config));
    if config.server.lock_memory
        && let Err(fault) = harden::lock_memory()
    {
        complain(&fault);
        return ExitCode::from(exit::FAILED);
    }
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let (teller, listener) = match listener(&config) {
        Ok(Some((teller, listener))) => (Some(teller), Some(listener)),
        Ok(None) => (None, None),
        Err(fault) => {
            complain(&fault);
            return ExitCode::from(exit::FAILED);
        }
    };
    let shared = match shared(&config, teller.clone()) {
        Ok(shared) => Arc::new(shared),
        Err(fault) => {
            complain(&fault);
            return ExitCode::from(exit::CONFIG);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format_args!("the runtime could not start: {error}"));
            return ExitCode::from(exit::FAILED);
        }
    };
    if let Some(teller) = &teller {
        teller.event(Who::default(), What::Started);
    }
    let code = runtime.block_on(serve(&config, shared, log));
    // What still runs in it holds a teller.
    drop(runtime);
    if let Some(teller) = teller {
        teller.event(Who::default(), What::Stopping);
    }
    // It ends when nobody can tell it anything more: the workers are gone.
    if let Some(listener) = listener {
        end(listener);
    }
    code
}

/// Waits until the last lines are written, but not for a disk that does not answer.
fn end(listener: JoinHandle<()>) {
    let deadline = Instant::now() + LAST_LINES;
    while !listener.is_finished() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    if !listener.is_finished() {
        tracing::error!(target: "waxseal::audit", "the last lines of the audit log were not written in time");
    } else if listener.join().is_err() {
        tracing::error!(target: "waxseal::audit", "the thread that writes the audit log had failed");
    }
}

/// The environment variable that the keyring came from.
fn variable_of_keyring(config: &Config) -> Option<&str> {
    match &config.keyring.as_ref()?.origin {
        KeyringOrigin::Environment(name) => Some(name),
        KeyringOrigin::File(_) => None,
    }
}

/// The thread that writes down what the workers tell, if anything is to be written.
fn listener(config: &Config) -> Result<Option<(Teller, JoinHandle<()>)>, String> {
    let Some(audit) = &config.audit else { return Ok(None) };
    let interest = Interest { entries: true, keys: audit.keys != AuditKeys::None, conduct: false };
    let files = Files {
        log: audit.file.clone(),
        anchor: audit.anchor_file.clone(),
        max_size: audit.max_size,
        keep: audit.keep,
    };
    let log = AuditLog::open(files, &audit.key).map_err(|fault| fault.to_string())?;
    // 0 is whoever has not said who it is.
    let identities =
        ["default"].into_iter().map(String::from).chain(config.identities.iter().map(|one| one.name.clone()));
    let names = Names {
        identities: identities.collect(),
        rules: config.encrypt.iter().map(|rule| rule.id.clone()).collect(),
        ..Names::default()
    };
    let keys = match audit.keys {
        AuditKeys::None => KeyNames::None,
        AuditKeys::Hashed => KeyNames::Hashed,
        AuditKeys::Clear => KeyNames::Clear,
    };
    let recorder = Recorder::new(log, names, keys, &audit.key);
    let (teller, heard, dropped) = trail::channel(interest);
    let listener = Listener { heard, dropped, audit: Some(recorder), interval: audit.interval };
    let thread = listener.start().map_err(|error| format!("a thread could not be started: {error}"))?;
    Ok(Some((teller, thread)))
}

async fn serve(config: &Config, shared: Arc<Shared>, log: LogControl) -> ExitCode {
    let mut listeners = Vec::new();
    for address in &config.listen.redis {
        let address = match address {
            ListenAddress::Tcp(socket) => Address::Tcp(*socket),
            ListenAddress::Tls(socket) => match &config.listen.tls {
                Some(tls) => Address::Tls(*socket, tls.config.clone()),
                None => continue,
            },
            ListenAddress::Unix(path) => Address::Unix(path.clone(), config.listen.unix_mode),
        };
        match server::bind(address).await {
            Ok(bound) => listeners.push(bound),
            Err(fault) => {
                complain(&fault);
                return ExitCode::from(exit::FAILED);
            }
        }
    }
    let (stop, stopping) = watch::channel(false);
    if let Err(fault) = open_doors(config, &shared, log, &stopping).await {
        complain(&fault);
        return ExitCode::from(exit::FAILED);
    }
    if let Err(error) = stop_on_signal(stop) {
        complain(&format_args!("signals cannot be watched: {error}"));
        return ExitCode::from(exit::FAILED);
    }
    let addresses: Vec<String> = listeners.iter().map(ToString::to_string).collect();
    tracing::info!(
        "accepting connections on {} for {} ({} rules, {} workers)",
        addresses.join(", "),
        shared.endpoint.address(),
        config.encrypt.len(),
        config.server.workers,
    );
    match server::run(shared, listeners, config.server.workers, stopping).await {
        Ok(Stopped::Drained) => {
            tracing::info!("stopped; every client was served to its end");
            ExitCode::SUCCESS
        }
        Ok(Stopped::Forced) => {
            tracing::warn!("stopped; some clients were cut because server.drain_timeout was over");
            ExitCode::from(exit::FAILED)
        }
        Err(error) => {
            complain(&format_args!("the server ended: {error}"));
            ExitCode::from(exit::FAILED)
        }
    }
}

/// The addresses for operators. They are served until the process ends, so that it can be watched while it drains.
async fn open_doors(
    config: &Config,
    shared: &Arc<Shared>,
    log: LogControl,
    stopping: &watch::Receiver<bool>,
) -> Result<(), observe::Fault> {
    let observe = &config.observe;
    let admin = observe.admin.as_ref();
    let site = Arc::new(Site {
        probes: Probes::new(shared.dedicated),
        shared: shared.clone(),
        log,
        token: admin.and_then(|admin| admin.token.clone()),
        stopping: stopping.clone(),
        started: SystemTime::now(),
    });
    let doors = [(Door::Admin, admin.map(|admin| admin.address)), (Door::Metrics, observe.metrics)];
    for (door, address) in doors {
        let Some(address) = address else { continue };
        let listener = observe::bind(address).await?;
        if let Ok(address) = listener.local_addr() {
            tracing::info!("{door} on http://{address}");
        }
        tokio::spawn(observe::serve(listener, door, site.clone()));
    }
    Ok(())
}

fn stop_on_signal(stop: watch::Sender<bool>) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // A file that may not grow is an error to be told, not an end: without a handler the kernel ends the process.
    let _ = signal(SignalKind::from_raw(libc::SIGXFSZ))?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: no new connections, letting commands under way end");
        let _ = stop.send(true);
        // Kept until the process ends: a dropped sender would read as a second stop.
        std::future::pending::<()>().await;
    });
    Ok(())
}

/// Where and how to reach the database.
pub(crate) fn endpoint(config: &Config) -> Result<Endpoint, TlsFault> {
    let upstream = &config.upstream;
    let tls = match &upstream.tls {
        Some(tls) => Some((client_config(tls.ca_pem.as_deref())?, tls.server_name.clone())),
        None => None,
    };
    let login = upstream.password.as_ref().map(|password| Login {
        user: upstream.username.clone().unwrap_or_else(|| DEFAULT_USER.into()),
        password: Zeroizing::new(password.expose().to_owned()),
    });
    Ok(Endpoint {
        host: upstream.host.clone(),
        port: upstream.port,
        tls,
        login,
        connect_timeout: upstream.connect_timeout,
        reached: AtomicU64::new(0),
    })
}

fn shared(config: &Config, teller: Option<Teller>) -> Result<Shared, TlsFault> {
    let limits = &config.limits;
    let upstream = &config.upstream;
    Ok(Shared {
        policy: Arc::new(policy(config)),
        keyring: config.keyring.as_ref().map(|k| k.keyring.clone()),
        endpoint: Arc::new(endpoint(config)?),
        secrets: Secrets {
            user: upstream.username.clone().unwrap_or_else(|| DEFAULT_USER.into()),
            password: upstream.password.as_ref().map(|p| Zeroizing::new(p.expose().to_owned())),
            required: config.listen.auth == Auth::Required,
        },
        logins: Logins::new(access::passwords(config)),
        registry: Registry::default(),
        crowd: Arc::default(),
        bounds: Bounds {
            max_clients: limits.max_clients,
            client_window: limits.client_window,
            client_output: limits.client_output,
            output_stall: limits.output_stall,
            buffers: limits.buffers,
            max_bulk: limits.max_bulk,
            drain: config.server.drain_timeout,
            handshake: config.listen.handshake_timeout,
            request: config.listen.request_timeout,
            idle: Some(config.listen.idle_timeout).filter(|time| !time.is_zero()),
            max_clients_per_address: config.listen.max_clients_per_address,
        },
        budgets: Budgets {
            transactions: limits.transactions,
            blocking: limits.blocking,
            subscriptions: limits.subscriptions,
            dedicated: limits.dedicated,
        },
        limits: Arc::new(Limits::new(limits.rates.iter().copied())),
        dedicated: upstream.lanes == Lanes::Dedicated,
        buffered: AtomicUsize::new(0),
        costs: Arc::default(),
        meters: meters(config),
        teller,
    })
}

/// One for each worker.
fn meters(config: &Config) -> Meters {
    let ciphers = || config.keyring.as_ref().map(|k| Arc::new(CipherCounts::of(&k.keyring))).unwrap_or_default();
    Meters::new((0..config.server.workers).map(|_| Meter::new(ciphers())).collect())
}

/// What a request may do, by the configuration.
pub(crate) fn policy(config: &Config) -> Policy {
    Policy {
        rules: rule_set(&config.encrypt),
        identities: access::identities(config),
        scripts: match config.scripts.undeclared_keys {
            UndeclaredKeys::Refuse => Scripts::Refuse,
            UndeclaredKeys::Trust => Scripts::Trust,
        },
        functions: config.scripts.functions.iter().map(|name| name.to_ascii_lowercase().into_bytes()).collect(),
        library: Library::default(),
    }
}
