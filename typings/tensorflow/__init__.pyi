# TensorFlow without types. The stubs that pyright brings for it describe Keras 3, where `tf.keras`
# is Keras 2 here, and would report errors in code that is right.
from typing import Any

def __getattr__(name: str) -> Any: ...
