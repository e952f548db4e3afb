"""Nodes find each other on real networks without being told, keep together while these change, or say what is wrong."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cluster import wait_until
from tests.e2e.lan import Computer, Lan
from tests.e2e.network import available

pytestmark = pytest.mark.skipif(not available(), reason="needs root, and /dev/net/tun")


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[Lan]:
    with Lan(tmp_path) as lan:
        yield lan


def hosts(lan: Lan, node: str, of: str) -> str:
    """Where a node finds another."""
    return re.sub(r".*//(.*):.*", r"\1", lan.nodes[node].member(of).get("urls", {}).get("http", ""))


def test_a_node_that_changes_its_address_stays_who_it_is_and_loses_nobody(lan: Lan):
    for number, name in enumerate("abc", 1):
        lan.host(name, f"10.77.0.{number}/24")
        lan.start(name)
    lan.settle()
    c = lan.stations["c"]
    before = lan.nodes["a"].member("c")
    c.ip("link", "add", "docker0", "type", "veth", "peer", "name", "veth0")
    for interface in ("docker0", "veth0"):
        c.ip("link", "set", interface, "up")
    c.ip("address", "add", "172.17.0.1/16", "dev", "docker0")
    c.ip("address", "del", "10.77.0.3/24", "dev", "eth0")
    c.ip("address", "add", "10.77.0.33/24", "dev", "eth0")
    for node in "ab":
        wait_until(lambda node=node: hosts(lan, node, "c") == "10.77.0.33", f"{node} finds c at its new address")
    after = lan.nodes["a"].member("c")
    assert (after["id"], after["incarnation"], after["status"]) == (before["id"], before["incarnation"], "alive")
    assert [lan.nodes[node].log.count("c at 10.77.0.3 is") for node in "ab"] == [1, 1], "nobody doubted it"
    assert "172.17.0.1" not in str(lan.nodes["c"].examined()["addresses"])
    lan.cable("c", False)
    wait_until(lambda: lan.nodes["a"].sees("a", "b") and lan.nodes["c"].sees("c"), "c is cut off")
    lan.cable("c", True)
    lan.settle()


@pytest.mark.soak
def test_of_two_networks_the_one_that_works_is_taken(lan: Lan):
    for number, name in enumerate("ab", 1):
        lan.host(name, f"10.77.0.{number}/24")
        lan.plug(name, "eth1", f"10.78.0.{number}/24")
        lan.start(name)
    lan.settle()
    for works, fails in (("eth1", "eth0"), ("eth0", "eth1"), ("eth1", "eth0")):
        lan.carry("b", True, works)
        lan.carry("b", False, fails)
        there = {"eth0": ("10.77.0.2", "10.77.0.1"), "eth1": ("10.78.0.2", "10.78.0.1")}[works]
        wait_until(lambda there=there: (hosts(lan, "a", "b"), hosts(lan, "b", "a")) == there, f"they meet by {works}")
        lan.settle()


def test_ipv6_without_any_address_but_the_link_local_one_is_a_network_too(lan: Lan):
    for name in "ab":
        lan.host(name)
    for name in "ab":
        wait_until(lambda name=name: "tentative" not in shown(lan, name), "the address is proved to be nobody else's")
        lan.start(name)
    lan.settle()
    assert "fe80:" in hosts(lan, "a", "b") and "fe80:" in hosts(lan, "b", "a")


def shown(lan: Lan, name: str) -> str:
    with lan.stations[name].entered():
        return subprocess.run(["ip", "-6", "address", "show", "dev", "eth0"], capture_output=True, text=True).stdout


@pytest.mark.soak
def test_a_name_that_means_a_node_one_day_and_the_peers_of_last_time_are_found_without_multicast(lan: Lan, tmp_path):
    names = tmp_path / "hosts"
    names.write_text("127.0.0.1 localhost\n")
    for number, name in enumerate("ab", 1):
        lan.host(name, f"10.77.0.{number}/24")
    lan.start("a", mesh__mdns="false")
    b = lan.start("b", mesh__mdns="false", mesh__seeds="seed.lan", under=["unshare", "-m", "sh", "-c",
                  f'mount --bind {names} /etc/hosts && exec "$0" "$@"'])  # fmt: skip
    wait_until(lambda: b.ready() and b.sees("b"), "b is alone")
    with names.open("a") as file:
        file.write("10.77.0.1 seed.lan\n")
    lan.settle()
    assert b.stop() == 0
    lan.start("b", mesh__mdns="false")
    lan.settle()


def test_the_doctor_names_firewall_advertise_secret_and_port(lan: Lan, tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("a secret of one node alone\n")
    secret.chmod(0o600)
    for number, name in enumerate("abcd", 1):
        lan.host(name, f"10.77.0.{number}/24")
    lan.stations["b"].ip("rule", "add", "ipproto", "tcp", "sport", "7402", "blackhole")
    a, b = lan.start("a"), lan.start("b", mesh__seeds="10.77.0.1:7999")
    c, d = lan.start("c", mesh__advertise="10.77.0.99"), lan.start("d", mesh__secret_file=str(secret))
    filtered = {"suspect": "firewall", "where": "b at 10.77.0.2"}
    filtered["says"] = "its media port does not answer: it is filtered, or there is no such host"
    refused = {"suspect": "port", "where": "10.77.0.1:7999"}
    refused["says"] = "nobody listens on its control port: is a node running there, with this port?"
    wrong = {"suspect": "advertise", "where": "c"}
    wrong["says"] = "a gets no answer from its gossip port at 10.77.0.99: is mesh.advertise right?"
    for node, suspect in ((a, filtered), (b, refused), (c, wrong)):
        wait_until(lambda node=node, suspect=suspect: suspect in node.examined().get("suspects", ()), str(suspect), 40)
    for node, host in ((a, "10.77.0.4"), (d, "10.77.0.1")):
        wait_until(lambda node=node, host=host: by_secret(node, host), f"{node.name} names the secret", 40)


def by_secret(node: Computer, host: str) -> bool:
    """Whether its doctor says that those at this host have another secret than it has."""
    suspects = node.examined().get("suspects", ())
    return any(it["suspect"] == "secret" and it["where"].startswith(host) for it in suspects)
