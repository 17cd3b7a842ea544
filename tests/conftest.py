"""For all tests: Ctrl-C reaches what they start, and property tests try the same examples on every machine.

`HYPOTHESIS_PROFILE=explore pytest` draws new examples, and many of them: for looking, not for CI.
"""

from __future__ import annotations

import os
import signal

from hypothesis import settings

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background jobs

settings.register_profile("same", derandomize=True, deadline=None)  # a busy machine is no failure
settings.register_profile("explore", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
