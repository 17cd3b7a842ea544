from lora_doctor.rule import rule
from lora_doctor.symptoms.course import Course
from lora_doctor.symptoms.verdict import Advice


@rule(level="warning", evidence="documented")
def check(course: Course):
    """The run ended before the LoRA had learned what it could.

    Why: Samples that barely leave the base model's, a held-out loss that still falls, or few showings of each image
    say that there was more to learn. The training loss does not show it: it is noise of the timesteps.
    Instead: Train on from the last checkpoint, or raise the learning rate: the steps to the optimum go down in
    proportion. A LoRA that looks right only above strength 1.3 is under-trained too.
    Sources: spacepxl's rate sweep (steps times rate is constant at the optimum),
    https://github.com/spacepxl/demystifying-sd-finetuning; Klein LoRAs used at 1.5 to 2,
    https://github.com/ostris/ai-toolkit/issues/664; showings per image by model: `lora_doctor/models/families.py`

    ```run flagged
    family = "flux2-klein"
    steps = [0, 100, 200]
    config = '''
    job: extension
    config:
      name: zwx
      process:
        - type: sd_trainer
          training_folder: out
          train: {steps: 200, lr: 0.0001, batch_size: 1}
          model: {name_or_path: black-forest-labs/FLUX.2-klein-base-4B, arch: flux2_klein_4b}
    '''
    [signals]
    response = [0.002, 0.006, 0.01]
    few_exposures = [0, 2, 4]
    ```
    ```run clean
    trainer = "ai-toolkit"
    family = "flux2-klein"
    steps = [0, 1000, 2000]
    [signals]
    response = [0.1, 0.3, 0.5]
    few_exposures = [0, 40, 80]
    heldout_slope = 0.0
    ```
    """
    words, moved, falls = course.words, course.raised("response"), course.raised("heldout_slope")
    reached, shown = course.reached, course.raised("few_exposures")
    parts = [
        f"samples moved {moved.value:.3g} from step 0 (1 is another picture)" if moved else "",
        "the held-out loss still falls" if falls else "",
        f"{shown.value:.0f} showings of each image" if shown else "",
    ]
    yield course.weigh(
        f"there was more to learn: {', '.join(part for part in parts if part)}",
        main=("response", "unlearned", "heldout_slope", "few_exposures"),
        also=("heldout_rise", "fidelity"),
        advice=(
            words.train_to(2 * reached if reached else None, "then look again"),
            words.rate_by(2, "half the steps to the same point"),
        )
        if not course.raised("frozen_samples")
        else (Advice("first see to it that the samples are made with the LoRA"),),
        clean="samples have left the base model's, nothing says that there is more to learn",
        sure=0.8,
    )
