"""Names that lead inside, or elsewhere the second time they are asked for: real sockets, a resolver of the test."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ehr.errors import EhrUnavailable, ForeignAddress
from ehr.pace import PacedTransport
from ehr.reach import Reach, system_names
from ehr.transport import Budget, FhirHttp
from tests.ehr.peer import listening

NAME = "fhir.hospital.example"
LOOPBACK = ipaddress.ip_network("127.0.0.1/32")
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nContent-Length: 26\r\nConnection: close\r\n\r\n"
    b'{"resourceType":"Patient"}'
)


class Names:
    """A resolver that says one thing after the other, and the last one from then on."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.left, self.asked = list(answers), list[str]()

    def __call__(self, host: str, port: int) -> tuple[str, ...]:
        self.asked.append(host)
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


def serve(peer: socket.socket) -> None:
    peer.sendall(ANSWER)


def read(url: str, reach: Reach, verify: ssl.SSLContext | bool = True) -> dict[str, object]:
    """One read with a token, over connections of its own."""
    with httpx.Client(transport=PacedTransport(reach, trust_env=False, verify=verify)) as client:
        return FhirHttp(f"{url}/fhir", "secret-token", client, Budget(5), jitter=lambda: 0.0).get("Patient/1")


# --- which addresses


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "192.168.0.9", "172.16.5.5", "100.64.0.1", "127.0.0.1", "::1", "fd12::1", "::ffff:10.0.0.1",
     "64:ff9b::a00:1", "2002:a00:1::", "192.0.2.1", "::10.0.0.1", "::ffff:0:a00:1", "64:ff9b:1::a00:1", "fec0::1",
     "2606:4700::5efe:a00:1", "2606:4700::200:5efe:a00:1", "2001:0:a00:1::1", "3fff::1", "5f00::1", "168.63.129.16",
     "010.0.0.1", "0x7f.1", "127.1", "2130706433", "not-an-address", ""],
)  # fmt: skip
def test_an_address_that_is_not_public_is_not_called_in_production(address: str) -> None:
    # CONFORMANCE 36
    reach = Reach(inside=False, resolve=Names((address,)))
    with pytest.raises(ForeignAddress, match="ORDERTIME_PRIVATE_NETWORKS"):
        reach.addresses(NAME, 443)


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "2606:4700::6810:1", "64:ff9b::5db8:d70e", "2606:4700::5efe:5db8:d70e"]
)
def test_a_public_address_is_called(address: str) -> None:
    assert Reach(inside=False, resolve=Names((address,))).addresses(NAME, 443) == (address,)


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "::ffff:169.254.169.254", "::169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe",
     "2002:a9fe:a9fe::1", "fe80::1%eth0", "fd00:ec2::254", "fd20:ce::254", "168.63.129.16", "100.100.100.200",
     "192.0.0.192", "0.0.0.1", "224.0.0.1"],
)  # fmt: skip
def test_where_clouds_keep_their_credentials_nobody_is_sent(address: str, inside: bool) -> None:
    everything = (ipaddress.ip_network("169.0.0.0/8"), ipaddress.ip_network("fd00::/8"))
    assert not Reach(inside=inside, networks=everything).allows(address)


def test_a_private_network_that_was_listed_is_called_and_its_neighbour_is_not() -> None:
    names = Names(("10.21.0.1", "10.20.0.1"))
    reach = Reach(inside=False, networks=(ipaddress.ip_network("10.20.0.0/16"),), resolve=names)
    assert reach.addresses(NAME, 443) == ("10.20.0.1",)


def test_the_machines_own_resolver_is_asked_where_no_other_is_given() -> None:
    assert "127.0.0.1" in system_names("localhost", 80)
    assert Reach().addresses("127.0.0.1", 80) == ("127.0.0.1",)


# --- over real sockets


