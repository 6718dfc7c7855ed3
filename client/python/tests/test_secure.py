"""Keys and certificates, against a server that asks for them."""

import asyncio
import subprocess

import pytest

import nigh
from conftest import Server

ADMIN, READ = "nigh_admin_0123456789abcdef", "nigh_read_0123456789abcdef"


def certificate(folder):
    new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"]
    new += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "2"]
    files = ["-out", folder / "cert.pem", "-keyout", folder / "key.pem"]
    subprocess.run(["openssl", *new, *files], check=True, stderr=subprocess.DEVNULL)
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secured")
    cert, key = certificate(folder)
    settings = {"security.admin_key": ADMIN, "security.read_key": READ, "tls.cert_file": cert, "tls.key_file": key}
    server = Server(folder, *(part for name, value in settings.items() for part in ("--set", f"{name}={value}")))
    server.cert = cert
    yield server
    server.kill()


def client(server, key, kind=nigh.Client):
    return kind(server.grpc, api_key=key, tls=nigh.Tls(root_certificates=server.cert))


def test_a_key_may_what_it_may(secured):
    with client(secured, ADMIN) as admin, client(secured, READ) as reader, client(secured, None) as nobody:
        admin.create_collection("kept", nigh.CollectionSpec())
        assert admin.upload_points("kept", (nigh.Point(id) for id in range(10))).ops == 10
        assert reader.count("kept") == 10
        with pytest.raises(nigh.PermissionDeniedError):
            reader.delete("kept", [1])
        with pytest.raises(nigh.PermissionDeniedError):
            reader.upload_points("kept", [nigh.Point(1)])
        with pytest.raises(nigh.UnauthenticatedError):
            nobody.count("kept")
        with client(secured, "nigh_some_other_key_0123456789") as other, pytest.raises(nigh.UnauthenticatedError):
            other.count("kept")


def test_the_awaited_client_has_a_key_too(secured):
    async def run():
        async with client(secured, READ, nigh.AsyncClient) as reader:
            await reader.collections()
            with pytest.raises(nigh.PermissionDeniedError):
                await reader.drop_collection("kept")

    asyncio.run(run())


def test_a_server_that_is_not_trusted_is_not_spoken_to(secured):
    never = nigh.RetryPolicy(attempts_max=1)
    with nigh.Client(f"https://{secured.grpc}", api_key=ADMIN, retry=never) as trusting, pytest.raises(nigh.UnavailableError):
        trusting.collections()
    with nigh.Client(secured.grpc, api_key=ADMIN, retry=never) as plain, pytest.raises(nigh.UnavailableError):
        plain.collections()
