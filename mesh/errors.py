"""What can go wrong, drawn as a tree.

    MeshError
    ├── ConfigError            the operator's: a key, a value, a port that is taken
    │   └── IdentityTaken      another node runs with a copy of the state directory
    ├── ProtocolError          the peer's: close that connection, keep the others
    │   ├── MediaError         FLV, AMF0 or a codec's headers are malformed
    │   ├── RTMPError          handshake, chunk, message or command
    │   └── WireError          a message between nodes
    ├── StreamError            the stream cannot be had as asked
    │   ├── StreamNotFound     no node has it
    │   ├── StreamTaken        it is live already, somewhere in the mesh
    │   ├── NoRoom             no node can serve the client now
    │   └── NotAllowed         this client may not
    └── LinkError              the network between nodes

Messages are lower-case and carry the numbers: "chunk of 70000 bytes, expected no more than 65536". Our own mistakes are
`assert` or `ValueError`, never one of these.
"""


class MeshError(Exception):
    """Whatever Mediamesh raises on purpose."""


class ConfigError(MeshError):
    """A configuration that cannot be used; the message names the key and where it was set."""


class IdentityTaken(ConfigError):
    """Another node runs with a copy of this one's state directory; started again, this one would only stop that."""


class ProtocolError(MeshError):
    """Bytes that break a protocol; the connection they came from is closed."""


class MediaError(ProtocolError):
    """Malformed FLV, AMF0 or codec headers."""


class RTMPError(ProtocolError):
    """Malformed RTMP: handshake, chunk, message or command."""


class WireError(ProtocolError):
    """A malformed or oversized message between nodes."""


class StreamError(MeshError):
    """A stream that cannot be published or played as asked."""


class StreamNotFound(StreamError):
    """No node of the mesh has the stream."""


class StreamTaken(StreamError):
    """The stream is live already, somewhere in the mesh."""


class NoRoom(StreamError):
    """No node can serve the client now; later one may."""


class NotAllowed(StreamError):
    """This client may not do this."""


class LinkError(MeshError):
    """A neighbour that cannot be reached, or went away."""
