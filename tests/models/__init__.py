"""Tests of `lora_doctor.models`."""
