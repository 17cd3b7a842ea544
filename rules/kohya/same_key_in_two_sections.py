from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, Place, rule

MANY = 8  # alternatives in one file, one a section


@rule(level="warning", evidence="reproduced", trainer="sd-scripts")
def check(plan: Plan) -> Iterator[Finding]:
    """A key stands in two sections of the config file.

    Why: the names of sections mean nothing to sd-scripts: all keys fall into one heap, and of two equal ones the later
    counts.
    Instead: keep one of them.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py line 4740 `read_config_from_file`,
    https://github.com/kohya-ss/sd-scripts

    ```toml sd-scripts flagged
    [model]
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    [network]
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    [trial]
    network_dim = 64
    ```
    ```toml sd-scripts clean
    [model]
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    [network]
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    ```
    """
    found = list(_repeated(plan))
    if len(found) <= MANY:
        yield from found
        return
    names = ", ".join(f"`{finding.key}`" for finding in found[:3])
    yield found[0]._replace(
        message=f"{len(found)} keys stand in several sections ({names}...): they are flattened, and the last counts",
        action="make a file of each alternative",
    )


def _repeated(plan: Plan) -> Iterator[Finding]:
    for config in plan.configs:
        document, first = config.document, dict[str, tuple[str | int, ...]]()
        if document.syntax != "toml" or config.table.name == "dataset" or not plan.training:
            continue
        for path, entry in document.entries.items():
            if not path or isinstance(entry.value, dict) or len(path) > 2 or isinstance(path[-1], int):
                continue
            name = str(path[-1])
            if name in first and first[name] != path and name in config.settings:
                earlier = document.entries[first[name]]
                place = Place(document, earlier.span, first[name])
                again = f"`{name}` stands again further down ({entry.value})"
                message = f"{again}: sections are flattened, and the later one counts"
                yield Finding(place, message, "keep one of them", name, earlier.value)
            first[name] = path
