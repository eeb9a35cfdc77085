// What sdk_callbacks.mjs does, with version 2 of the AWS SDK for JavaScript. Same environment, same output, but that it has no class.

process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = "1";
const AWS = require("aws-sdk");

const ConnectionId = required("CONNECTION_ID");
const Data = process.env.MESSAGE ?? "from the SDK";
const tooLarge = Number(process.env.TOO_LARGE ?? (1 << 20) + 1);
// The same edge, so that the edge itself says that nobody is there.
const unknown = ConnectionId.slice(0, 4) + "AAAAAAAAAAA=";
const malformed = "test-connection-123";

const client = new AWS.ApiGatewayManagementApi({
  endpoint: required("CALLBACK_URL"),
  region: "us-east-1",
  accessKeyId: process.env.AWS_ACCESS_KEY_ID ?? "test",
  secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY ?? "test",
});

async function main() {
  const results = {
    post: await outcome(client.postToConnection({ ConnectionId, Data })),
    get: await outcome(client.getConnection({ ConnectionId })),
    postUnknown: await outcome(client.postToConnection({ ConnectionId: unknown, Data })),
    getUnknown: await outcome(client.getConnection({ ConnectionId: unknown })),
    deleteUnknown: await outcome(client.deleteConnection({ ConnectionId: unknown })),
    postMalformed: await outcome(client.postToConnection({ ConnectionId: malformed, Data })),
    postTooLarge: await outcome(client.postToConnection({ ConnectionId, Data: "x".repeat(tooLarge) })),
    delete: await outcome(client.deleteConnection({ ConnectionId })),
    postDeleted: await outcome(client.postToConnection({ ConnectionId, Data })),
  };
  console.log(JSON.stringify(results, null, 2));
}

async function outcome(request) {
  try {
    const fields = await request.promise();
    return { ...fields, status: request.response.httpResponse.statusCode };
  } catch (error) {
    return { error: error.code, message: error.message, status: error.statusCode };
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

main();
