import sys

import pytest

from mesh.errors import ConfigError
from mesh.net.geoip import places_by
from tests.net.asynctest import asynctest
from tests.net.mmdb import database
from tests.net.nodes import meshed

maxminddb = pytest.importorskip("maxminddb")

GERMANY = {"country": {"iso_code": "DE"}, "continent": {"code": "EU"}}
BERLIN = {"city": {"names": {"en": "Berlin", "de": "Berlin"}}, **GERMANY}
RECORDS = {
    "81.0.0.0/8": GERMANY,
    "81.2.69.0/24": BERLIN,
    "89.160.20.112/28": {"continent": {"code": "EU"}},
    "2001:218::/32": {"country": {"iso_code": "JP"}, "city": {"names": "nonsense"}, "continent": {"code": ["EU"]}},
}
PLACES = [
    ("81.2.69.7", ["city:Berlin", "country:DE", "continent:EU"]),
    ("81.2.70.7", ["country:DE", "continent:EU"]),
    ("89.160.20.113", ["continent:EU"]),
    ("89.160.20.128", []),
    ("2001:218::7", ["country:JP"]),
    ("2001:218::7%eth0", ["country:JP"]),
    ("10.0.0.1", []),
    ("localhost", []),
    ("", []),
]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "test.mmdb"
    path.write_bytes(database(RECORDS))
    return path


@pytest.mark.parametrize(("ip", "places"), PLACES)
def test_a_database_tells_the_places_of_an_address_the_narrowest_first(file, ip, places):
    assert list(places_by(str(file))(ip)) == places


def test_without_a_database_nothing_is_anywhere():
    assert list(places_by("")("81.2.69.7")) == []


def test_a_database_that_cannot_be_read_is_named(tmp_path, file):
    broken = tmp_path / "broken.mmdb"
    broken.write_bytes(b"no database")
    for path, said in ((tmp_path / "none.mmdb", "no such file or directory"), (broken, "error opening database file")):
        with pytest.raises(ConfigError, match=f"^balance.geoip: {path}: .*{said}"):
            places_by(str(path))


def test_a_package_that_is_missing_is_named(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "maxminddb", None)
    with pytest.raises(ConfigError, match=r"the package maxminddb is missing: \.venv/bin/pip install maxminddb"):
        places_by(str(file))


@asynctest
async def test_a_node_finds_the_zone_of_a_client_by_network_and_else_by_place(file, tmp_path):
    zones = '{"81.2.69.128/25" = "desk", "city:Berlin" = "ber", "continent:EU" = "eu"}'
    async with meshed(tmp_path, "a", balance__geoip=str(file), balance__zones=zones) as (a,):
        found = {ip: a.streams.balance.zone_of(ip) for ip in ("81.2.69.200", "81.2.69.7", "81.3.0.1", "2001:218::7")}
    assert found == {"81.2.69.200": "desk", "81.2.69.7": "ber", "81.3.0.1": "eu", "2001:218::7": ""}
