"""What has no dependency on ranking: errors, files, memory of the host, TensorFlow helpers."""
