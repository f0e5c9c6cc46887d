from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from MRNLib.models.heads import HEAD_PREFIX, ClassificationHead, ProjectionHead, classify_from_head


def test_classification_from_the_heads_tensors_alone() -> None:
    head = ClassificationHead(4 * 6, 10, 0.5).eval()
    state = {f"{HEAD_PREFIX}{name}": value for name, value in head.state_dict().items()}
    state["res.backbone.other"] = torch.zeros(1)
    tokens = torch.randn(3, 4, 6)
    with torch.no_grad():
        assert torch.equal(classify_from_head(state, tokens), head(tokens))


def test_classification_in_closed_form() -> None:
    head = ClassificationHead(8, 5).eval()
    tokens = torch.randn(2, 4, 2)
    hidden = tokens.reshape(2, 8) @ head.hidden.weight.T + head.hidden.bias
    activated = hidden * 0.5 * (1 + torch.erf(hidden / 2**0.5))
    expected = activated @ head.output.weight.T + head.output.bias
    assert torch.allclose(head(tokens), expected, atol=1e-6)


def test_dropout_only_while_training() -> None:
    head = ClassificationHead(8, 64, 0.5)
    tokens = torch.randn(1, 4, 2)
    torch.manual_seed(0)
    assert not torch.equal(head.train()(tokens), head(tokens))
    assert torch.equal(head.eval()(tokens), head(tokens))


def test_roi_order_carries_identity() -> None:
    head = ClassificationHead(8, 16).eval()
    tokens = torch.randn(1, 4, 2)
    assert not torch.allclose(head(tokens), head(tokens[:, [1, 0, 2, 3]]))


def test_projection_is_a_unit_vector() -> None:
    projected = ProjectionHead(12, 7, 5)(torch.randn(6, 4, 3) * 100)
    assert projected.shape == (6, 5)
    assert torch.allclose(projected.norm(dim=-1), torch.ones(6), atol=1e-6)


@pytest.mark.parametrize("module", ["timm", "monai", "nnunetv2", "SimpleITK"])
def test_importing_the_heads_imports_torch_only(module: str, heads_imports: set[str]) -> None:
    assert "torch" in heads_imports
    assert module not in heads_imports


@pytest.fixture(scope="module")
def heads_imports() -> set[str]:
    code = "import sys, MRNLib.models.heads; print(*{name.split('.')[0] for name in sys.modules})"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())
