// A backend that knows Sallyport by its subjects alone, on the NATS client for JavaScript:
//
//   NATS_URL=nats://127.0.0.1:4222 ROUTE=chat.dev.ws.echo node nats_backend.mjs
//
// It serves one route in the queue group QUEUE (default "foreign"). For each event it pushes {"pushed": payload} to the connection, takes
// the status of that push, and answers with {"echo": payload, "context": Sallyport-Context, "push": status}. It prints "ready", then one line per
// event, and ends on SIGTERM, or after EVENTS of them.

import { connect, headers } from "@nats-io/transport-node";

const prefix = process.env.SALLYPORT_PREFIX ?? "sallyport";
const route = process.env.ROUTE;
if (!route) {
  console.error("ROUTE is not set");
  process.exit(2);
}
let left = Number(process.env.EVENTS ?? Infinity);

const nc = await connect({ servers: process.env.NATS_URL ?? "nats://127.0.0.1:4222", name: "foreign backend" });
const subscription = nc.subscribe(`${prefix}.${route}`, { queue: process.env.QUEUE ?? "foreign" });
for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => subscription.drain());
await nc.flush();
console.log("ready");

for await (const event of subscription) {
  const context = JSON.parse(event.headers.get("Sallyport-Context"));
  const payload = event.string();
  let push;
  if (context.eventType === "MESSAGE") {
    const subject = `${prefix}.${context.apiId}.${context.stage}.@connections.${context.connectionId}`;
    const answer = await nc.request(subject, JSON.stringify({ pushed: payload }), { timeout: 5000 });
    push = Number(answer.headers.get("Sallyport-Status"));
  }
  const reply = headers();
  reply.set("Sallyport-Status", "200");
  reply.set("Content-Type", "application/json");
  event.respond(JSON.stringify({ echo: payload, context, push }), { headers: reply });
  console.log(`${context.eventType} ${context.routeKey}`);
  if (--left <= 0) subscription.drain();
}
await nc.close();
