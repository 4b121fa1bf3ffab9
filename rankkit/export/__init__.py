"""Export of trained models to SavedModel and TensorFlow Lite, checked for equal scores."""

from rankkit.export.load import load
from rankkit.export.parity import max_abs_difference
from rankkit.export.saved_model import SavedModelScorer, save
from rankkit.export.tflite import TFLiteScorer, to_tflite

__all__ = ["SavedModelScorer", "TFLiteScorer", "load", "max_abs_difference", "save", "to_tflite"]
