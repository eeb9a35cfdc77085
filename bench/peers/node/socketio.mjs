// The echo of socket.io, over its WebSocket transport: node socketio.mjs HOST PORT
// Its own pings are put off, because the generator does not speak them: a run is shorter than this.
import { createServer } from "node:http";
import { Server } from "socket.io";

const [host, port] = process.argv.slice(2);
const server = createServer();
const io = new Server(server, { transports: ["websocket"], perMessageDeflate: false, pingInterval: 600_000, pingTimeout: 600_000 });
io.on("connection", (socket) => {
  socket.on("echo", (data) => socket.emit("echo", data));
});
server.listen({ host, port: Number(port), backlog: 4096 });
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(0));
