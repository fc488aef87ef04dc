"""What lets plain Python inherit from a class that is compiled. Uncompiled, it does nothing."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr as mypyc_attr
else:

    def mypyc_attr(**_: Any) -> Any:
        """mypyc reads it while it compiles; nobody else does."""
        return lambda compiled: compiled
