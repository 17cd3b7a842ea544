from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """FLUX.1's T5 reads 77 tokens of a caption.

    Why: `text_encoder_2_sequence_length` is 77 unless set; FLUX.1 dev was trained with 512. A longer caption is cut
    there, in training and in previews.
    Instead: raise it to 256 or 512 for captions of more than about 55 words.
    Sources: Nerogar/OneTrainer@23df3832 modules/util/config/TrainConfig.py, modules/dataLoader/FluxBaseDataLoader.py
    line 47; Nerogar/OneTrainer#62, https://github.com/Nerogar/OneTrainer/issues/62

    ```json OneTrainer flagged
    {
      "__version": 11,
      "training_method": "LORA",
      "model_type": "FLUX_DEV_1",
      "base_model_name": "black-forest-labs/FLUX.1-dev",
      "output_model_format": "DIFFUSERS_LORA",
      "learning_rate": 1e-4,
      "lora_rank": 16,
      "lora_alpha": 16,
      "epochs": 60
    }
    ```
    ```json OneTrainer clean
    {
      "__version": 11,
      "training_method": "LORA",
      "model_type": "FLUX_DEV_1",
      "base_model_name": "black-forest-labs/FLUX.1-dev",
      "output_model_format": "DIFFUSERS_LORA",
      "learning_rate": 1e-4,
      "lora_rank": 16,
      "lora_alpha": 16,
      "epochs": 60,
      "text_encoder_2_sequence_length": 512
    }
    ```
    """
    length = plan.get("text_encoder_2_sequence_length")
    if plan.training and str(plan.get("model_type").value) == "FLUX_DEV_1" and length.value == 77:
        yield length.finding(
            "T5 reads the first 77 tokens of a caption, of the 512 that FLUX.1 was trained with",
            "raise `text_encoder_2_sequence_length` for long captions",
            length.write(512, safe=False),
        )
