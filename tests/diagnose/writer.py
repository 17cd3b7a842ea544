"""A process that writes a run as ai-toolkit does, one checkpoint after the other: `writer.py FOLDER STOPPED`.

Pictures are training images from step 400 on. It ends when the file STOPPED is there, or after a hundred checkpoints.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from tests.diagnose.folders import noisy, scene, write_run


def main(folder: Path, stopped: Path) -> None:
    for step in range(100, 10_001, 100):
        steps = [0, step] if step == 100 else [step]
        write_run(
            folder, "ai-toolkit", steps=[step], samples=steps,
            paint=lambda step, slot: scene(50, slot) if step >= 400 else noisy(step, slot),
        )  # fmt: skip
        print(step, flush=True)
        for _ in range(10):
            if stopped.exists():
                return
            time.sleep(0.1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
