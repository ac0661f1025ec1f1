"""The protocol of TensorFlow Serving, and KServe's V1, which has the same paths and the same predictions.

| module       | what it has                                                   |
|--------------|---------------------------------------------------------------|
| `rest`       | predict by rows and by columns, classify, regress             |
| `protobuf`   | `tensorflow.serving.PredictRequest` and `PredictResponse`     |
| `signatures` | what a model takes and gives, and which of its versions run   |

Source: "RESTful API" and the protobuf definitions of TensorFlow Serving; "V1 Inference Protocol" of KServe.
"""
