import pytest

from mesh.config import load
from mesh.config.weight import ALIASES, LIMITS, POLICIES, RANGES, WEIGHTS
from mesh.errors import ConfigError

BAD = {
    "balance.policy=best": '-s balance.policy: balance.policy is "best", expected one of weighted, cpuload',
    "balance.algorithm=best": 'balance.algorithm is "best", expected lowest or twochoice',
    "balance.margin=-1": "balance.margin is -1, expected a number from 0 to 1000",
    "balance.weights={zone=1001}": 'balance.weights."zone" is 1001, expected a number from 0 to 1000 for zone, cost,',
    "balance.weights={zone=true}": 'balance.weights."zone" is true, expected a number',
    "balance.weights={zones=1}": 'balance.weights."zones" is 1, expected a number',
    "balance.supply={zone=1}": 'balance.supply."zone" is 1, expected a number from 0 to 1000 for cost, room,',
    "balance.weights=7": "balance.weights is 7, expected a number",
    "balance.limits={cpu=1.5}": 'balance.limits."cpu" is 1.5, expected 0.1 to 1 for cpu, 0.1 to 1 for memory,',
    "balance.limits={lag_ms=nan}": 'balance.limits."lag_ms" is NaN, expected',
}


@pytest.mark.parametrize(("override", "says"), BAD.items(), ids=BAD)
def test_what_does_not_fit_is_an_error_that_says_what_would(override, says):
    with pytest.raises(ConfigError) as error:
        load(None, [override], {})
    assert says in str(error.value)


@pytest.mark.parametrize("name", [*POLICIES, *ALIASES])
def test_every_policy_goes_by_the_name_that_other_servers_have_for_it(name):
    assert load(None, [f"balance.policy={name}"], {})[0].balance.policy == ALIASES.get(name, name)


def test_a_table_takes_some_of_the_terms():
    config = load(None, ["balance.weights={zone=1, rtt=2.5}", "balance.limits={players=100}"], {})[0].balance
    assert (config.weights, config.limits) == (WEIGHTS | {"zone": 1, "rtt": 2.5}, LIMITS | {"players": 100})


def test_policies_weigh_terms_that_there_are():
    assert {term for weights in POLICIES.values() for term in weights} <= set(WEIGHTS)
    assert LIMITS.keys() == RANGES.keys()
