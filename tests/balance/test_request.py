import pytest

from mesh.balance.request import Request

CASES = {
    "an HTTP player can be sent on": (Request("live/x"), ""),
    "an HTTP publisher can, if he asks first": (Request("live/x", proto="flv"), ""),
    "RTMP knows no redirect": (Request("live/x", proto="rtmp"), "rtmp clients follow no redirect"),
    "nor does a WebSocket": (Request("live/x", proto="wss"), "wss clients follow no redirect"),
    "once is enough": (Request("live/x", via="b"), "it was redirected here"),
    "who wants to stay stays": (Request("live/x", redirect=False), "it asked for no redirect"),
}


@pytest.mark.parametrize(("request_", "why"), CASES.values(), ids=CASES)
def test_who_is_tied_to_the_node_he_asked(request_, why):
    assert request_.tied == why
