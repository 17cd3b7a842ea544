"""For all tests: Ctrl-C reaches what they start, also where the shell that runs them in the background ignores it."""

from __future__ import annotations

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
