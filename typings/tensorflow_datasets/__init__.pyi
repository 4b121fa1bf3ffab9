# TensorFlow Datasets without types: it declares wide unions and lazy modules, which every use would
# have to narrow by hand.
from typing import Any

def __getattr__(name: str) -> Any: ...
