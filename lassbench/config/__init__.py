"""The configuration of a trained system: YAML in, typed and checked values out.

A file names only what differs from the defaults, which are the paper's recipe
(FACTS section 2).  Unknown keys, wrong types and impossible values are refused
with the file, the line and the nearest key.
"""

from __future__ import annotations

from lassbench.config.reading import (
    choose_config,
    config_from,
    find_config,
    load_config,
    shipped_configs,
    write_config,
)
from lassbench.config.schema import (
    Config,
    MixingConfig,
    NetworkConfig,
    ScratchConfig,
    SeparationConfig,
    SpectrogramConfig,
    TagsConfig,
    TextConfig,
    TrainConfig,
    ValidationConfig,
)

__all__ = [
    "Config",
    "MixingConfig",
    "NetworkConfig",
    "ScratchConfig",
    "SeparationConfig",
    "SpectrogramConfig",
    "TagsConfig",
    "TextConfig",
    "TrainConfig",
    "ValidationConfig",
    "choose_config",
    "config_from",
    "find_config",
    "load_config",
    "shipped_configs",
    "write_config",
]
