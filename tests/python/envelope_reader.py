#!/usr/bin/env python3
"""Opens Waxseal envelopes without Waxseal: proto/envelope.md, written a second time.

As a module:  open_envelope(keyring, purpose, scope_kind, scope_id, field, envelope) -> bytes
As a command: envelope_reader.py vectors proto/envelope-vectors.json
              envelope_reader.py open --keyring FILE --key KEY [--field FIELD] < envelope > plaintext
              envelope_reader.py open --keyring FILE --key KEY --path PATH < string > JSON text

Needs Python 3 and the package `cryptography` (for the ChaCha20-Poly1305 of RFC 8439).
"""

import argparse
import base64
import hashlib
import hmac
import json
import struct
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

MAGIC = b"\xc1WX"
RANDOM, DETERMINISTIC = 1, 2
PURPOSES = {
    "value": 1,
    "message": 2,
    "member": 3,
    "field-name": 4,
    "payload": 5,
    "document": 6,
    "element": 7,
}
SCOPE_KINDS = {"key": 1, "tag": 2, "rule": 3}


class OpenError(Exception):
    """An envelope that does not open; `code` is the name used in the vectors."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


def lp(part):
    """Length-prefixed: 4 bytes, big-endian."""
    return struct.pack(">I", len(part)) + part


def hchacha20(key, nonce16):
    """draft-irtf-cfrg-xchacha, section 2.2."""
    mask = 0xFFFFFFFF
    x = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce16))

    def quarter(a, b, c, d):
        for dst, src, rot, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            x[dst] = (x[dst] + x[src]) & mask
            v = x[rot] ^ x[dst]
            x[rot] = ((v << turn) | (v >> (32 - turn))) & mask

    for _ in range(10):
        quarter(0, 4, 8, 12)
        quarter(1, 5, 9, 13)
        quarter(2, 6, 10, 14)
        quarter(3, 7, 11, 15)
        quarter(0, 5, 10, 15)
        quarter(1, 6, 11, 12)
        quarter(2, 7, 8, 13)
        quarter(3, 4, 9, 14)
    return struct.pack("<8I", *(x[0:4] + x[12:16]))


def derive(keyring, secret, label, purpose, scope_kind, scope_id):
    """HKDF-SHA256 (RFC 5869), one block of output."""
    prk = hmac.new(base64.b64decode(keyring["salt"]), secret, hashlib.sha256).digest()
    info = lp(label) + lp(bytes([purpose])) + lp(bytes([scope_kind])) + lp(scope_id)
    return hmac.new(prk, info + b"\x01", hashlib.sha256).digest()


def find_secret(keyring, key_id, wanted):
    for role in ("keys", "deterministic", "prf"):
        for entry in keyring.get(role, []):
            if bytes.fromhex(entry["id"]) == key_id:
                if role != wanted:
                    raise OpenError("forged")
                if "secret" not in entry:
                    raise OpenError("destroyed-key")
                return base64.b64decode(entry["secret"])
    raise OpenError("unknown-key")


def open_envelope(keyring, purpose, scope_kind, scope_id, field, envelope):
    """The plaintext of `envelope`, or OpenError.

    keyring: the parsed JSON of the keyring file; purpose, scope_kind: names as in PURPOSES and
    SCOPE_KINDS; scope_id: bytes; field: bytes or None.
    """
    if envelope[:3] != MAGIC:
        raise OpenError("not-sealed")
    if len(envelope) < 4:
        raise OpenError("truncated")
    version, mode = envelope[3] >> 4, envelope[3] & 15
    if version != 1:
        raise OpenError("unknown-version")
    if mode not in (RANDOM, DETERMINISTIC):
        raise OpenError("unknown-mode")
    if len(envelope) < 48:
        raise OpenError("truncated")
    head, key_id, nonce, body = envelope[:8], envelope[4:8], envelope[8:32], envelope[32:]
    deterministic = mode == DETERMINISTIC
    name = b"deterministic" if deterministic else b"random"
    secret = find_secret(keyring, key_id, "deterministic" if deterministic else "keys")
    place = (PURPOSES[purpose], SCOPE_KINDS[scope_kind], scope_id)
    key = derive(keyring, secret, b"waxseal/v1/" + name + b"/seal", *place)
    aad = lp(head) + lp(bytes([place[0]])) + lp(bytes([place[1]])) + lp(scope_id)
    aad += lp(b"\x00") if field is None else lp(b"\x01") + lp(field)
    inner = ChaCha20Poly1305(hchacha20(key, nonce[:16]))
    try:
        plaintext = inner.decrypt(bytes(4) + nonce[16:], body, aad)
    except InvalidTag:
        raise OpenError("forged") from None
    if deterministic:
        mac_key = derive(keyring, secret, b"waxseal/v1/deterministic/nonce", *place)
        made = hmac.new(mac_key, lp(aad) + plaintext, hashlib.sha256).digest()[:24]
        if not hmac.compare_digest(made, nonce):
            raise OpenError("forged")
    return plaintext


def envelope_of_string(text):
    """The envelope in a string of a JSON document: base64url (RFC 4648 section 5) without padding."""
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


def prf(keyring, scope_kind, scope_id, element):
    """What stands for a HyperLogLog element."""
    entry = next(e for e in keyring["prf"] if e["state"] == "active")
    secret = base64.b64decode(entry["secret"])
    key = derive(
        keyring, secret, b"waxseal/v1/prf", PURPOSES["element"], SCOPE_KINDS[scope_kind], scope_id
    )
    return hmac.new(key, element, hashlib.sha256).digest()


def check_hchacha20():
    """The test vector of draft-irtf-cfrg-xchacha, section 2.2.1."""
    nonce = bytes.fromhex("000000090000004a0000000031415927")
    want = "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"
    return hchacha20(bytes(range(32)), nonce).hex() == want


def check_vectors(path):
    with open(path, encoding="utf-8") as file:
        vectors = json.load(file)
    passed, failed = 0, []

    def note(name, ok):
        nonlocal passed
        if ok:
            passed += 1
        else:
            failed.append(name)

    def outcome(v):
        field = None if v["field"] is None else bytes.fromhex(v["field"])
        try:
            return open_envelope(
                vectors[v.get("keyring", "keyring")],
                v["purpose"],
                v["scope_kind"],
                bytes.fromhex(v["scope_id"]),
                field,
                bytes.fromhex(v["envelope"]),
            ).hex()
        except OpenError as error:
            return error.code

    note("HChaCha20 of the draft", check_hchacha20())
    for v in vectors["good"]:
        note(v["name"], outcome(v) == v["plaintext"])
        if "string" in v:
            note(v["name"], envelope_of_string(v["string"].encode()).hex() == v["envelope"])
    for v in vectors["malformed"]:
        note(v["name"], outcome(v) == v["error"])
    for v in vectors["prf"]:
        scope_id, element = bytes.fromhex(v["scope_id"]), bytes.fromhex(v["element"])
        output = prf(vectors["keyring"], v["scope_kind"], scope_id, element)
        note("prf of a " + v["scope_kind"], output.hex() == v["output"])
    for name in failed:
        print("failed:", name, file=sys.stderr)
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed else 0


def open_command(args):
    with open(args.keyring, encoding="utf-8") as file:
        keyring = json.load(file)
    scope_id = args.scope_id if args.scope_id is not None else args.key
    if scope_id is None:
        print("--key, or --scope with --scope-id, is needed", file=sys.stderr)
        return 64
    field = args.field if args.path is None else args.path
    field = None if field is None else field.encode(errors="surrogateescape")
    envelope = sys.stdin.buffer.read()
    if args.path is not None:
        args.purpose = "document"
        envelope = envelope_of_string(envelope)
    try:
        plaintext = open_envelope(
            keyring,
            args.purpose,
            args.scope,
            scope_id.encode(errors="surrogateescape"),
            field,
            envelope,
        )
    except OpenError as error:
        print(f"the envelope does not open: {error.code}", file=sys.stderr)
        return 1
    sys.stdout.buffer.write(plaintext)
    return 0


def main():
    parser = argparse.ArgumentParser(description="Open Waxseal envelopes without Waxseal.")
    commands = parser.add_subparsers(dest="command", required=True)
    vectors = commands.add_parser("vectors", help="check every vector of a file")
    vectors.add_argument("file")
    opening = commands.add_parser("open", help="open the envelope on standard input")
    opening.add_argument("--keyring", required=True, help="keyring file (JSON)")
    opening.add_argument("--key", help="the Redis key")
    opening.add_argument("--field", help="the hash or stream field")
    opening.add_argument("--path", help="the path of a string in a JSON document, normalised")
    opening.add_argument("--purpose", choices=PURPOSES, default="value")
    opening.add_argument("--scope", choices=SCOPE_KINDS, default="key")
    opening.add_argument("--scope-id", help="the {tag}'s content or the rule's id")
    args = parser.parse_args()
    return check_vectors(args.file) if args.command == "vectors" else open_command(args)


if __name__ == "__main__":
    sys.exit(main())
