"""One frozen dataclass per section; TOML, environment and -s overrides.

Whatever is not exactly right is one `ConfigError`, a line that names the key, its source and what was expected.
"""

from mesh.config.rule import MESH_PORT, Address
from mesh.config.secret import read_secrets
from mesh.config.section import (
    BalanceConfig,
    CacheConfig,
    Config,
    EgressConfig,
    HttpConfig,
    LimitsConfig,
    MeshConfig,
    NodeConfig,
    RedisConfig,
    RelayConfig,
    RtmpConfig,
    StreamConfig,
)
from mesh.config.source import load

__all__ = [
    "MESH_PORT",
    "Address",
    "BalanceConfig",
    "CacheConfig",
    "Config",
    "EgressConfig",
    "HttpConfig",
    "LimitsConfig",
    "MeshConfig",
    "NodeConfig",
    "RedisConfig",
    "RelayConfig",
    "RtmpConfig",
    "StreamConfig",
    "load",
    "read_secrets",
]
