"""Attacks on both ports of a server, by hand-made bytes, while somebody else is served.

    python tests/doors/run.py target/debug/nigh [attack ...]

After each attack: nobody else's call failed, nothing panicked, its connections were given back, and memory is what it was, up to what a
few large requests may take; where an allocator keeps more for itself, the same attack again takes no more. The fuzzing of the doors for
some seconds follows; NIGH_DOORS=3600 does it for an hour.
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
    attacks.parts, attacks.nested, attacks.rapid_resets, attacks.many_streams, attacks.floods, attacks.smuggled,
]  # fmt: skip
#: Short times, so that what ends by them ends here.
LIMITS = {"limits__begin_ms": 1500, "limits__request_ms": 3000, "limits__connections_max": 64}
LIMITS |= {"limits__stall_ms": 3000, "limits__arriving_bytes": 256 << 20}
#: Megabytes that an attack may take on the way, that may be left of it, and by which that may grow when it comes again.
PEAK_MAX, LEFT_MAX, GROWN_MAX = 400, 150, 50
#: Seconds for the allocator to give back what is free: it does so after one, where its own thread gets to run.
SETTLED = 15


def settled(server, below):
    """The megabytes that are left when the connections of an attack are gone."""
    begun = time.monotonic()
    while server.connections() > server.quiet + 2 and time.monotonic() < begun + PATIENCE:
        time.sleep(0.05)
    left = server.connections() - server.quiet
    assert left <= 2, f"{left} connections are left"
    while server.memory() > below and time.monotonic() < begun + SETTLED:
        time.sleep(0.05)
    return server.memory()


def attacked(server, attack):
    attacks.bomb()
    server.forget_peak()
    before, resident, begun = server.memory(), server.resident(), time.monotonic()
    with Bystander(server) as other:
        saw = attack(server)
    server.sound()
    after = settled(server, before + LEFT_MAX)
    if after - before > LEFT_MAX:
        # Kept for the next one, not lost: as much again would be a leak.
        attack(server)
        again = settled(server, after)
        assert again - after < GROWN_MAX, f"{attack.__name__}: {before:.0f} MB before, {after:.0f} MB after, {again:.0f} MB after it came again; {server.threads()}"
        print(f"doors: {attack.__name__} left {after - before:.0f} MB with the allocator, whose threads are {server.threads()}", flush=True)
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
