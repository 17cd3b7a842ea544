"""Training on pairs: what belongs together, what is refused, what is shown, from the config to the checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from lora_doctor.dataset.beside import partners
from lora_doctor.dialects import recognise
from lora_doctor.dialects.reader import Reader
from lora_doctor.source.document import SourceError
from lora_doctor.source.read import read_file
from lora_doctor.train.captions import control_dropped, shown_caption
from lora_doctor.train.edits import edits
from lora_doctor.train.folder import RunFolder, read_rows
from lora_doctor.train.images import items_of, read_pictures
from lora_doctor.train.job import Adapter, Edit, Growth, Job, Memory, Validation
from lora_doctor.train.preflight import preflight
from lora_doctor.train.resolve import resolve
from lora_doctor.train.run import End
from lora_doctor.train.sampler import Shown
from lora_doctor.train.start import train
from lora_doctor.train.targets import UnfitError
from lora_doctor.train.toml import as_toml
from lora_doctor.train.validation import Samples
from lora_doctor.train.watch import Watchers

from .running import make_images, run, saved, small_job
from .test_growth import assembled
from .test_resolve import own


def edit_job(folder: Path, model: Path, family: str = "flux2-klein", **changes: Any) -> Job:
    """Eight pairs of 64 px, control images of the same names in `before`."""
    job = small_job(folder, model, family, **changes)
    make_images(folder / "before")
    for path in (folder / "before").glob("*.png"):
        with Image.open(path) as image:
            turned = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        turned.save(path)
        path.with_suffix(".txt").unlink()
    return job._replace(data=(job.data[0]._replace(control=(folder / "before",)),))


def drawn(job: Job) -> End:
    return train(job, Watchers((Samples(lambda _: None),)), lambda _: None)


@pytest.mark.parametrize(("family", "place"), [("flux2-klein", "transformer"), ("sdxl", "unet")])
def test_an_edit_is_trained_and_shown(
    family: str, place: str, klein_folder: Path, sdxl_folder: Path, tmp_path: Path
) -> None:
    job = edit_job(tmp_path, {"flux2-klein": klein_folder, "sdxl": sdxl_folder}[family], family)
    assert drawn(job).status == "finished"
    tensors = saved(job, 4)
    assert any(value.abs().sum() > 0 for key, value in tensors.items() if key.startswith(place) and "lora_B" in key)
    assert ("unet.conv_in.lora_A.weight" in tensors) is (family == "sdxl")
    rows = read_rows(RunFolder(job.output).samples)
    assert {row["kind"] for row in rows} >= {"training", "novel"}
    assert all(row["control"] for row in rows if row["kind"] != "unrelated")
    for name in {name for row in rows for name in row.get("control", ())}:
        with Image.open(job.output / name) as image:
            assert image.size == (64, 64)


def test_control_images_grow_with_their_images(klein_folder: Path, tmp_path: Path) -> None:
    """Both sides are of the size trained at, and what is shown and measured of the last one."""
    growth = Growth((64,), (2,))
    job = edit_job(tmp_path, klein_folder, growth=growth)
    for folder in ("images", "before"):
        for path in (tmp_path / folder).glob("*.png"):
            with Image.open(path) as image:
                larger = image.resize((128, 128), Image.Resampling.NEAREST)
            larger.save(path)
    job = job._replace(data=(job.data[0]._replace(resolution=(128,)),))
    fed = assembled(job)
    (first,), (last,) = fed.steps(0), fed.steps(2)
    fed.steps.close()
    for batch, side in ((first, 8), (last, 16)):
        assert batch.latents.shape[-2:] == batch.prompts["control_0"].shape[-2:] == (side, side)
    assert fed.items[0].prompts["control_0"].shape[-1] == 16
    assert drawn(job).status == "finished"
    assert {row["resolution"] for row in read_rows(RunFolder(job.output).log) if "loss" in row} == {64, 128}


def test_going_on_ends_where_one_run_ends(klein_folder: Path, tmp_path: Path) -> None:
    whole = edit_job(tmp_path / "one", klein_folder)
    run(whole)
    half = whole._replace(output=tmp_path / "two")
    run(half._replace(training=half.training._replace(steps=2)))
    train(half, Watchers(), lambda _: None, RunFolder(half.output).checkpoint(2))
    for key, value in saved(whole, 4).items():
        assert torch.equal(value, saved(half, 4)[key]), key


def test_without_a_cache_it_is_the_same(klein_folder: Path, tmp_path: Path) -> None:
    job = edit_job(tmp_path, klein_folder)
    run(job)
    bare = job._replace(output=tmp_path / "bare", memory=Memory(False, cache_latents=False, cache_text=False))
    run(bare)
    for key, value in saved(job, 4).items():
        assert torch.allclose(value, saved(bare, 4)[key], atol=1e-6), key


def test_a_changed_control_image_is_encoded_anew(klein_folder: Path, tmp_path: Path) -> None:
    job = edit_job(tmp_path, klein_folder)
    job = job._replace(memory=job.memory._replace(cache_folder=tmp_path / "cache"))
    run(job)
    count = len(list((tmp_path / "cache" / "control").rglob("*.safetensors")))
    assert count == 8
    Image.new("RGB", (64, 64), "red").save(tmp_path / "before" / "3.png")
    run(job._replace(output=tmp_path / "again"))
    assert len(list((tmp_path / "cache" / "control").rglob("*.safetensors"))) == count + 1


def test_control_images_keep_their_own_shape_on_klein_only(
    klein_folder: Path, sdxl_folder: Path, tmp_path: Path
) -> None:
    job = edit_job(tmp_path, klein_folder)
    job = job._replace(data=(job.data[0]._replace(resolution=(128,)),))
    Image.effect_noise((300, 200), 50).convert("RGB").save(tmp_path / "before" / "0.png")
    wide = [item for item in items_of(job, read_pictures(job).pictures) if item.picture.path.stem == "0"]
    assert [(view.size, view.scaled) for view in wide[0].views] == [((152, 104), (156, 104))]
    on_sdxl = job._replace(model=job.model._replace(path=sdxl_folder, family="sdxl"))
    (view,) = items_of(on_sdxl, read_pictures(on_sdxl).pictures)[0].views
    assert view.size == (64, 64)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["a.png", "b.jpg"], ["a.png"]),
        (["a_1.png", "a_0.png", "ab_2.png"], ["a_0.png", "a_1.png"]),
        (["a_10.png", "a_9.png"], ["a_9.png", "a_10.png"]),
        (["deep/a.png"], []),
        (["A.png"], []),
    ],
)
def test_partners_have_the_targets_name(names: list[str], found: list[str]) -> None:
    assert partners(names)("a.webp") == found


def test_partners_in_sub_folders() -> None:
    assert partners(["x/a.png", "y/a.png"])("y/a.webp") == ["y/a.png"]
    assert partners(["a.png"])("y/a.webp") == ["a.png"]


def test_an_image_without_its_control_image_is_refused(klein_folder: Path, tmp_path: Path) -> None:
    job = edit_job(tmp_path, klein_folder)
    (tmp_path / "before" / "2.png").rename(tmp_path / "before" / "two.png")
    with pytest.raises(SourceError, match=r"1 of 8 images have no control image of their name in .*before: 2.png"):
        read_pictures(job)


def test_spare_and_broken_control_images_are_told(klein_folder: Path, tmp_path: Path) -> None:
    job = edit_job(tmp_path, klein_folder)
    (tmp_path / "before" / "3.png").write_bytes(b"no image")
    Image.new("RGB", (64, 64)).save(tmp_path / "before" / "x.png")
    found = read_pictures(job)
    assert len(found.pictures) == 7
    assert "3.png (has the control image before/3.png" in found.notes[0]
    assert "1 image in" in found.notes[1]
    assert "without a target, not used: x.png" in found.notes[1]


def test_what_the_pipeline_would_refuse_is_refused(klein_folder: Path, tmp_path: Path) -> None:
    job = edit_job(tmp_path, klein_folder)
    Image.new("RGB", (60, 64)).save(tmp_path / "before" / "0.png")
    with pytest.raises(SourceError, match=r"0.png can't be a control image of FLUX.2 Klein \(60x64 px\)"):
        items_of(job, read_pictures(job).pictures)


@pytest.mark.parametrize(
    ("family", "change", "sentence"),
    [
        ("sana", {}, r"`data.0.control`.*SANA has no pipeline that edits images"),
        ("flux2-klein", {"edit": Edit(0.1)}, r"`edit.control_dropout`.*never left out"),
        ("sdxl", {"adapter": Adapter("lokr", rank=2)}, r"`adapter.kind`.*lokr can't hold the new weights"),
    ],
)
def test_models_say_what_they_cannot(
    family: str, change: dict[str, Any], sentence: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue({"flux2-klein": "klein_folder"}.get(family, f"{family}_folder"))
    with pytest.raises(UnfitError, match=sentence):
        preflight(edit_job(tmp_path, model, family, **change))


def test_sdxl_is_shown_one_image(sdxl_folder: Path, tmp_path: Path) -> None:
    job = edit_job(tmp_path, sdxl_folder, "sdxl")
    both = job._replace(data=(job.data[0]._replace(control=(tmp_path / "before", tmp_path / "before")),))
    with pytest.raises(UnfitError, match="is shown one control image"):
        preflight(both)


def test_captions_and_images_are_left_out_as_instructpix2pix_was_trained() -> None:
    """Of 100: five without the caption, five without the image, five without both (to 1 of 100)."""
    shown = [Shown(item, epoch, 0) for item in range(100) for epoch in range(200)]
    texts = [shown_caption(("x",), each, 0.1, 5) == "" for each in shown]
    blank = [control_dropped(each, 0.1, 0.1, 5) for each in shown]
    both = [(t, b) for t, b in zip(texts, blank)]
    for kind in ((True, False), (False, True), (True, True)):
        assert both.count(kind) / len(both) == pytest.approx(0.05, abs=0.01)
    assert not any(control_dropped(each, 0.05, 0.0, 5) for each in shown)


def test_sdxl_leaves_images_out_by_default(sdxl_folder: Path, klein_folder: Path, tmp_path: Path) -> None:
    make_images(tmp_path / "images"), make_images(tmp_path / "before")
    text = f"[[data]]\nfolder = {str(tmp_path / 'images')!r}\ncontrol = {str(tmp_path / 'before')!r}\n"
    told = {"output": str(tmp_path / "run"), "training.steps": 1}
    job = resolve(own(text), {"model.path": str(sdxl_folder), **told})
    assert (job.edit.control_dropout, job.captions.dropout) == (0.1, 0.1)
    assert resolve(own(as_toml(job)), {})._replace(reasons={}) == job._replace(reasons={})
    said = resolve(own(text + "[captions]\ndropout = 0\n"), {"model.path": str(sdxl_folder), **told})
    assert said.captions.dropout == 0
    assert resolve(own(text), {"model.path": str(klein_folder), **told}).edit.control_dropout is None


def test_held_out_pairs_are_drawn_before_exchanged_ones(klein_folder: Path, tmp_path: Path) -> None:
    items = items_of(job := edit_job(tmp_path, klein_folder), read_pictures(job).pictures)
    slots = {shown.slot.name: shown for shown in edits(items[:6], items[6:], ["make it red"])}
    assert slots["novel-0"].item == items[6]
    assert slots["user-0"].item == items[6]
    turned = {shown.slot.name: shown for shown in edits(items, [], ())}
    assert turned["novel-0"].slot.prompt == items[0].picture.caption
    assert turned["novel-0"].item == items[1]


def test_probes_without_held_out_images(klein_folder: Path, tmp_path: Path) -> None:
    from lora_doctor.train.monitors import Monitors

    job = edit_job(tmp_path, klein_folder, validation=Validation(every_steps=0, held_out=0))
    run(job, [Monitors(lambda _: None)])
    rows = read_rows(RunFolder(job.output).monitors)
    assert any(row.get("set") == "shifted" for row in rows)
    asked = [row for row in rows if row["monitor"] == "prompts"]
    assert asked
    assert all(row["sensitivity"] is not None and row["leakage"] is None for row in asked)


CONFIGS = {
    "ai-toolkit": (
        "config.yaml",
        "job: extension\nconfig:\n  name: zwx\n  process:\n    - type: diffusion_trainer\n      training_folder: out\n"
        "      datasets:\n        - folder_path: {images}\n          control_path: {before}\n"
        "          resolution: [64]\n"
        "      network:\n        type: lora\n        linear: 4\n        linear_alpha: 4\n"
        "      train:\n        lr: 1e-4\n        steps: 4\n        noise_scheduler: flowmatch\n"
        "      model:\n        arch: flux2_klein_4b\n        name_or_path: black-forest-labs/FLUX.2-klein-base-4B\n",
    ),
    "diffusion-pipe": (
        "config.toml",
        'output_dir = "out"\ndataset = "{folder}/dataset.toml"\nepochs = 1\nsave_every_n_epochs = 1\n[model]\n'
        'type = "flux2"\ndiffusion_model = "/models/flux-2-klein-base-4b.safetensors"\ndtype = "bfloat16"\n'
        '[adapter]\ntype = "lora"\nrank = 4\n[optimizer]\ntype = "adamw"\nlr = 1e-4\n',
    ),
    "musubi-tuner": (
        "run.sh",
        "accelerate launch src/musubi_tuner/flux_2_train_network.py --model_version klein-base-4b --dit a.safetensors "
        "--vae v.safetensors --text_encoder t.safetensors --dataset_config {folder}/musubi.toml "
        "--network_module networks.lora_flux_2 --network_dim 4 --learning_rate 1e-4 --max_train_steps 4 "
        "--output_dir out --output_name zwx\n",
    ),
    "SimpleTuner": (
        "config.json",
        '{{"model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "lora_rank": 4, '
        '"learning_rate": 1e-4, "max_train_steps": 4, "output_dir": "out", '
        '"data_backend_config": "{folder}/backends.json"}}',
    ),
}
BESIDE = {
    "dataset.toml": 'resolutions = [64]\n[[directory]]\npath = "{images}"\ncontrol_path = "{before}"\n',
    "musubi.toml": '[general]\nresolution = [64, 64]\ncaption_extension = ".txt"\n[[datasets]]\n'
    'image_directory = "{images}"\ncontrol_directory = "{before}"\ncache_directory = "{folder}/cache"\n',
    "backends.json": '[{{"id": "after", "type": "local", "dataset_type": "image", "instance_data_dir": "{images}", '
    '"caption_strategy": "textfile", "resolution": 64, "resolution_type": "pixel", "conditioning_data": "before"}}, '
    '{{"id": "before", "type": "local", "dataset_type": "conditioning", "instance_data_dir": "{before}", '
    '"conditioning_type": "reference_strict"}}, '
    '{{"id": "text", "type": "local", "dataset_type": "text_embeds", "default": true, "cache_dir": "c"}}]',
}


@pytest.mark.parametrize("trainer", CONFIGS)
def test_other_trainers_pairs_become_ours(
    trainer: str, klein_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_images(tmp_path / "images"), make_images(tmp_path / "before")
    paths = {"images": str(tmp_path / "images"), "before": str(tmp_path / "before"), "folder": str(tmp_path)}
    for name, text in (*BESIDE.items(), CONFIGS[trainer]):
        (tmp_path / name).write_text(text.format(**paths))
    document = read_file(tmp_path / CONFIGS[trainer][0])
    known = recognise(document)
    assert known is not None
    assert trainer == known[0].TRAINER
    (plan,) = (each for each in known[0].read(document, known[1], Reader()) if each.training)
    job = resolve(plan, {"model.path": str(klein_folder), "output": str(tmp_path / "run"), "training.steps": 2})
    assert job.data[0].control == (tmp_path / "before",)
    assert len(job.data) == 1
    assert len(job.data[0].names) == 8
    items = items_of(job, read_pictures(job).pictures)
    assert all(len(item.views) == 1 for item in items)
    assert json.loads(json.dumps(as_toml(job))).count("control = ") == 1


def test_control_images_below_the_targets_are_no_targets(klein_folder: Path, tmp_path: Path) -> None:
    make_images(tmp_path / "images"), make_images(tmp_path / "images" / "before")
    text = f"[[data]]\nfolder = {str(tmp_path / 'images')!r}\ncontrol = {str(tmp_path / 'images' / 'before')!r}\n"
    told = {"model.path": str(klein_folder), "output": str(tmp_path / "run"), "training.steps": 1}
    assert len(resolve(own(text), told).data[0].names) == 8


def test_edits_of_training_pairs_are_no_copies(klein_folder: Path, tmp_path: Path, call: Callable[..., Any]) -> None:
    """On the page they stand beside what they were made from; without that, the same pictures would be copies."""
    job = edit_job(tmp_path, klein_folder)
    assert drawn(job).status == "finished"
    folder = RunFolder(job.output)
    rows = read_rows(folder.samples)
    for row in rows:
        if row["step"] == 4 and row["kind"] == "training":
            number = row["prompt"].rpartition(" ")[2]
            (job.output / row["file"]).write_bytes((tmp_path / "images" / f"{number}.png").read_bytes())
    call("diagnose", str(job.output), "--report", str(tmp_path / "page.html"))
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count('<figure class="control">') >= 4
    assert "made from" in page
    assert 'class="cell copied"' not in page
    bare = [json.dumps({key: value for key, value in row.items() if key != "control"}) for row in rows]
    folder.samples.write_text("\n".join(bare) + "\n")
    call("diagnose", str(job.output), "--report", str(tmp_path / "page.html"))
    assert 'class="cell copied"' in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_flags_alone_train_an_edit(klein_folder: Path, tmp_path: Path, call: Callable[..., Any]) -> None:
    make_images(tmp_path / "images")
    make_images(tmp_path / "before")
    (tmp_path / "before" / "spare.png").write_bytes((tmp_path / "before" / "0.png").read_bytes())
    flags = ["--data", "images", "--control", "before", "--model", klein_folder, "--steps", "4", "--resolution", "64"]
    told = call("train", *flags, "--output", "run", "--dry-run", "--no-preflight")
    assert told.code == 0
    assert "control     64x64: 6" in told.out
    assert "without a target, not used: spare.png" in told.out
    refused = call("train", *flags[:2], "--control", "nowhere", *flags[4:], "--output", "run", "--dry-run")
    assert refused.code == 2
    assert "--control nowhere" in refused.err


def test_swapped_folders_stop_training(klein_folder: Path, tmp_path: Path, call: Callable[..., Any]) -> None:
    make_images(tmp_path / "before")
    make_images(tmp_path / "after")
    config = f'output = "run"\n[model]\npath = {str(klein_folder)!r}\n[[data]]\nfolder = "before"\ncontrol = "after"\n'
    (tmp_path / "run.toml").write_text(config + "[training]\nsteps = 1\n[buckets]\nresolution = 64\n")
    refused = call("train", "run.toml")
    assert refused.code == 1
    assert "error[pairs-swapped]" in refused.out
    (tmp_path / "run.toml").write_text(
        config.replace("before", "x").replace("after", "before").replace("x", "after") + "[training]\nsteps = 1\n"
    )
    assert "pairs-swapped" not in call("lint", "run.toml").out
    (tmp_path / "before" / "3.png").unlink()
    assert "error[pairs-do-not-match]" in call("lint", "run.toml").out
