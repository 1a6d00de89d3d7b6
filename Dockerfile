# The sidecar's image: one binary, no shell, no root.
#   docker build -t waxseal .

FROM rust:1-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY src src
COPY proto proto
# Cargo wants every target that Cargo.toml names to exist, benchmarks too.
COPY benches benches
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin waxseal \
    && install -D -m 0755 target/release/waxseal /out/waxseal

# For docker-compose.yml only: makes the certificates, the password and the keyring of the trial.
FROM debian:bookworm-slim AS setup
RUN apt-get update \
    && apt-get install -y --no-install-recommends openssl \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/waxseal /usr/local/bin/waxseal
COPY scripts/compose-setup.sh /usr/local/bin/compose-setup
CMD ["sh", "/usr/local/bin/compose-setup"]

# The binary and the shared libraries that it needs, nothing else: no shell, no package manager.
FROM debian:bookworm-slim AS root
COPY --from=build /out/waxseal /rootfs/usr/local/bin/waxseal
RUN set -eu; \
    for library in $(ldd /rootfs/usr/local/bin/waxseal | grep -o '/lib[^ ]*'); do \
        install -D -m 0755 "$library" "/rootfs$library"; \
    done; \
    mkdir -p /rootfs/etc; \
    echo 'waxseal:x:65532:65532::/:/' > /rootfs/etc/passwd; \
    echo 'hosts: files dns' > /rootfs/etc/nsswitch.conf

FROM scratch
COPY --from=root /rootfs/ /
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=3s CMD ["/usr/local/bin/waxseal", "health"]
ENTRYPOINT ["/usr/local/bin/waxseal"]
CMD ["run"]
