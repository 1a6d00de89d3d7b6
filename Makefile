# Everything a fresh Debian machine with Rust needs: each target does its own set-up, and the second run is fast.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test setup lint deny bench instructions soak redis-suite redis-suite-encrypted bench-emulation compare compare-short clean

# rustup's place, for a shell whose PATH does not have it yet.
export PATH := $(HOME)/.cargo/bin:$(PATH)

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-22s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## build, start a TLS Redis and Waxseal in front of it, show a value read through it and read raw
	@scripts/setup-redis.sh
	cargo build --release
	target/release/waxseal demo

test: setup ## all tests, with real clients (redis-py, hiredis, ioredis, node-redis, the redis crate) and applications
	@scripts/run-tests.sh

setup: ## what the tests need: redis-server, the Python and Node clients, a browser
	@scripts/setup-redis.sh
	@scripts/setup-python.sh
	@scripts/setup-servers.sh
	@scripts/setup-node.sh
	@scripts/setup-browser.sh

lint: ## formatting, clippy without warnings, cargo-deny
	cargo fmt --all -- --check
	cargo clippy --all-targets -- -D warnings
	@scripts/deny.sh

deny: ## licences, banned and duplicate crates, sources, advisories
	@scripts/deny.sh

bench: ## the benchmarks of benches/
	cargo bench

instructions: ## counts the instructions of fixed scenarios and fails if they became more (WAXSEAL_BLESS=1 writes the figures)
	@scripts/instructions.sh

bench-emulation: ## what the commands cost that Waxseal carries out itself on encrypted values
	@scripts/bench-emulation.sh

compare: ## Waxseal beside direct TLS, stunnel, HAProxy and Envoy, 40 minutes, into docs/performance.md; ONLY=get-50,set-50 ROUNDS=3: these alone, printed
	@scripts/setup-compare.sh
	$(if $(BENCH_BINARY),,cargo build --release --bin waxseal)
	@.venv/bin/python benches/compare $(if $(ONLY),--only '$(ONLY)') $(if $(ROUNDS),--rounds $(ROUNDS))

compare-short: ## one of each kind with a few requests, in a minute, to see that it runs
	@scripts/setup-compare.sh
	$(if $(BENCH_BINARY),,cargo build --release --bin waxseal)
	@.venv/bin/python benches/compare --short

soak: setup ## the long test: many clients, connections cut at random (WAXSEAL_SOAK_SECONDS, default 600)
	WAXSEAL_SOAK_SECONDS=$${WAXSEAL_SOAK_SECONDS:-600} cargo test --release --test chaos -- --nocapture

redis-suite: ## Redis's own test suite, directly and through Waxseal, compared test by test
	@scripts/redis-suite.sh

redis-suite-encrypted: ## the same with every key encrypted
	@REDIS_SUITE_ENCRYPTED=1 scripts/redis-suite.sh

clean: ## removes what the targets above made
	rm -rf .venv .work tests/node/node_modules
	cargo clean
