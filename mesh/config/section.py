"""The sections of a configuration, one frozen dataclass each.

The string under each field is also its comment in configs/reference.toml; a test keeps them equal.
"""

from dataclasses import dataclass, field

from mesh.config.pattern import Patterns
from mesh.config.rule import (
    Host,
    Label,
    Listen,
    MeshListen,
    Millis,
    Path,
    Pause,
    Rate,
    Seconds,
    Seeds,
    Size,
    Switch,
    Word,
)
from mesh.config.weight import LIMITS, SUPPLY, WEIGHTS, Algorithm, Limits, Margin, Policy, Supply, Weights
from mesh.config.zone import Costs, Zones


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """Who this node is."""

    name: Label = ""
    """The node's name in the API and in redirects; "" takes the host name, or HOST-2 for a second node of a host."""
    zone: Label = ""
    """Where it stands, like "fra" or "office"; players stay in their zone while it has room."""
    data_dir: Path = ""
    """Where it keeps its identity and the peers of last time; "" takes a free slot in the user's state directory."""
    capacity: Rate = 0
    """What it can send at most, like "1Gb/s"; "" takes the speed of its fastest network interface."""
    drain_s: Seconds = 10.0
    """Seconds that clients get to leave after SIGTERM or `meshctl drain`; it takes less when nobody is left."""


@dataclass(frozen=True, slots=True)
class RtmpConfig:
    """RTMP, for publishers and players."""

    listen: Listen = ":1935"
    """Address for RTMP; port 0 takes a free one."""


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """HTTP, for players, publishers, the API and health checks."""

    listen: Listen = ":8080"
    """Address for HTTP; port 0 takes a free one."""


@dataclass(frozen=True, slots=True)
class MeshConfig:
    """How nodes find and reach each other."""

    name: Word = "mesh"
    """Only nodes of one name meet; it keeps several meshes on one LAN apart."""
    listen: MeshListen = ":7400"
    """Address for other nodes: control on this port, gossip on the next, media on the one after; 0 takes free ones."""
    seeds: Seeds = ()
    """Nodes to try first, as host or host:port; one that answers is enough, and DNS names are resolved repeatedly."""
    mdns: Switch = True
    """Whether to find nodes of the same LAN, by multicast DNS where this node listens, and of the same host."""
    secret_file: Path = ""
    """File with the mesh's secret, mode 0600, as `meshctl keygen` writes it; MESH_SECRET may hold the secret itself."""
    insecure: Switch = False
    """Whether nodes and publishers from public addresses are taken although the mesh has no secret."""
    advertise: Host = ""
    """Host under which the others reach this node, if it is not one of its own addresses; "" tries those."""


@dataclass(frozen=True, slots=True)
class CacheConfig:
    """How much of each stream is held for those who join or fall behind."""

    seconds: Pause = 10.0
    """Seconds of each stream to hold; whole GOPs are dropped, and a player who falls further behind skips."""
    bytes: Size = 32 << 20
    """Memory for one stream; a GOP longer than that is no place to join any more."""
    total: Size = 1 << 30
    """Memory for all streams of the node together."""


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """How nodes fetch streams from each other."""

    lag_s: Pause = 3.0
    """Seconds that a node which fetches a stream may fall behind before it skips to the newest keyframe."""


@dataclass(frozen=True, slots=True)
class EgressConfig:
    """How players are served."""

    pass_min_ms: Millis = 0.0
    """Least milliseconds between two sends to a player; more costs delay and saves CPU."""
    pass_max_ms: Millis = 350.0
    """Most milliseconds between two sends under load; a node that would need more says that it is full."""


