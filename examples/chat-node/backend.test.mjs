import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { backend } from "./backend.mjs";

// A gateway's callback endpoint: it keeps the pushes of each connection and answers 410 for those that have ended.
const pushes = new Map();
const ended = new Set();
const arrived = []; // functions that wait for the next push
const gateway = createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  const id = decodeURIComponent(request.url.match(/@connections\/(.+)$/)[1]);
  if (ended.has(id)) {
    response.writeHead(410, { "x-amzn-ErrorType": "GoneException" }).end();
    return;
  }
  pushes.set(id, [...(pushes.get(id) ?? []), JSON.parse(body)]);
  response.end();
  for (const wake of arrived.splice(0)) wake();
});

let server;
let url;
before(async () => {
  gateway.listen(0, "127.0.0.1");
  await once(gateway, "listening");
  server = backend({ endpoint: `http://127.0.0.1:${gateway.address().port}` });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${server.address().port}`;
});
after(() => {
  for (const s of [server, gateway]) {
    s.close();
    s.closeAllConnections();
  }
});

async function event(connectionId, routeKey, body = "") {
  const response = await fetch(url, { method: "POST", headers: { connectionId, routeKey }, body: typeof body === "string" ? body : JSON.stringify(body) });
  const text = await response.text();
  return { status: response.status, reply: text && JSON.parse(text) };
}

// pushed waits until a push that satisfies the check has come to the connection.
async function pushed(id, check) {
  for (;;) {
    const found = (pushes.get(id) ?? []).find(check);
    if (found) return found;
    await new Promise((wake) => arrived.push(wake));
  }
}

test("two people talk", { timeout: 10_000 }, async () => {
  assert.equal((await event("a=", "$connect")).status, 200);
  const { reply } = await event("a=", "join", { room: "lobby", name: "Ann" });
  assert.deepEqual(reply.members, ["Ann"]);
  await event("b=", "join", { room: "lobby", name: "ann" });
  await pushed("a=", (m) => m.type === "notice" && m.event === "joined" && m.name === "ann 2");
  assert.equal((await event("b=", "rename", { name: "Bob" })).reply.name, "Bob");
  assert.equal((await event("b=", "send", { text: "hello" })).reply, "");
  for (const id of ["a=", "b="]) await pushed(id, (m) => m.type === "message" && m.text === "hello" && m.name === "Bob");

  ended.add("b=");
  await event("a=", "send", { text: "still there?" });
  await pushed("a=", (m) => m.type === "notice" && m.event === "left" && m.name === "Bob");
});

test("pushes keep their order", { timeout: 10_000 }, async () => {
  await event("o=", "join", { room: "order", name: "O" });
  const texts = Array.from({ length: 40 }, (_, i) => `t${i}`);
  for (const text of texts) await event("o=", "send", { text });
  await pushed("o=", (m) => m.text === "t39");
  assert.deepEqual(pushes.get("o=").filter((m) => m.type === "message").map((m) => m.text), texts);
});

test("bad input is answered", { timeout: 10_000 }, async () => {
  assert.equal((await event("x=", "join", "no JSON")).reply.code, "bad-request");
  assert.equal((await event("x=", "join", "null")).reply.code, "bad-request");
  assert.equal((await event("x=", "join", { room: 1, name: "x".repeat(33) })).reply.code, "bad-request");
  assert.equal((await event("x=", "$default", "?")).reply.code, "unknown-action");
  assert.equal((await event("x=", "leave")).reply.code, "not-joined");
  assert.equal((await event("x=", "toString")).status, 400);
  await event("x=", "send", { text: "hi" });
  await pushed("x=", (m) => m.code === "not-joined");
});

test("the page is served, and nothing beside it", async () => {
  const index = await fetch(url + "/");
  assert.match(await index.text(), /chat\.js/);
  assert.match(index.headers.get("content-type"), /^text\/html/);
  assert.equal((await fetch(url + "/chat.css")).status, 200);
  for (const path of ["/none.js", "/..%2fchat.go", "/%2e%2e/chat.go"]) {
    const r = await fetch(url + path);
    await r.text();
    assert.equal(r.status, 404, path);
  }
});
