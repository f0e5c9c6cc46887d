"""The heads on a patient's four ROI tokens: classification (Eqs. 6, 7), contrastive projection.

This module imports torch only: a re-diagnosis from cached tokens needs nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HEAD_PREFIX = "classification_head."


class ClassificationHead(nn.Module):
    """Two-layer perceptron with dropout: a patient's tokens to the logits of control and PD.

    Args:
        features: Width of the concatenated tokens, 4 C.
        hidden: Hidden width.
        dropout: Dropout before the last layer (.5, section 4.1.2).
        classes: Classes; index 1 is PD.
    """

    def __init__(self, features: int, hidden: int, dropout: float = 0.5, classes: int = 2) -> None:
        super().__init__()
        self.hidden = nn.Linear(features, hidden)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """``[..., 4, C]`` ROI tokens, in the order of ``anatomy.ROIS``, to ``[..., 2]`` logits."""
        return self.output(self.dropout(F.gelu(self.hidden(tokens.flatten(-2)))))


class ProjectionHead(nn.Module):
    """Two-layer non-linear perceptron into the contrastive space (section 3.3.2, after MoCo).

    Args:
        features: Width of the concatenated tokens, 4 C.
        hidden: Hidden width.
        dimension: Width of the contrastive space.
    """

    def __init__(self, features: int, hidden: int, dimension: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(features, hidden)
        self.output = nn.Linear(hidden, dimension)

    def forward(self, tokens: Tensor) -> Tensor:
        """``[..., 4, C]`` ROI tokens to ``[..., dimension]`` float32 vectors of length 1."""
        projected = self.output(F.relu(self.hidden(tokens.flatten(-2))))
        return F.normalize(projected.float(), dim=-1)


def classify_from_head(state: Mapping[str, Tensor], tokens: Tensor) -> Tensor:
    """Logits of cached ROI tokens, from the head's tensors alone.

    Args:
        state: A model's tensors, or only those under ``HEAD_PREFIX``; others are not touched.
        tokens: ``[..., 4, C]`` ROI tokens in the order of ``anatomy.ROIS``.

    Returns:
        ``[..., 2]`` logits, float32; what ``Mrn.classify`` gives in evaluation mode.
    """
    head = {
        name.removeprefix(HEAD_PREFIX): tensor.float()
        for name, tensor in state.items()
        if name.startswith(HEAD_PREFIX)
    }
    hidden, features = head["hidden.weight"].shape
    module = ClassificationHead(features, hidden, 0.0, len(head["output.bias"])).eval()
    module.load_state_dict(head)
    with torch.no_grad():
        return module(tokens.float())
