from collections.abc import Iterator
from typing import Any

from lora_doctor.derived import effective_batch, optimizer_family
from lora_doctor.plan import Plan
from lora_doctor.recipes import RECIPES, Recipe
from lora_doctor.rule import Finding, rule
from lora_doctor.setting import Setting


@rule(level="note", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """A value differs from the published recipe this project picked.

    Why: a recipe is a set of values that were seen to work together (SANA: 1e-4, 500 steps, effective batch 4, bf16,
    8-bit AdamW, constant without warm-up). Changing one is fine; not noticing it is not.
    Instead: keep it if it is meant. Without `recipe` nothing is compared.
    Sources: each recipe's own, in `lora_doctor/recipes/`; huggingface/diffusers@58eb52c0
    examples/dreambooth/README_sana.md

    ```toml lora-doctor flagged
    recipe = "sana"
    output = "runs/zwx"
    [model]
    path = "Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers"
    [adapter]
    rank = 4
    [training]
    steps = 7000
    accumulation = 4
    ```
    ```toml lora-doctor clean
    recipe = "sana"
    output = "runs/zwx"
    [model]
    path = "Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers"
    [adapter]
    rank = 4
    [training]
    steps = 500
    accumulation = 4
    ```
    """
    recipe = RECIPES.get(plan.recipe.value or "")
    if not plan.training or recipe is None or (plan.model.family and plan.model.family != recipe.family):
        return
    for setting, wanted, name in _compared(plan, recipe):
        if setting.written and wanted is not None and setting.value != wanted:
            yield setting.finding(f"{name} {setting.value}; the recipe `{recipe.id}` has {wanted}")
    batch = effective_batch(plan)
    if recipe.batch and batch and batch != recipe.batch and plan.batch_size.written:
        yield plan.batch_size.finding(f"effective batch {batch}; the recipe `{recipe.id}` has {recipe.batch}")


def _compared(plan: Plan, recipe: Recipe) -> list[tuple[Setting[Any], Any, str]]:
    rate = None if recipe.strict else recipe.learning_rate  # strict ones have a rule of their own
    family = optimizer_family(recipe.optimizer)
    return [
        (plan.learning_rate, rate, "learning rate"),
        (plan.network.rank, recipe.rank, "rank"),
        (plan.network.alpha, recipe.alpha, "alpha"),
        (plan.steps, recipe.steps, "steps"),
        (plan.optimizer.weight_decay, recipe.weight_decay, "weight decay"),
        (plan.optimizer.scheduler, recipe.scheduler, "schedule"),
        (plan.optimizer.warmup_steps, recipe.warmup_steps, "warm-up steps"),
        (plan.precision.compute, recipe.precision, "precision"),
        (plan.optimizer.name.map(optimizer_family), family, "optimiser"),
    ]
