"""Requests that TF Serving plays when it loads a version, before it answers anyone."""

from pathlib import Path

import tensorflow as tf

from tfvae.export.check import Calls

__all__ = ["check_installed", "write_warmup"]

_NAME = "tf_serving_warmup_requests"


def check_installed() -> None:
    """Finds out before the work what would stop it after.

    Raises:
        ImportError: If tensorflow-serving-api is not installed.
    """
    try:
        from tensorflow_serving.apis import prediction_log_pb2  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "Warm-up requests are written with tensorflow-serving-api: "
            f"pip install 'tfvae[serving]' ({error})."
        ) from error


def write_warmup(assets: Path, model: str, inputs: Calls) -> None:
    """Writes one request for each call, as `PredictionLog` records.

    Args:
        assets: The `assets.extra` of the SavedModel.
        model: The name that the model is served under.
        inputs: Inputs of several calls of each signature.

    Reference: TensorFlow Serving, "SavedModel warmup",
    https://www.tensorflow.org/tfx/serving/saved_model_warmup.
    """
    check_installed()
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    with tf.io.TFRecordWriter(str(assets / _NAME)) as writer:
        for signature, calls in inputs.items():
            for call in calls:
                request = predict_pb2.PredictRequest()
                request.model_spec.name = model
                request.model_spec.signature_name = signature
                for name, value in call.items():
                    request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
                log = prediction_log_pb2.PredictLog(request=request)
                record = prediction_log_pb2.PredictionLog(predict_log=log)
                writer.write(record.SerializeToString())
