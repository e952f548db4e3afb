import pytest

from mesh.config import load
from mesh.errors import ConfigError

NETWORK = 'a zone for a network like "10.1.0.0/16" or a place: "city:Berlin", "country:DE", "continent:EU"'
WAY = 'a number from 0 to 1000000 for two zones like "fra>ams"'

TABLE = """
[balance]
redirect = false
[balance.zones]
"10.1.0.0/16" = "fra"
"10.1.0.7" = "desk"
"fd00::/8" = "ams"
"city:Frankfurt am Main" = "fra"
"country:DE" = "fra"
[balance.cost]
"fra>ams" = 2
"ams>ams" = 0.5
"""

BAD = [
    ('balance.zones={"10.0.0.0/99" = "fra"}', f'balance.zones."10.0.0.0/99" is "fra", expected {NETWORK}'),
    ('balance.zones={"10.0.0.1/8" = "fra"}', f'balance.zones."10.0.0.1/8" is "fra", expected {NETWORK}'),
    ('balance.zones={"country:de" = "fra"}', f'balance.zones."country:de" is "fra", expected {NETWORK}'),
    ('balance.zones={"fra" = "10.0.0.0/8"}', f'balance.zones."fra" is "10.0.0.0/8", expected {NETWORK}'),
    ('balance.zones={"10.0.0.0/8" = ""}', f'balance.zones."10.0.0.0/8" is "", expected {NETWORK}'),
    ('balance.zones={"10.0.0.0/8" = 7}', f'balance.zones."10.0.0.0/8" is 7, expected {NETWORK}'),
    ("balance.zones=fra", f'balance.zones is "fra", expected {NETWORK}'),
    ("balance.zones=[]", f"balance.zones is [], expected {NETWORK}"),
    ('balance.cost={"fra" = 1}', f'balance.cost."fra" is 1, expected {WAY}'),
    ('balance.cost={"fra>ams" = -1}', f'balance.cost."fra>ams" is -1, expected {WAY}'),
    ('balance.cost={"fra>ams" = nan}', f'balance.cost."fra>ams" is NaN, expected {WAY}'),
    ('balance.cost={"fra>ams" = true}', f'balance.cost."fra>ams" is true, expected {WAY}'),
    ('balance.cost={"fra>" = 1}', f'balance.cost."fra>" is 1, expected {WAY}'),
    ("balance.cost={fra = {ams = 1}}", f'balance.cost."fra" is {{"ams": 1}}, expected {WAY}'),
]


def test_zones_and_costs_are_tables_of_the_file(tmp_path):
    file = tmp_path / "mesh.toml"
    file.write_text(TABLE)
    balance = load(str(file), [], {})[0].balance
    assert balance.zones == {
        (4, 16, 0x0A01): "fra",
        (4, 32, 0x0A010007): "desk",
        (6, 8, 0xFD): "ams",
        "city:Frankfurt am Main": "fra",
        "country:DE": "fra",
    }
    assert balance.cost == {("fra", "ams"): 2.0, ("ams", "ams"): 0.5}
    assert not balance.redirect


@pytest.mark.parametrize(("override", "said"), BAD, ids=str)
def test_an_entry_that_does_not_fit_is_named(override, said):
    with pytest.raises(ConfigError) as error:
        load(None, [override], {})
    key = override.partition("=")[0]
    assert str(error.value) == f"-s {key}: {said}"
