"""What nnU-Net plans may name: a short list, since nnU-Net imports whatever a plans file says.

nnU-Net finds its network, layers, resampling and normalisation by the names in ``plans.json``
(``pydoc.locate``, or any attribute of a module of its own). A bundle is data from elsewhere, so
each of those names is checked first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from MRNLib.errors import BundleError

_ARCHITECTURE = re.compile(r"dynamic_network_architectures\.architectures\.[a-z_]+\.[A-Z]\w*")
_LAYER = re.compile(
    r"torch\.nn\.(modules\.(conv|instancenorm|batchnorm|dropout|activation)\.)?"
    r"(Conv|InstanceNorm|BatchNorm|Dropout)[23]d|"
    r"torch\.nn\.(modules\.activation\.)?(LeakyReLU|ReLU|GELU|SiLU)"
)
_NORMALISATIONS = (
    "ZScoreNormalization",
    "CTNormalization",
    "NoNormalization",
    "RescaleTo01Normalization",
)
_RESAMPLINGS = (
    "resample_data_or_seg_to_shape",
    "resample_torch_fornnunet",
    "resample_torch_simple",
    "no_resampling_data_or_seg_to_shape",
    "no_resampling_hack",
)


def check_plans(plans: Any, configuration_name: str, file: Path) -> Mapping[str, Any]:
    """The named configuration of a plans file, its names checked.

    Raises:
        BundleError: It is not an nnU-Net plan, or names something that is not on the list.
    """
    try:
        configuration = plans["configurations"][configuration_name]
        names = list(_named(plans, configuration))
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise BundleError(
            f"not an nnU-Net plan with a configuration {configuration_name} ({error!r})",
            file=file,
            remedy="import the nnU-Net results again",
        ) from error
    for value, allowed in names:
        ok = value in allowed if isinstance(allowed, tuple) else allowed.fullmatch(str(value))
        if not ok:
            raise BundleError(
                f"the plan names {value!r}, which is not loaded from a model file",
                file=file,
                expected="networks from dynamic_network_architectures, torch layers and nnU-Net's "
                "own preprocessing",
                remedy="do not use this file unless you know who made it",
            )
    if configuration.get("previous_stage") or "inherits_from" in configuration:
        raise BundleError(
            "the plan is a cascade or inherits another one",
            file=file,
            expected="one configuration that stands alone, such as 3d_fullres",
        )
    return configuration


def _named(plans: Any, configuration: Any) -> Iterator[tuple[Any, re.Pattern[str] | tuple]]:
    architecture = configuration["architecture"]
    yield architecture["network_class_name"], _ARCHITECTURE
    arguments = architecture["arch_kwargs"]
    imported = architecture["_kw_requires_import"]
    for key in imported:
        if arguments[key] is not None:
            yield arguments[key], _LAYER
    yield plans["label_manager"], ("LabelManager",)
    yield configuration["preprocessor_name"], ("DefaultPreprocessor",)
    for scheme in configuration["normalization_schemes"]:
        yield scheme, _NORMALISATIONS
    for kind in ("data", "seg", "probabilities"):
        yield configuration[f"resampling_fn_{kind}"], _RESAMPLINGS
