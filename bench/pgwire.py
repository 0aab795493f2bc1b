"""A small blocking PostgreSQL client: start-up, authentication, simple query.

Only what the benchmark needs to hold many authenticated connections open.
Answers cleartext and SCRAM-SHA-256 requests.
"""
import base64
import functools
import hashlib
import hmac
import os
import socket
import ssl
import struct


class ProtocolError(Exception):
    pass


@functools.lru_cache(maxsize=64)
def salted(password, salt, rounds):
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)


@functools.lru_cache(maxsize=1)
def tls_context():
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname = False
    ctx.verify_mode = ssl.CERT_NONE
    return ctx


class Connection:
    def __init__(self, sock):
        self.sock, self.buf = sock, b""

    def exactly(self, n):
        while len(self.buf) < n:
            data = self.sock.recv(65536)
            if not data:
                raise ProtocolError("connection closed by peer")
            self.buf += data
        out, self.buf = self.buf[:n], self.buf[n:]
        return out

    def message(self):
        kind, size = struct.unpack("!cI", self.exactly(5))
        return kind, self.exactly(size - 4)

    def send(self, kind, body):
        self.sock.sendall(kind + struct.pack("!I", len(body) + 4) + body)

    def query(self, sql):
        self.send(b"Q", sql.encode() + b"\0")
        error = None
        while True:
            kind, body = self.message()
            if kind == b"E":
                error = body
            elif kind == b"Z":
                if error is not None:
                    raise ProtocolError(describe(error))
                return

    def close(self):
        try:
            self.send(b"X", b"")
        except OSError:
            pass
        try:
            self.sock.close()
        except OSError:
            pass


def describe(body):
    fields = {f[:1]: f[1:].decode(errors="replace") for f in body.split(b"\0") if f}
    return f"{fields.get(b'C', '?')} {fields.get(b'M', '')}"


def scram(conn, password):
    nonce = base64.b64encode(os.urandom(18)).decode()
    first = f"n=,r={nonce}"
    initial = ("n,," + first).encode()
    conn.send(b"p", b"SCRAM-SHA-256\0" + struct.pack("!I", len(initial)) + initial)
    server_first = expect_auth(conn, 11).decode()
    attr = dict(a.split("=", 1) for a in server_first.split(","))
    if not attr["r"].startswith(nonce):
        raise ProtocolError("SCRAM nonce mismatch")
    key = salted(password, base64.b64decode(attr["s"]), int(attr["i"]))
    client_key = hmac.digest(key, b"Client Key", "sha256")
    without_proof = f"c=biws,r={attr['r']}"
    signed = f"{first},{server_first},{without_proof}".encode()
    signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(client_key, signature))).decode()
    conn.send(b"p", f"{without_proof},p={proof}".encode())
    final = expect_auth(conn, 12).decode()
    server_key = hmac.digest(key, b"Server Key", "sha256")
    if base64.b64decode(final.split("v=", 1)[1]) != hmac.digest(server_key, signed, "sha256"):
        raise ProtocolError("SCRAM server signature mismatch")


def expect_auth(conn, wanted):
    kind, body = conn.message()
    if kind == b"E":
        raise ProtocolError(describe(body))
    code = struct.unpack("!I", body[:4])[0]
    if kind != b"R" or code != wanted:
        raise ProtocolError(f"expected authentication code {wanted}, got {kind} {code}")
    return body[4:]


def connect(host, port, user, password, database, tls=False, timeout=20):
    sock = socket.create_connection((host, port), timeout=timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        if tls:
            sock.sendall(struct.pack("!II", 8, 80877103))
            if sock.recv(1) != b"S":
                raise ProtocolError("TLS refused")
            sock = tls_context().wrap_socket(sock)
        conn = Connection(sock)
        params = f"user\0{user}\0database\0{database}\0application_name\0bench\0\0".encode()
        body = struct.pack("!I", 196608) + params
        sock.sendall(struct.pack("!I", len(body) + 4) + body)
        while True:
            kind, body = conn.message()
            if kind == b"E":
                raise ProtocolError(describe(body))
            if kind == b"Z":
                return conn
            if kind != b"R":
                continue
            code = struct.unpack("!I", body[:4])[0]
            if code == 3:
                conn.send(b"p", password.encode() + b"\0")
            elif code == 10:
                scram(conn, password)
            elif code != 0:
                raise ProtocolError(f"authentication request {code}")
    except BaseException:
        sock.close()
        raise
