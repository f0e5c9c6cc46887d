"""Calling a front end from a run: a defect there must not leave the run hanging."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any


def nothing(*values: Any) -> None:
    """A callback that nobody asked for."""


def call(callback: Callable[..., Any], *values: Any) -> None:
    """Calls ``callback``; a defect in it is logged and the caller goes on."""
    try:
        callback(*values)
    except Exception:
        logging.exception("A callback of a run failed")
