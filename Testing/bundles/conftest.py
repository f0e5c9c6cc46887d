"""Bundles of a user's own: an empty folder for them, and one to be added."""

from __future__ import annotations

import shutil

import pytest
from bundle_helpers import files, make_zip


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    """Where bundles are added, and not among those of whoever runs the tests."""
    folder = tmp_path / "own bundles"
    monkeypatch.setenv("MRN_BUNDLES", str(folder))
    return folder


@pytest.fixture(scope="session")
def zipped(random_bundle, tmp_path_factory):
    """The random bundle as a zip with one folder in it, as people make them."""
    path = tmp_path_factory.mktemp("zipped") / "random.zip"
    return make_zip(path, {f"random/{name}": data for name, data in files(random_bundle).items()})


@pytest.fixture
def copy(random_bundle, tmp_path):
    """The random bundle where it can be spoilt."""
    return shutil.copytree(random_bundle, tmp_path / "bundle")
