import errno
import socket
from types import SimpleNamespace

import psutil
import pytest

from mesh.net.addresses import is_ip, on_the_lan, outward, plain, trusted, usable

HOST = {
    "lo": ("127.0.0.1", "::1"),
    "docker0": ("172.17.0.1",),
    "br-1a2b3c": ("172.18.0.1",),
    "veth12": ("172.19.0.1",),
    "eth0": ("8.8.4.4", "192.168.1.7", "169.254.3.4", "2001:4860::1", "fd00::7", "fe80::1%eth0"),
    "wlan0": ("10.1.2.3",),
    "eth1": ("10.9.9.9",),
}

TRUST = [
    ("127.0.0.1", True),
    ("10.1.2.3", True),
    ("192.168.1.7", True),
    ("172.16.0.1", True),
    ("169.254.3.4", True),
    ("100.64.0.1", True),
    ("192.0.2.7", True),
    ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),
    ("2002:c000:204::1", False),
    ("::1", True),
    ("fd00::7", True),
    ("fe80::1%eth0", True),
    ("::ffff:10.1.2.3", True),
    ("8.8.8.8", False),
    ("2001:4860:4860::8888", False),
    ("::ffff:8.8.8.8", False),
    ("a.example", False),
    ("", False),
]


def interfaces(monkeypatch, host: dict[str, tuple[str, ...]]) -> None:
    """Let this host have these."""

    def addresses(texts: tuple[str, ...]) -> list[SimpleNamespace]:
        families = [socket.AF_INET6 if ":" in text else socket.AF_INET for text in texts]
        hardware = SimpleNamespace(family=socket.AF_PACKET, address="00:00:00:00:00:00")
        return [hardware, *(SimpleNamespace(family=f, address=t) for f, t in zip(families, texts, strict=True))]

    monkeypatch.setattr(psutil, "net_if_addrs", lambda: {name: addresses(texts) for name, texts in host.items()})
    monkeypatch.setattr(psutil, "net_if_stats", lambda: {name: SimpleNamespace(isup=name != "eth1") for name in host})


def test_the_addresses_that_others_may_reach_come_best_first(monkeypatch):
    interfaces(monkeypatch, HOST)
    assert usable() == [
        "10.1.2.3", "192.168.1.7", "fd00::7", "8.8.4.4", "2001:4860::1", "169.254.3.4", "127.0.0.1", "::1",
    ]  # fmt: skip


def test_this_host_has_an_address():
    assert "127.0.0.1" in usable()


@pytest.mark.parametrize(("host", "expected"), TRUST)
def test_only_loopback_and_private_addresses_are_trusted(host, expected):
    assert trusted(host) == expected


def test_an_address_inside_another_is_taken_out():
    assert str(plain("::ffff:10.1.2.3")) == "10.1.2.3"
    assert str(plain("fe80::1%eth0")) == "fe80::1"


@pytest.mark.parametrize(("host", "expected"), [("10.0.0.1", True), ("::1", True), ("a.example", False), ("", False)])
def test_an_address_is_no_name(host, expected):
    assert is_ip(host) == expected


def test_link_local_addresses_will_do_on_the_lan_where_there_is_no_other(monkeypatch):
    interfaces(monkeypatch, HOST)
    assert on_the_lan() == usable()[:-2]
    interfaces(monkeypatch, {"lo": ("127.0.0.1", "::1"), "eth0": ("fe80::1%eth0",), "docker0": ("172.17.0.1",)})
    assert on_the_lan() == ["fe80::1%eth0"]
    assert usable() == ["127.0.0.1", "::1"]


def test_bridges_and_the_ends_of_containers_lead_to_no_other_host():
    names = {"eth0": True, "wlp3s0": True, "lo": False, "docker0": False, "br-1a2b3c": False, "veth12": False}
    assert {name: outward(name) for name in names} == names


def test_where_nothing_can_be_opened_they_are_what_they_were(monkeypatch):
    known = usable()

    def fail() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(psutil, "net_if_stats", fail)
    assert usable() == known != []
