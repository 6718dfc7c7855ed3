"""Attacks on both ports of a server, by hand-made bytes, while somebody else is served.

    python tests/doors/run.py target/debug/nigh [attack ...]

After each attack: nobody else's call failed, nothing panicked, its connections were given back, and memory is what it was, up to what a
few large requests may take. The fuzzing of the doors for some seconds follows; NIGH_DOORS=3600 does it for an hour.
"""

import pathlib
import subprocess
import sys
import tempfile
import time

import attacks
import fuzz
from served import PATIENCE, Bystander, served

PLAIN = [
    attacks.slow_heads, attacks.slow_prefaces, attacks.slow_bodies, attacks.silence, attacks.sessions, attacks.unread, attacks.large, attacks.bombs,
    attacks.nested, attacks.rapid_resets, attacks.many_streams, attacks.floods, attacks.smuggled,
]  # fmt: skip
#: Short times, so that what ends by them ends here.
LIMITS = {"limits__begin_ms": 1500, "limits__request_ms": 3000, "limits__connections_max": 64}
LIMITS |= {"limits__stall_ms": 3000, "limits__arriving_bytes": 256 << 20}
#: Megabytes that an attack may take on the way, and that may be left of it.
PEAK_MAX, LEFT_MAX = 400, 150


def attacked(server, attack):
    attacks.bomb()
    server.forget_peak()
    before, resident, begun = server.memory(), server.resident(), time.monotonic()
    with Bystander(server) as other:
        saw = attack(server)
    server.sound()
    until = time.monotonic() + PATIENCE
    # The allocator gives back what is free within seconds.
    while (server.connections() > server.quiet + 2 or server.memory() - before > LEFT_MAX) and time.monotonic() < until:
        time.sleep(0.05)
    left = server.connections() - server.quiet
    assert left <= 2, f"{attack.__name__}: {left} connections are left"
    after = server.memory()
    assert after - before < LEFT_MAX, f"{attack.__name__}: {before:.0f} MB before, {after:.0f} MB after"
    took = server.peak() - resident
    assert took < PEAK_MAX, f"{attack.__name__} took {took:.0f} MB"
    print(f"doors: {attack.__name__}: {saw}; {other.calls} calls of others, the slowest {other.slowest * 1000:.0f} ms; {took:.0f} MB at most; {time.monotonic() - begun:.1f} s", flush=True)


def certificate(folder):
    new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"]
    files = {"tls__cert_file": f"{folder}/cert.pem", "tls__key_file": f"{folder}/key.pem"}
    subprocess.run(["openssl", *new, "-out", files["tls__cert_file"], "-keyout", files["tls__key_file"]], check=True, stderr=subprocess.DEVNULL)
    return files


def main():
    program, named = pathlib.Path(sys.argv[1]).absolute(), sys.argv[2:]
    wanted = lambda attack: not named or attack.__name__ in named
    with served(program, **LIMITS) as server:
        for attack in filter(wanted, PLAIN):
            attacked(server, attack)
    if wanted(attacks.handshakes):
        with tempfile.TemporaryDirectory() as folder, served(program, **LIMITS, **certificate(folder)) as server:
            attacked(server, attacks.handshakes)
    if not named:
        fuzz.main(program)


main()
