"""The page on a run: made from real files, opened in a real browser where there is one."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lora_doctor.cli import run
from tests.browser import BROWSER, Read, opened
from tests.symptoms.curves import rows_of

from .folders import noisy, picture, scene, write_run

STEPS = range(100, 801, 100)
EVIL = "zwx <img src=https://example.com/x.png onerror=alert(1)> </script>"
CONFIG = """\
job: extension
config:
  name: zwx
  process:
    - type: sd_trainer
      training_folder: {root}
      trigger_word: zwx
      network: {{type: lora, linear: 16, linear_alpha: 16}}
      datasets:
        - folder_path: {root}/images
      train:
        steps: 800  # a night
        lr: 0.0004
        batch_size: 1
      sample:
        sample_every: 100
        prompts: ["a photo of zwx on a beach", "a photo of zwx in snow", "{evil}"]
      model:
        name_or_path: black-forest-labs/FLUX.2-klein-base-4B
        arch: flux2_klein_4b
"""


def _copied(step: int, slot: int) -> Any:
    return scene(50, slot) if step >= 400 else noisy(step, slot)


def training(folder: Path) -> Path:
    for i in range(6):
        picture(folder / f"{i}.png", scene(50, i))
        (folder / f"{i}.txt").write_text(f"zwx number {i}")
    return folder


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of ai-toolkit that shows its training images from step 400 on, with its config and images."""
    root = tmp_path_factory.mktemp("run")
    training(root / "images")
    folder = write_run(root / "zwx", "ai-toolkit", steps=STEPS, samples=range(0, 801, 100), paint=_copied)
    (folder / "config.yaml").write_text(CONFIG.format(root=root, evil=EVIL))
    path = root / "report.html"
    assert run(["diagnose", str(folder), "--report", str(path), "--plots", str(root / "plots"), "--no-cache"]) == 1
    return path


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of lora-doctor's own, with a held-out loss and samples at several strengths; no page yet."""
    folder = tmp_path_factory.mktemp("own") / "run"
    write_run(folder, "lora-doctor", steps=STEPS, samples=range(0, 801, 100))
    curve = {0: 0.0, 100: -0.4, 200: -0.6, 300: -0.66, 400: -0.62, 500: -0.4, 600: -0.1, 800: 0.4}
    (folder / "monitors.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows_of(curve, images=8)))
    with (folder / "samples.jsonl").open("a") as file:
        for strength in (0.6, 1.5):
            name = f"samples/step-000800/0-{strength}.png"
            picture(folder / name, noisy(800, 0))
            row = {"step": 800, "file": name, "prompt": "a photo of zwx 0", "seed": 42, "strength": strength}
            file.write(json.dumps(row) + "\n")
    return folder


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_one_file_with_everything_in_it(page: Path) -> None:
    found = Read(page)
    assert all(address.startswith(("data:", "#")) for address in found.addresses)
    assert len(set(found.ids)) == len(found.ids)
    assert {address[1:] for address in found.addresses if address.startswith("#")} <= set(found.ids)
    assert not re.search(r"@import|url\(", text_of(page))
    assert {"glance", "verdicts", "fix", "axis", "samples", "weights", "unmeasured"} <= set(found.ids)
    assert "strengths" not in found.ids, "there are no samples at other strengths"


def test_prompts_are_text_and_nothing_else(page: Path) -> None:
    text = text_of(page)
    assert "<img src=https" not in text
    assert "&lt;img src=https://example.com/x.png" in text
    assert text.count("</script>") == 1


def test_it_says_what_is_wrong_since_when_and_shows_it(page: Path) -> None:
    text = text_of(page)
    assert "Samples show training images again" in re.search(r'<p class="verdict error">(.*?)</p>', text)[1]  # type: ignore[index]
    card = re.search(r'<li class="card" id="training-images-reproduced">.*?</li>', text, re.S)
    assert card
    assert "since step 400" in card[0]
    assert 'alt="training image 0.png"' in card[0]
    copied = re.findall(r'<figure class="cell copied".*?</figure>', text, re.S)
    assert len(copied) == 15, "three prompts at five steps"
    assert all('class="inset"' in cell and "shows" in cell for cell in copied)
    assert "no loss on held-out images was measured" in text


@pytest.mark.skipif(shutil.which("patch") is None, reason="no patch here")
def test_the_edits_are_a_diff_that_patch_takes(page: Path, tmp_path: Path) -> None:
    match = re.search(r'<textarea id="edits"[^>]*>(.*?)</textarea>', text_of(page), re.S)
    assert match
    diff = unescape(match[1])
    assert "-        steps: 800  # a night" in diff
    assert "+        steps: 300  # a night" in diff
    config = tmp_path / "config.yaml"
    config.write_text(text_of(page.parent / "zwx" / "config.yaml"))
    hunks = "\n".join(line for line in diff.splitlines() if line[:1] in "+-@ ") + "\n"
    done = subprocess.run(["patch", str(config)], input=hunks, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "steps: 300  # a night" in config.read_text()


def test_plots(page: Path) -> None:
    for name in ("signals", "weights", "samples"):
        with Image.open(io.BytesIO((page.parent / "plots" / f"{name}.png").read_bytes())) as image:
            assert min(image.size) > 300
            assert len(image.convert("RGB").getcolors(1 << 24) or ()) > 20, "something is drawn"


def test_the_window_the_pick_and_the_strengths(watched: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.html"
    run(["diagnose", str(watched), "--report", str(path), "--no-cache"])
    text = text_of(path)
    assert "use step 400" in text
    assert 'step 400 <span class="tag good">keep</span>' in text
    bands = re.findall(r'<rect class="window" x="([\d.]+)"', text)
    assert len(bands) > 10
    assert len(set(bands)) == 1, "the same band in every row"
    sweep = re.search(r'<section id="strengths">.*?</section>', text, re.S)
    assert sweep
    assert [s for s in ("0.6", "1", "1.5") if f'class="step">{s}</th>' in sweep[0]] == ["0.6", "1", "1.5"]
    assert sweep[0].count("<figure") == 3
    assert "up to a strength of 1.5, the highest sampled" in sweep[0], "nothing is said of what was not sampled"
    assert len(set(ids := Read(path).ids)) == len(ids)


def test_showings_are_those_of_the_images_that_were_trained_on(watched: Path, tmp_path: Path) -> None:
    training(tmp_path / "images")
    (watched / "run.json").write_text('{"status": "finished", "images": 4, "held_out": 2}')
    (watched / "config.toml").write_text(
        f'output = "{watched}"\n[[data]]\nfolder = "{tmp_path / "images"}"\n[training]\nsteps = 800\nbatch_size = 1\n'
    )
    path = tmp_path / "own.html"
    run(["diagnose", str(watched), "--report", str(path), "--no-cache"])
    assert "<dt>showings of each image</dt><dd>200</dd>" in text_of(path), "800 steps by 4 images, 2 are held out"


def test_a_run_of_checkpoints_only(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "zwx", "diffusers")
    path = tmp_path / "r.html"
    run(["diagnose", str(folder), "--report", str(path), "--no-cache"])
    text = text_of(path)
    assert "<b>sample images</b>" in text
    assert 'id="samples"' not in text
    assert 'id="weights"' in text


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [1200, 390])
def test_a_browser_renders_it_without_a_complaint_or_a_request(page: Path, tmp_path: Path, width: int) -> None:
    script = (
        "const plots = [...document.querySelectorAll('.plot svg')].map((svg) => svg.getBoundingClientRect());"
        "document.title = JSON.stringify([document.documentElement.scrollWidth, innerWidth, plots.length,"
        "Math.min(...plots.map((box) => box.width)), [...document.images].filter((i) => i.complete && !i.naturalWidth)"
        ".length]);"
    )
    found = opened(page, tmp_path, f"--window-size={width},900", script=script)
    assert not found.complaints
    assert not {address for address in found.asked if "example.com" in address}, found.asked
    whole, inner, plots, narrowest, broken = json.loads(found.title)
    assert whole <= inner, "nothing runs out of the page sideways"
    assert plots > 15
    assert narrowest > 250
    assert broken == 0


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_it_is_dark_where_the_reader_is(page: Path, tmp_path: Path) -> None:
    script = (
        "const ground = (name) => getComputedStyle(document.querySelector(name)).backgroundColor;"
        "document.title = JSON.stringify([ground('body'), ground('.card')]);"
    )
    shades = []
    for scheme in (0, 1):  # dark, light
        flag = f"--blink-settings=preferredColorScheme={scheme}"
        colours = json.loads(opened(page, tmp_path, flag, script=script).title)
        shades.append([sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours])
    dark, light = shades
    assert max(dark) < 200
    assert min(light) > 600


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_pointing_at_a_step_tells_every_value_there(page: Path, tmp_path: Path) -> None:
    script = (
        "const axis = document.querySelector('.axis'), box = axis.querySelector('.plot').getBoundingClientRect();"
        "axis.dispatchEvent(new PointerEvent('pointermove', {clientX: box.left + box.width / 2, clientY: 9}));"
        "const row = [...axis.querySelectorAll('[data-at]')].find((r) => r.textContent.includes('training picture'));"
        "document.title = JSON.stringify([document.querySelector('.cross').textContent,"
        "row.querySelector('.now').textContent]);"
    )
    step, value = json.loads(opened(page, tmp_path, script=script).title)
    assert step == "step 400"
    assert value == "100%"
