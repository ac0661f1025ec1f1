// A gRPC client as Node programs have it. Usage: node grpc_client.mjs <address> <folder with the .proto files>
// Prints one JSON object with what it got.

import { credentials, loadPackageDefinition, Metadata, status } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const [address, protos] = process.argv.slice(2);
const options = { keepCase: true, longs: String, defaults: false, oneofs: true, includeDirs: [protos] };
const files = ["prediction.proto", "grpc/health/v1/health.proto"];
const { seldon, grpc: { health } } = loadPackageDefinition(loadSync(files, options));
const limits = { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 };
const client = new seldon.protos.Seldon(address, credentials.createInsecure(), limits);
const healthClient = new health.v1.Health(address, credentials.createInsecure());

/** The reply of a unary call and its headers; or its error. */
function call(stub, method, request, { metadata = {}, ...more } = {}) {
  const sent = new Metadata();
  for (const [key, value] of Object.entries(metadata)) sent.set(key, value);
  return new Promise((resolve) => {
    const headers = {};
    const started = stub[method](request, sent, more, (error, reply) =>
      resolve(error ? { code: status[error.code], details: error.details } : { reply, headers }),
    );
    started.on("metadata", (received) => Object.assign(headers, received.getMap()));
  });
}

const row = { data: { names: ["a", "b"], tensor: { shape: [1, 2], values: [1.5, 2] } } };
const large = Buffer.alloc(20_000_000, "x");
const watch = healthClient.Watch({ service: "" });

const results = {
  tensor: await call(client, "Predict", row, { metadata: { "seldon-puid": "mine", seldon: "one", namespace: "here" } }),
  text: await call(client, "Predict", { strData: "grüße" }),
  wrong: await call(client, "Predict", { data: { tensor: { shape: [2, 2], values: [1] } } }),
  unknown: await call(client, "Predict", row, { metadata: { seldon: "nobody" } }),
  late: await call(client, "Predict", { strData: "slow" }, { deadline: Date.now() + 200 }),
  large: (await call(client, "Predict", { binData: large })).reply?.binData.equals(large),
  graph: await call(client, "GraphMetadata", {}),
  check: await call(healthClient, "Check", { service: "seldon.protos.Seldon" }),
  watched: await new Promise((resolve, reject) => watch.once("data", resolve).once("error", reject)),
};
watch.on("error", () => {}).cancel();
client.close();
healthClient.close();
console.log(JSON.stringify(results));
