"""ONNX files in the lab: traces of networks, which onnxruntime runs and nobody trains."""
