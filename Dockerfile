# The sidecar's image: one binary, no shell, no root.
#   docker build -t waxseal .

FROM rust:1-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
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

# glibc and libgcc, no shell, no package manager; its `nonroot` is user 65532.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/waxseal /usr/local/bin/waxseal
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/waxseal"]
CMD ["run"]
