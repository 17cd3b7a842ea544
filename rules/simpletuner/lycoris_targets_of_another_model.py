from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

FLUX2 = (
    "Flux2Attention",
    "Flux2FeedForward",
    "Flux2ParallelSelfAttention",
    "Flux2TransformerBlock",
    "Flux2SingleTransformerBlock",
)
OTHERS = ("Attention", "FeedForward", "FluxTransformerBlock", "FluxSingleTransformerBlock", "ResnetBlock2D")


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """LyCORIS target classes that this model does not have.

    Why: `target_module` names classes of modules. FLUX.2 has its own (`Flux2Attention`, `Flux2FeedForward`,
    `Flux2ParallelSelfAttention`), not the `Attention` and `FeedForward` of other models, and those don't have
    FLUX.2's. A name without a match is passed over in silence; with no match at all there is nothing to train.
    Instead: use the classes in the message.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) documentation/LYCORIS.md, Flux 2 (Klein) module targets;
    helpers/models/flux2/transformer.py; bghira/SimpleTuner#2589

    ```json file lycoris_config.json
    {
      "algo": "lokr", "multiplier": 1.0, "full_matrix": true, "linear_dim": 10000, "linear_alpha": 1,
      "factor": 4, "apply_preset": {"target_module": ["Attention", "FeedForward"]}
    }
    ```
    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "lora_type": "lycoris",
      "lycoris_config": "lycoris_config.json"
    }
    ```
    ```json file lycoris_config.json
    {
      "algo": "lokr", "multiplier": 1.0, "full_matrix": true, "linear_dim": 10000, "linear_alpha": 1,
      "factor": 4,
      "apply_preset": {"target_module": ["Flux2Attention", "Flux2FeedForward", "Flux2ParallelSelfAttention"]}
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "lora_type": "lycoris",
      "lycoris_config": "lycoris_config.json"
    }
    ```
    """
    family = plan.get("model_family").value
    for config in plan.configs if plan.training and family else ():
        targets = config.get("apply_preset.target_module")
        if config.table.name != "lycoris" or not isinstance(targets.value, list):
            continue
        foreign = [name for name in targets.value if (name in OTHERS if family == "flux2" else name in FLUX2)]
        if foreign:
            others = len(foreign) < len(targets.value) or config.get("apply_preset.module_algo_map").value
            none = "they are passed over in silence" if others else "nothing is trained"
            names = ", ".join(f"`{name}`" for name in foreign)
            known = ", ".join(f"`{name}`" for name in FLUX2[:3]) if family == "flux2" else "`Attention`"
            yield targets.finding(f"{family} has no modules of class {names}: {none}", f"use {known}")
