"""The Open Inference Protocol V2: JSON, JSON with binary tensors, and protobuf ⇄ `Message`, for servers and clients.

| module      | what it has                                                                  |
|-------------|------------------------------------------------------------------------------|
| `datatypes` | BOOL … BF16 and BYTES: elements as bytes or as JSON values ⇄ arrays          |
| `inference` | what every form of a request or a reply holds, and the way from and to Message |
| `rest`      | JSON, with the tensors in it or behind it                                    |
| `protobuf`  | `inference.ModelInferRequest` and `ModelInferResponse`                       |
| `metadata`  | what a model says of its inputs and outputs                                  |

Source: "Open Inference Protocol", REST and gRPC, and Triton's "Binary Tensor Data Extension".
"""
