// Drives the callback API with the AWS SDK as it is, and prints what the SDK made of each answer as one JSON object:
//
//   CALLBACK_URL=http://127.0.0.1:8080/chat/dev CONNECTION_ID=… node sdk_callbacks.mjs
//
// Each member is {status} of a success (GET with its fields), or {error, status} with the SDK's class of the failure. The connection is
// closed at the end. MESSAGE is what POST sends (default "from the SDK"), TOO_LARGE the bytes of a body over the limit.

import {
  ApiGatewayManagementApiClient,
  DeleteConnectionCommand,
  GetConnectionCommand,
  PostToConnectionCommand,
} from "@aws-sdk/client-apigatewaymanagementapi";

const endpoint = required("CALLBACK_URL");
const ConnectionId = required("CONNECTION_ID");
const message = process.env.MESSAGE ?? "from the SDK";
const tooLarge = Number(process.env.TOO_LARGE ?? (1 << 20) + 1);
// The same edge, so that the edge itself says that nobody is there.
const unknownId = ConnectionId.slice(0, 4) + "AAAAAAAAAAA=";
const malformedId = "test-connection-123";

const client = new ApiGatewayManagementApiClient({
  endpoint,
  region: "us-east-1",
  credentials: {
    accessKeyId: process.env.AWS_ACCESS_KEY_ID ?? "test",
    secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY ?? "test",
  },
});

const results = {
  post: await outcome(new PostToConnectionCommand({ ConnectionId, Data: message })),
  get: await outcome(new GetConnectionCommand({ ConnectionId })),
  postUnknown: await outcome(new PostToConnectionCommand({ ConnectionId: unknownId, Data: message })),
  getUnknown: await outcome(new GetConnectionCommand({ ConnectionId: unknownId })),
  deleteUnknown: await outcome(new DeleteConnectionCommand({ ConnectionId: unknownId })),
  postMalformed: await outcome(new PostToConnectionCommand({ ConnectionId: malformedId, Data: message })),
  postTooLarge: await outcome(new PostToConnectionCommand({ ConnectionId, Data: "x".repeat(tooLarge) })),
  delete: await outcome(new DeleteConnectionCommand({ ConnectionId })),
  postDeleted: await outcome(new PostToConnectionCommand({ ConnectionId, Data: message })),
};
console.log(JSON.stringify(results, null, 2));
client.destroy();

async function outcome(command) {
  try {
    const { $metadata, ...fields } = await client.send(command);
    return { status: $metadata.httpStatusCode, ...fields };
  } catch (error) {
    return { error: error.name, class: error.constructor.name, message: error.message, status: error.$metadata?.httpStatusCode };
  }
}

function required(name) {
  const value = process.env[name];
  if (!value) {
    console.error(`${name} is not set`);
    process.exit(2);
  }
  return value;
}
