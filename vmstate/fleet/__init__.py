"""Many streams and many destinations, on one machine or on a cluster."""

from __future__ import annotations
