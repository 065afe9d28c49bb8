"""The inference script of the guide that Skerry takes over from, as the peer of our measurements.

Flask and ONNX Runtime, as people deploy it. Its faults are mended, so that it gives right answers at all: softmax is
defined, the tensor is float32, and labels are in the order in which ImageFolder sorts the classes. What it costs is left
alone. Run by gunicorn: bench/serve.py does.

    MODEL=resnet18.onnx gunicorn -w 1 --threads 4 -b 127.0.0.1:5002 score:app
"""

import io
import os

import numpy as np
import onnxruntime as ort
from flask import Flask, jsonify, request
from PIL import Image

LABELS = ["defect", "ok"]

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
app = Flask(__name__)
session = ort.InferenceSession(os.environ["MODEL"], providers=["CPUExecutionProvider"])
input_name = session.get_inputs()[0].name


def softmax(x):
    e = np.exp(x - np.max(x))
    return e / e.sum()


def preprocess(image_bytes):
    image = Image.open(io.BytesIO(image_bytes)).convert("RGB")
    image = image.resize((224, 224))
    array = np.array(image).astype(np.float32) / 255.0
    mean = np.array([0.485, 0.456, 0.406], dtype=np.float32)
    std = np.array([0.229, 0.224, 0.225], dtype=np.float32)
    array = (array - mean) / std
    array = np.transpose(array, (2, 0, 1))
    return np.expand_dims(array, axis=0).astype(np.float32)


@app.route("/predict", methods=["POST"])
def predict():
    if "image" not in request.files:
        return jsonify({"error": "No image provided"}), 400
    tensor = preprocess(request.files["image"].read())
    scores = session.run(None, {input_name: tensor})[0][0]
    probabilities = softmax(scores)
    best = int(np.argmax(probabilities))
    return jsonify({
        "prediction": LABELS[best],
        "confidence": float(probabilities[best]),
        "probabilities": {label: float(p) for label, p in zip(LABELS, probabilities)},
    })


@app.route("/health")
def health():
    return jsonify({"status": "healthy"})
