import pytest

from mesh.control.cause import SUSPECTS, Cause


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_ends_a_sentence_and_has_a_suspect(cause):
    assert cause[0].islower() and cause[-1] != "."
    assert cause.suspect == SUSPECTS[cause]