def test_a_name_that_leads_inside_is_refused_before_anything_is_sent() -> None:
    # CONFORMANCE 36
    with listening(serve) as (url, arrived):
        port = url.rpartition(":")[2]
        with pytest.raises(ForeignAddress) as caught:
            read(f"http://{NAME}:{port}", Reach(inside=False, resolve=Names(("127.0.0.1",))))
    assert arrived == []
    assert "list its network in ORDERTIME_PRIVATE_NETWORKS" in str(caught.value)


def test_a_name_is_resolved_once_and_the_address_that_was_judged_is_the_one_called() -> None:
    # CONFORMANCE 36
    names = Names(("127.0.0.1",), ("127.0.0.2",))  # the second answer is the attacker's
    with listening(serve) as (url, arrived):
        port = int(url.rpartition(":")[2])
        with socket.create_server(("127.0.0.2", port)) as trap:
            trap.settimeout(0.2)
            reach = Reach(inside=False, networks=(LOOPBACK,), resolve=names)
            assert read(f"http://{NAME}:{port}", reach) == {"resourceType": "Patient"}
            assert names.asked == [NAME]
            with pytest.raises(ForeignAddress):
                read(f"http://{NAME}:{port}", reach)
            with pytest.raises(TimeoutError):
                trap.accept()
    (request,) = arrived
    assert f"Host: {NAME}:{port}".encode().lower() in request.lower()


def test_a_name_with_one_dead_address_is_reached_at_the_next() -> None:
    with listening(serve) as (url, _):
        port = url.rpartition(":")[2]
        assert read(f"http://{NAME}:{port}", Reach(resolve=Names(("127.0.0.9", "127.0.0.1"))))


@pytest.mark.parametrize("says", ["nothing", "error"])
def test_a_name_nobody_knows_is_a_hospital_that_does_not_answer(says: str) -> None:
    def resolve(host: str, port: int) -> tuple[str, ...]:
        if says == "error":
            raise socket.gaierror(-2, "Name or service not known")
        return ()

    with pytest.raises(EhrUnavailable, match="did not answer"):
        read(f"http://{NAME}", Reach(inside=False, resolve=resolve))


# --- TLS: the certificate asked for is the name's, whatever the address


@contextmanager
def secure(folder: Path, name: str) -> Iterator[tuple[int, list[str | None], ssl.SSLContext]]:
    """A TLS server whose certificate is for `name`: its port, the names it was asked for, and whom to trust."""
    key, subject = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "server.pem"
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    served, asked = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), list[str | None]()
    served.load_cert_chain(file)
    served.sni_callback = lambda _, sent, __: asked.append(sent)
    trusted = ssl.create_default_context(cadata=made.public_bytes(serialization.Encoding.PEM).decode())
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_answer_once, args=(server, served))
        thread.start()
        try:
            yield server.getsockname()[1], asked, trusted
        finally:
            thread.join(5)


def _answer_once(server: socket.socket, context: ssl.SSLContext) -> None:
    server.settimeout(5)
    peer, _ = server.accept()
    with peer:
        peer.settimeout(5)
        try:
            with context.wrap_socket(peer, server_side=True) as shielded:
                shielded.recv(65536)
                shielded.sendall(ANSWER)
        except OSError:  # the client does not trust the certificate, as one test wants
            return


def test_tls_asks_for_the_name_and_not_for_the_address(tmp_path: Path) -> None:
    # CONFORMANCE 54
    with secure(tmp_path, NAME) as (port, asked, trusted):
        reach = Reach(inside=False, networks=(LOOPBACK,), resolve=Names(("127.0.0.1",)))
        assert read(f"https://{NAME}:{port}", reach, trusted) == {"resourceType": "Patient"}
    assert asked == [NAME]


def test_a_server_with_a_certificate_for_another_name_gets_no_token(tmp_path: Path) -> None:
    # CONFORMANCE 54
    with secure(tmp_path, "elsewhere.example") as (port, asked, trusted):
        reach = Reach(resolve=Names(("127.0.0.1",)))
        with pytest.raises(EhrUnavailable):
            read(f"https://{NAME}:{port}", reach, trusted)
    assert asked == [NAME]
