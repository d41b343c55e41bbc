"""The connection to the driver of a study, and the process if this one has to start it."""
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

JOIN_S = 15  # within which a driver that is about to start, or to end, has done so


class RltuneError(RuntimeError):
    """What the driver refused, in its words."""


class StaleTrial(RltuneError):
    """The trial is no longer this client's: it was given to somebody else, or has ended."""


class ConnectionLost(RltuneError):
    """The driver has gone."""


def binary():
    path = os.environ.get("RLTUNE") or shutil.which("rltune")
    if path is None:
        raise RltuneError("the program 'rltune' is not in PATH; install it, or set RLTUNE=/path/to/rltune")
    return path


def socket_of(db, experiment):
    """The name that the driver of an experiment listens at: a hash (FNV-1a) of the database's path."""
    value = 0xcbf29ce484222325
    for byte in os.fsencode(os.path.realpath(db)):
        value = (value ^ byte) * 0x100000001b3 % (1 << 64)
    return f"@rltune-{value:016x}-e{experiment}"


def connect(name):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect("\0" + name[1:])
        size = struct.calcsize("3i")
        peer = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        if peer[1] not in (0, os.getuid()):
            raise ConnectionError("the study's name was taken by another user's process")
    except OSError:
        sock.close()
        raise
    return sock


class Client:
    """One request at a time; threads take turns."""

    def __init__(self, name):
        self.lock = threading.Lock()
        self.sock = connect(name)
        self.file = self.sock.makefile("rwb")

    def call(self, op, **fields):
        line = json.dumps({"op": op, **fields}, allow_nan=False).encode() + b"\n"
        with self.lock:
            try:
                self.file.write(line)
                self.file.flush()
                answer = self.file.readline()
            except (OSError, ValueError) as error:
                raise ConnectionLost(f"the driver of the study has gone: {error}") from error
        if not answer:
            raise ConnectionLost("the driver of the study has gone")
        reply = json.loads(answer)
        if not reply.get("ok"):
            kind = StaleTrial if reply.get("code") == "stale" else RltuneError
            raise kind(reply.get("error", "refused"))
        return reply

    def close(self):
        with self.lock:
            try:
                self.file.close()
            except (OSError, ValueError):
                pass
            self.sock.close()


class Driver:
    """An `rltune` that this process has started; it ends when this process does."""

    def __init__(self, arguments):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen([binary(), *arguments, "--attached", "--quiet"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors)
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            text = self.errors.read().decode(errors="replace").strip()
            for stream in (self.process.stdin, self.process.stdout, self.errors):
                stream.close()
            raise RltuneError(text or f"rltune ended with code {self.process.returncode}")
        self.where = json.loads(line)

    def close(self):
        try:
            self.process.stdin.close()
        except OSError:
            pass
        if self.process.poll() is None:
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        self.errors.close()


def join(db, number, patient=False):
    """Where the driver of an experiment listens, and that driver if this process had to start it."""
    name, end = socket_of(db, number), time.monotonic() + JOIN_S
    while True:
        try:
            Client(name).close()
            return name, None
        except OSError:
            pass
        try:
            driver = Driver(["resume", str(number), "--db", db])
            return driver.where["socket"], driver
        except RltuneError as error:  # somebody else is starting one, or the old one is ending
            again = patient or "is driven by process" in str(error)
            if not again or time.monotonic() > end:
                raise
        time.sleep(0.05)
