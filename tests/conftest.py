"""Before any test: a shell that runs the tests in the background has them ignore Ctrl-C, and what they start too."""

from __future__ import annotations

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
