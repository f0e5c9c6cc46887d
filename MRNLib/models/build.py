"""From any system's settings to the system."""

from __future__ import annotations

from MRNLib.models.config import MrnConfig
from MRNLib.models.m3d_clip import M3dClip, M3dClipConfig
from MRNLib.models.midbrain_cnn import MidbrainCnn, MidbrainCnnConfig
from MRNLib.models.mrn import Mrn
from MRNLib.models.seres10 import SeRes10, SeRes10Config
from MRNLib.models.system import System

SystemConfig = MrnConfig | SeRes10Config | M3dClipConfig | MidbrainCnnConfig


def build_system(config: SystemConfig, *, pretrained: bool = True) -> System:
    """The system a config describes.

    Args:
        config: Its settings; their type says which system.
        pretrained: ``False`` reads no pre-trained weights: a checkpoint is loaded afterwards.

    Raises:
        InputError: Pre-trained weights cannot be had; it says how.
    """
    match config:
        case MrnConfig():
            return Mrn(config, pretrained)
        case SeRes10Config():
            return SeRes10(config)
        case M3dClipConfig():
            return M3dClip(config, pretrained)
        case MidbrainCnnConfig():
            return MidbrainCnn(config)
    raise TypeError(f"no system is built from a {type(config).__name__}")
