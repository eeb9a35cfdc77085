// The chat's backend in Node: POST / is an event that the gateway passes on, GET is the page.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

import { Hall, refusal } from "./hall.mjs";
import { Pusher } from "./push.mjs";

const page = new URL("../chat/backend/page/", import.meta.url); // the same page as the Go backend's
const types = { ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8" };
const maxBody = 1 << 20; // the gateway's own limit for a message

// backend returns an HTTP server that is not listening yet. endpoint is the gateway's callback address.
export function backend({ endpoint }) {
  const hall = new Hall();
  const pusher = new Pusher({ endpoint, gone: (connection) => deliver(hall.gone(connection)) });

  function deliver({ pushes = [] }) {
    for (const { to, message } of pushes) for (const connection of to) pusher.push(connection, message);
  }

  const actions = {
    $connect: () => ({}),
    $disconnect: (connection) => hall.gone(connection),
    $default: () => ({ reply: refusal("unknown-action", "the actions are join, leave, rename, rooms and send") }),
    join: (connection, body) => hall.join(connection, body),
    leave: (connection) => hall.leave(connection),
    rename: (connection, body) => hall.rename(connection, body),
    rooms: () => hall.rooms(),
    send: (connection, body) => hall.send(connection, body),
  };

  async function event(request, response) {
    const { connectionid: connection, routekey: route } = request.headers;
    if (!connection || !Object.hasOwn(actions, route ?? "")) return end(response, 400);
    const result = actions[route](connection, parse(await read(request)));
    end(response, 200, result.reply && JSON.stringify(result.reply), "application/json");
    deliver(result);
  }

  const server = createServer((request, response) => {
    const work = request.method === "POST" ? event(request, response) : asset(request, response);
    work.catch((error) => {
      console.error(error);
      end(response, 500);
    });
  });
  server.on("close", () => pusher.close());
  return server;
}

async function asset(request, response) {
  const name = new URL(request.url, "http://page").pathname.slice(1) || "index.html";
  if (request.method !== "GET" || !/^[\w-]+\.\w+$/.test(name)) return end(response, 404);
  try {
    end(response, 200, await readFile(new URL(name, page)), types[extname(name)] ?? "application/octet-stream");
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
    end(response, 404);
  }
}

async function read(request) {
  let body = "";
  request.setEncoding("utf8");
  for await (const chunk of request) {
    body += chunk;
    if (body.length > maxBody) throw new Error("body too large");
  }
  return body;
}

function parse(body) {
  try {
    return Object(JSON.parse(body));
  } catch {
    return {}; // $connect and $disconnect have no body; other junk has no room and no text either
  }
}

function end(response, status, body = "", type = "text/plain") {
  if (response.headersSent) return;
  response.writeHead(status, { "content-type": type, "x-content-type-options": "nosniff", "cache-control": "no-cache" });
  response.end(body);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const endpoint = process.env.SALLYPORT_CALLBACK_URL ?? "http://127.0.0.1:8080/chat/dev";
  const port = Number(process.env.PORT ?? 3000);
  const server = backend({ endpoint });
  server.listen(port, "127.0.0.1", () => console.log(`listening on ${server.address().port}, pushing to ${endpoint}`));
  for (const signal of ["SIGTERM", "SIGINT"]) {
    process.once(signal, () => {
      server.close();
      server.closeAllConnections();
    });
  }
}
