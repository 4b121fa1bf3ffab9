"""Utilities: errors, files, memory of the host, adapters to Keras and TensorFlow."""
