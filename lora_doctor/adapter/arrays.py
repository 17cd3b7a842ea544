"""Weights in and out of numpy: bf16, fp16, fp8, fp32 and fp64, one tensor in memory at a time, without torch."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import IO, Any

import ml_dtypes
import numpy as np

from lora_doctor.adapter.read import AdapterError, AdapterFile, Tensor

Array = Any  # numpy.ndarray; numpy is no dependency of the base install

_DTYPES: dict[str, Any] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "F8_E4M3FNUZ": np.dtype(ml_dtypes.float8_e4m3fnuz),
    "F8_E5M2FNUZ": np.dtype(ml_dtypes.float8_e5m2fnuz),
}
STORED = {"fp32": "F32", "bf16": "BF16", "fp16": "F16", "fp8": "F8_E4M3"}
# From the coarsest to the finest mantissa: a file made of several keeps the finest.
FINENESS = ("F8_E5M2", "F8_E5M2FNUZ", "F8_E4M3", "F8_E4M3FNUZ", "BF16", "F16", "F32", "F64")


def numpy_type(dtype: str) -> Any:
    """numpy's type for a safetensors dtype."""
    return _DTYPES[dtype]


class Weights:
    """An open LoRA file; tensors are read when asked for."""

    def __init__(self, file: AdapterFile) -> None:
        self._start = file.header.start
        self._path = file.path
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Weights:
        self._file = self._path.open("rb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()
            self._file = None

    def raw(self, tensor: Tensor) -> bytearray:
        """A tensor's bytes."""
        begin, end = tensor.info.offsets
        if self._file is None:
            with self._path.open("rb") as file:
                return _read(file, self._start + begin, end - begin)
        return _read(self._file, self._start + begin, end - begin)

    def bits(self, tensor: Tensor) -> Array:
        """A tensor as it is stored, in its own number format."""
        return np.frombuffer(self.raw(tensor), _DTYPES[tensor.info.dtype]).reshape(tensor.info.shape)

    def array(self, tensor: Tensor) -> Array:
        """A tensor in single precision (double where it is stored so)."""
        return widen(self.bits(tensor))


def _read(file: IO[bytes], begin: int, size: int) -> bytearray:
    raw = bytearray(size)
    file.seek(begin)
    if file.readinto(raw) != size:  # type: ignore[attr-defined]
        raise AdapterError("changed while it was read: it is shorter now")
    return raw


def widen(bits: Array) -> Array:
    """Stored numbers in single precision; a bfloat16 is the upper half of a float32."""
    if bits.dtype == _DTYPES["BF16"]:
        return (bits.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    return bits if bits.dtype.itemsize >= 4 and bits.dtype.kind == "f" else bits.astype(np.float32)


def narrow(array: Array, dtype: str) -> Array:
    """Round to a storage format, to the nearest even. Raises AdapterError where a number is too large for it."""
    with np.errstate(over="ignore"):
        stored = array.astype(_DTYPES[dtype])
    if not np.isfinite(stored.astype(np.float32)).all() and np.isfinite(array).all():
        raise AdapterError(f"has numbers too large for {dtype}: choose another --dtype")
    return stored


def payload(make: Callable[[], Array]) -> Callable[[], bytes]:
    """A writer's `data`: make the array when its turn comes, hand over its bytes."""
    return lambda: bytes(np.ascontiguousarray(make()).view(np.uint8).reshape(-1).data)
