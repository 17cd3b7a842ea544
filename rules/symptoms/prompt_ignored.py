from lora_doctor.rule import rule
from lora_doctor.symptoms.course import Course
from lora_doctor.symptoms.verdict import Advice


@rule(level="error", evidence="documented")
def check(course: Course):
    """Different prompts give much the same picture.

    Why: Where captions are alike, or a few images were shown too often, the picture comes to hang on the LoRA and no
    longer on the words. Same seeds and different prompts then give pictures that grow alike.
    Instead: Captions that say what differs between the images come first, then caption dropout and fewer steps. A
    lower rank is a weak remedy: between ranks 8 and 128 the best held-out loss differs by 0.2 %.
    Sources: Somepalli et al. 2023, https://arxiv.org/abs/2305.20086; spacepxl's rank sweep,
    https://github.com/spacepxl/demystifying-sd-finetuning; T-LoRA, https://arxiv.org/abs/2507.05964

    ```run flagged
    trainer = "musubi-tuner"
    family = "flux2-klein"
    steps = [0, 500, 1000]
    [signals]
    sameness = [0, 0.2, 0.4]
    diversity = [1, 0.6, 0.35]
    captions_alike = 0.95
    ```
    ```run clean
    trainer = "musubi-tuner"
    family = "flux2-klein"
    steps = [0, 500, 1000]
    [signals]
    sameness = [0, 0.02, 0.03]
    diversity = [1, 0.95, 0.95]
    captions_alike = 0.1
    ```
    """
    words, same = course.words, course.raised("sameness")
    alike = course.raised("captions_alike")
    first = "say in every caption what is different about its image"
<<<<<<< HEAD
    told = "samples of different prompts have grown alike: the prompt hardly matters any more"
    if course.raised("prompt_retrieval") and same is None:
        told = "samples show less of what their prompts ask for than at step 0: the prompt hardly matters any more"
    yield course.weigh(
        told,
        main=("sameness", "prompt_sensitivity", "prompt_retrieval", "prompt_alignment"),
        also=("diversity", "encoder_diversity", "captions_alike", "copied_share"),
=======
    main = ("sameness", "prompt_sensitivity")
    if course.purpose != "style":  # which changes every picture, and what prompts differ in
        main += ("moved", "prompt_effect")
    yield course.weigh(
        "samples of different prompts have grown alike: the prompt hardly matters any more",
        main=main,
        also=("diversity", "captions_alike", "copied_share"),
>>>>>>> 46545fc (diagnose: prompts' own effect, pictures at higher strength, micro SDXL and SANA known as such; limits and figures from 453 labelled runs of three families)
        advice=(
            Advice(f"{first}: {alike.value:.0%} of the captions say the same" if alike else first),
            words.set("dataset.caption_dropout", 0.1, "the picture must be learned apart from one sentence"),
            words.stop_at(course.before(same.since if same else None), "the last step at which prompts told apart"),
            words.set("network.rank", course.halved("network.rank"), "the last thing to try"),
        ),
        clean="different prompts give different pictures",
    )
