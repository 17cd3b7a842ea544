from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.recipes import RECIPES
from lora_doctor.rule import Finding, rule

TOLERANCE = 5e-5  # the claim under which the recipe is picked: a change of 0.005 % matters


@rule(level="warning", evidence="contested")
def check(plan: Plan) -> Iterator[Finding]:
    """The learning rate is not that of the recipe this project picked.

    Why: for it: the author of 50+ Klein runs says never to change the rate, not even by 0.005 %. Against it: no other
    source repeats that, write-ups of the same runs give different rates (5e-5, 9.5e-5, 1e-4), rates from 1e-5 to 2e-4
    were trained on Klein 9B without ruin, any schedule changes the rate by 100 %, and bf16 resolves 0.4 %. So this
    speaks only where a project sets `recipe = "klein-fifty-runs"`, or another strict recipe.
    Instead: use the recipe's rate, or leave the recipe.
    Sources: the 50+ runs as retold at https://happyin.space; Calvin Herbst, Medium, February 2026 (film-texture LoRAs);
    against: lora-atelier's Klein 9B runs at 1e-5, 5e-5 and 2e-4; spacepxl,
    https://github.com/spacepxl/demystifying-sd-finetuning

    ```toml lora-doctor flagged
    recipe = "klein-fifty-runs"
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [optimizer]
    learning_rate = 1e-4
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [optimizer]
    learning_rate = 1e-4
    ```
    """
    recipe, rate = RECIPES.get(plan.recipe.value or ""), plan.learning_rate
    if not plan.training or recipe is None or not recipe.strict or not recipe.learning_rate:
        return
    if isinstance(rate.value, (int, float)) and abs(rate.value / recipe.learning_rate - 1) > TOLERANCE:
        yield rate.finding(
            f"learning rate {rate.value:g}; the recipe `{recipe.id}` trains at {recipe.learning_rate:g}",
            "use it, or leave the recipe",
            rate.write(recipe.learning_rate, safe=False),
        )