@dataclass(frozen=True, slots=True)
class LimitsConfig:
    """What a client may cost."""

    player_lag_s: Pause = 10.0
    """Seconds after which a player is closed whose socket took no byte; one that is slow but moving skips instead."""


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """How long things last when somebody leaves."""

    linger_s: Seconds = 10.0
    """Seconds that a node goes on fetching a stream after its last player has left; less where that traffic costs."""
    hold_s: Seconds = 30.0
    """Seconds that players are kept after the publisher has gone, so that it may come back."""
    standby: Switch = False
    """Whether a second publisher of a live stream waits as its standby, on another node, instead of being refused."""
    silence_s: Pause = 5.0
    """Seconds without a frame after which a stream counts as stalled."""
    patterns: Patterns = field(default_factory=dict)
    """Care for streams by key, like {"live/*" = {replicas = 1, preload = ["fra"], priority = 1}}; the first counts."""


@dataclass(frozen=True, slots=True)
class BalanceConfig:
    """Where clients are sent."""

    policy: Policy = "weighted"
    """How nodes are compared: weighted, cpuload, bandwidth, players, streams, region, rtt, cost or random."""
    algorithm: Algorithm = "lowest"
    """Who is chosen: "lowest" takes the best of them all, "twochoice" the better of two drawn from the nearest."""
    margin: Margin = 0.2
    """Scores that differ by no more are equal: then the node that was asked serves, or a draw decides."""
    ramp_s: Seconds = 60.0
    """Seconds in which a node that has just started is filled, instead of in a rush."""
    weights: Weights = field(default_factory=lambda: dict(WEIGHTS))
    """What each term of a score, from 0 to 1, counts for under `weighted`; those left out keep these."""
    supply: Supply = field(default_factory=lambda: dict(SUPPLY))
    """The same for a node that chooses from whom to fetch a stream; those left out keep these."""
    limits: Limits = field(default_factory=lambda: dict(LIMITS))
    """Where a node is full: shares of what it has, milliseconds of its event loop, players (0: any number)."""
    redirect: Switch = True
    """Whether HTTP clients may be redirected; if not, every stream is fetched to the node that was asked for it."""
    zones: Zones = field(default_factory=dict)
    """Zone of each client network or place, like {"10.1.0.0/16" = "fra", "country:DE" = "ams"}; the narrowest wins."""
    geoip: Path = ""
    """GeoIP database (.mmdb) that tells the city, country and continent of an address, for `zones`; "" does without."""
    cost: Costs = field(default_factory=dict)
    """Cost of traffic between zones, like {"fra>ams" = 0.5}; 0 within a zone, 1 between two, alike both ways."""

    def __post_init__(self) -> None:
        # What an operator gives of a table goes before the defaults, and leaves the rest of it as it is.
        for name, defaults in (("weights", WEIGHTS), ("supply", SUPPLY), ("limits", LIMITS)):
            object.__setattr__(self, name, {**defaults, **getattr(self, name)})


@dataclass(frozen=True, slots=True)
class RedisConfig:
    """A mirror of the tables for other tools."""

    url: Path = ""
    """Redis to write the tables to; not built yet, so only "" is taken."""


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration; every section has its defaults."""

    node: NodeConfig = NodeConfig()
    rtmp: RtmpConfig = RtmpConfig()
    http: HttpConfig = HttpConfig()
    mesh: MeshConfig = MeshConfig()
    cache: CacheConfig = CacheConfig()
    relay: RelayConfig = RelayConfig()
    egress: EgressConfig = EgressConfig()
    limits: LimitsConfig = LimitsConfig()
    stream: StreamConfig = StreamConfig()
    balance: BalanceConfig = BalanceConfig()
    redis: RedisConfig = RedisConfig()
    given: frozenset[str] = field(default=frozenset(), compare=False)
    """The keys that somebody set, whatever their value: a port that was only a default may give way to the next."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What MESH_SECRET holds; `read_secrets` also looks into `mesh.secret_file`."""

    @property
    def public(self) -> bool:
        """Whether nodes and publishers are met at any address: by a secret, or because the operator says so."""
        return bool(self.secrets or self.mesh.secret_file) or self.mesh.insecure
