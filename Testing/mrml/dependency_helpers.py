"""Slicer's Python with chosen packages, and wheels to be installed."""

from __future__ import annotations

import re
import types
import zipfile
from pathlib import Path

from MRNDiagnosisLib import dependencies, packages
from MRNDiagnosisLib.dependencies import Tools


class World:
    """Slicer's Python with chosen versions, and installers that change them."""

    def __init__(self, monkeypatch, **versions):
        good = {entry.name: entry.installed for entry in packages.requirements()}
        self.versions = {**good, "torchvision": "0.20", "requests": "2.32", **versions}
        self.calls, self.fails, self.imports = [], {}, ""
        monkeypatch.setattr(packages, "installed", self.versions.get)
        monkeypatch.setattr(dependencies, "installed", self.versions.get)
        self.tools = Tools(
            self.install_torch, self.pip_ensure, self.pip_install, ("PythonSlicer",), self.run
        )

    def call(self, kind, *values, **options):
        self.calls.append((kind, values, options))
        if kind in self.fails:
            if self.fails[kind] is None:
                return None
            raise self.fails[kind]
        return kind

    def install_torch(self, **options):
        done = self.call("torch", **options)
        if done:
            self.versions |= {"torch": "2.15.1+cu128", "torchvision": "0.25"}
        return done

    def pip_ensure(self, wanted, **options):
        if self.call("ensure", wanted, **options):
            self.fill(wanted)

    def pip_install(self, arguments, constraints, requester):
        text = Path(constraints).read_text(encoding="utf-8")
        if self.call("pip", arguments, constraints=text, requester=requester):
            self.fill(arguments[2:])

    def fill(self, wanted):
        for text in wanted:
            name = re.match(r"[\w-]+", text)[0]
            found = re.search(r">=([\d.]+)", text)
            self.versions[name] = found[1] if found else "1"

    def run(self, command, **options):
        self.call("run", command)
        said = "".join(f"@import {name}\n" for name in command[3:])
        return types.SimpleNamespace(
            stdout=self.imports or said + "@end\n", stderr="", returncode=0
        )

    @property
    def kinds(self):
        return [kind for kind, *_ in self.calls]


def wheel(folder, name, version):
    """The smallest wheel that pip installs."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", "x = 1\n")
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n")
    return path
