"""`accelerate launch -m lora_doctor.train CONFIG`: the command, as torchrun and accelerate start modules."""

import runpy
import sys

sys.argv.insert(1, "train")
runpy.run_module("lora_doctor", run_name="__main__")
