#!/bin/sh
# Run once by docker-compose.yml: what the database and the sidecar each need, in a volume of its own, so that
# the database never sees the keyring. Leaves alone what is there already.

set -eu

database=/database
sidecar=/sidecar
database_user=999   # `redis` in the official image
sidecar_user=65532  # `nonroot` in the sidecar's image
certificate_days=3650

if [ ! -e "$database/redis.conf" ]; then
    work=$(mktemp -d)
    cd "$work"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days "$certificate_days" \
        -keyout ca.key -out ca.pem -subj "/CN=Waxseal trial authority" \
        -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign"
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout server.key -out server.csr -subj "/CN=redis"
    printf 'subjectAltName=DNS:redis\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n' >extensions
    openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days "$certificate_days" \
        -extfile extensions -out server.pem
    openssl rand -hex 32 >password
    cat >redis.conf <<CONF
bind 0.0.0.0
port 0
tls-port 6379
tls-cert-file $database/server.pem
tls-key-file $database/server.key
tls-ca-cert-file $database/ca.pem
tls-auth-clients no
requirepass $(cat password)
CONF
    install -m 0644 ca.pem server.pem "$database/"
    install -m 0400 -o "$database_user" server.key password "$database/"
    install -m 0644 ca.pem "$sidecar/"
    install -m 0400 -o "$sidecar_user" password "$sidecar/"
    # Last, because its presence says that all the others are there.
    install -m 0400 -o "$database_user" redis.conf "$database/"
    rm -rf "$work"
fi

if [ ! -e "$sidecar/keyring.json" ]; then
    waxseal keygen --out "$sidecar/keyring.json"
    chown "$sidecar_user" "$sidecar/keyring.json"
fi
