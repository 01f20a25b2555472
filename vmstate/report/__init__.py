"""What is shown: the page of a stream, and values in words."""

from __future__ import annotations

from vmstate.lazy import names_on_demand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmstate.report.page import page_of, write_page

__all__ = ["page_of", "write_page"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = names_on_demand(globals(), {"vmstate.report.page": ("page_of", "write_page")})
