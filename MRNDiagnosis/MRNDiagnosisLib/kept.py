"""What was worked out from large nodes, kept until one of them changes.

A pause of the brush is no moment to hash volumes of fifty megabytes again: only what the brush
touched is asked for anew.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")
# Of one session: three volumes and two masks, asked in a few ways, for a few patients.
MANY = 32


class Kept:
    """Answers about nodes, by what was asked and the nodes' identifiers.

    Args:
        many: How many answers are kept; those not asked for longest go first.
    """

    def __init__(self, many: int = MANY) -> None:
        self._many = many
        self._held: OrderedDict[tuple[Any, ...], tuple[Any, Any]] = OrderedDict()

    def get(self, what: str, nodes: Iterable[Any], values: Any, make: Callable[[], T]) -> T:
        """The answer of ``make()``, or an earlier one if no node and no value is another.

        Args:
            what: Names the question.
            nodes: The nodes that the answer depends on, as far as ``watcher.state`` goes.
            values: What else it depends on; compared by value.
            make: Works the answer out. What it raises is passed on, and nothing is kept.
        """
        from MRNDiagnosisLib.watcher import state  # it needs the volumes, which need this

        nodes = list(nodes)
        states = [state(node) for node in nodes]
        if None in states:
            return make()  # of a node without a scene it is not known what happens to it
        key = (what, *(node.GetID() for node in nodes))
        now = (states, values)
        found = self._held.pop(key, None)
        answer = found[1] if found is not None and found[0] == now else make()
        self._held[key] = (now, answer)
        while len(self._held) > self._many:
            self._held.popitem(last=False)
        return answer


# For answers of a few numbers; what holds voxels belongs to who shows them.
SMALL = Kept()
