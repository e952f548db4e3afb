from mesh.control.keep import Keep
from mesh.media.wire import decode, encode


def test_it_travels():
    assert decode(encode(Keep("live/x", 5.0))) == Keep("live/x", 5.0)
