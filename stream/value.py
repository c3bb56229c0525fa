"""What events are made as: dataclasses that cost little.

`dataclass(frozen=True)` guards its fields at run time, and so takes three times as long
to make one; there is one for every token. A `value` is frozen by the type checker alone,
to which it is just such a dataclass. It is slotted, equal by what it holds, and hashable.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as value
else:
    from dataclasses import dataclass

    def value(*, frozen: bool, slots: bool) -> Callable[[type], type]:
        return dataclass(slots=slots, unsafe_hash=frozen)


__all__ = ["value"]
